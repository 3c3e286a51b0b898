"""A member of the description as C++ text: the words in front, its signature and its body."""
import re

SUBSTITUTES = {"DimsArg": ("Dims", "Dims const&"), "DimInt": ("int32_t", "int64_t")}
BODY = re.compile(r"\s*(\{.*\}|: .*\{.*\})$")


def at_level(text, level):
    """Replaces the description's own type names by what they are at a level."""
    for word, (narrow, wide) in SUBSTITUTES.items():
        text = re.sub(rf"\b{word}\b", narrow if level in ("7", "8") else wide, text)
    return text.replace("@", level)


def split_arguments(text):
    parts, depth, current = [], 0, ""
    for char in text:
        depth += (char in "(<[{") - (char in ")>]}")
        if char == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return parts + ([current.strip()] if current.strip() else [])


class Signature:
    """A method's return type, name, parameters (without defaults) and const."""

    def __init__(self, text):
        match = re.match(r"^(.*?)([~\w]+)\((.*)\)\s*(const)?\s*$", text)
        if not match:
            raise SystemExit(f"not a signature: {text}")
        self.result, self.name = match.group(1).strip(), match.group(2)
        self.declared = split_arguments(match.group(3))
        self.const = " const" if match.group(4) else ""
        self.parameters = [re.sub(r"\s*=.*$", "", p) for p in self.declared]

    def names(self):
        return [re.sub(r"\[\d*\]$", "", re.split(r"[\s*&]", p)[-1]) for p in self.parameters]

    def text(self, defaults):
        arguments = ", ".join(self.declared if defaults else self.parameters)
        return f"{self.result} {self.name}({arguments}){self.const}".strip()


def method_parts(text):
    """Splits a member into access, leading words, signature, override and body."""
    access = "public"
    words = []
    while True:
        word, _, rest = text.partition(" ")
        if word in ("protected", "private"):
            access, text = word, rest
        elif word in ("virtual", "impl"):
            words.append(word)
            text = rest
        else:
            break
    text, _, arrow = text.partition(" -> ")
    match = BODY.search(text)
    body = match.group(1) if match else ""
    text = text[:match.start()] if match else text
    override = text.endswith(" override")
    return access, words, text[:-9] if override else text, override, body, arrow


def is_verbatim(text):
    return text.endswith(";") or text.startswith("inline ") or re.match(r"\w+\(.*\) noexcept :", text)
