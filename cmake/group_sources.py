"""Groups C++ sources that can be compiled as one: group_sources.py ROOT FOLDER NAME MAX SOURCE...

Writes FOLDER/NAME_<n>.cpp, each including at most MAX of the sources by their names below ROOT, and prints what is then
to be compiled, one file a line. Sources share a group only if none declares a name of its own (in an unnamed namespace,
by `using`, `static` or `#define`) that another mentions or that headers of another declare: such a name would be
declared twice, or be taken for the other. What mentions a macro TENON_* that no header defines is compiled alone.
"""
import os
import re
import sys

NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|"
                   r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'", re.S)
MACRO = re.compile(r"TENON_[A-Z]\w*$")
DEFINED = re.compile(r"^[ \t]*#\s*define\s+(\w+)", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
MENTION = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*")
NAMESPACE = re.compile(r"(?:inline\s+)?namespace(\s+[\w:]+)?\s*$")
ALIAS = re.compile(r"using\s+(\w+)\s*=")
TYPE = re.compile(r"(?:struct|class|union|enum(?:\s+class)?)\s+(\w+)")
LAST_NAME = re.compile(r"(~?\b[A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*$")


def balanced(text, opening="<", closing=">"):
    """The length of the bracketed text that `text` begins with."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == opening) - (c == closing)
        if depth == 0:
            return i + 1
    return len(text)


def name_of(declaration):
    """The name that the text of a declaration up to its `;` or `{` introduces, or None."""
    text = re.sub(r"\[\[.*?\]\]", " ", declaration).strip()
    while text.startswith("template"):
        text = text[len("template"):].strip()
        text = text[balanced(text):].strip()
    found = ALIAS.match(text) or TYPE.match(text)
    if found:
        return found.group(1)
    if text.startswith("using") or "operator" in text:
        return None
    found = LAST_NAME.search(re.split(r"[=(]", re.sub(r"<[^<>()]*>", "", re.sub(r"<[^<>()]*>", "", text)))[0])
    return found.group(1) if found and not found.group(1).isupper() else None


def declarations(text):
    """(in an unnamed namespace?, text up to its `;` or `{`) of every declaration at namespace scope."""
    scopes, start, i, depth = [], 0, 0, 0
    while i < len(text):
        c = text[i]
        if c == "{" and depth == 0:
            head = text[start:i].strip()
            space = NAMESPACE.search(head)
            if space:
                scopes.append(space.group(1) is None)
            else:
                yield any(scopes), head
                depth = 1
            start = i + 1
        elif c == "{":
            depth += 1
        elif c == "}" and depth:
            depth -= 1
            start = i + 1
        elif c == "}":
            if scopes:
                scopes.pop()
            start = i + 1
        elif c == ";" and depth == 0:
            head = text[start:i].strip()
            if head:
                yield any(scopes), head
            start = i + 1
        i += 1


class Source:
    """What a file declares for itself, what it mentions, and what it and the headers behind it declare."""

    def __init__(self, root, path, headers):
        with open(path, encoding="utf-8") as f:
            raw = f.read()
        text = NOISE.sub(" ", raw)
        self.path = path
        self.mentions = set(MENTION.findall(text))
        self.declared, self.aliases = set(DEFINED.findall(text)), set()
        self.own = self.declared - set(re.findall(r"^[ \t]*#\s*undef\s+(\w+)", text, re.M))
        for unnamed, head in declarations(DIRECTIVE.sub(" ", text)):
            name = name_of(head)
            if name:
                self.declared.add(name)
                if ALIAS.match(head):
                    self.aliases.add(" ".join(head.split()))
                if unnamed or re.match(r"(?:static|using|constexpr|const)\b", head):
                    self.own.add(name)
        self.behind = set()
        for include in INCLUDE.findall(raw):
            header = os.path.join(root, include)
            if include.endswith(".h") and os.path.exists(header):
                if header not in headers:
                    headers[header] = Source(root, header, headers)
                self.behind |= headers[header].declared | headers[header].behind
        # A macro that comes from the build may be defined for this source alone.
        self.alone = any(MACRO.match(name) and name not in self.declared | self.behind for name in self.mentions)


def fit(a, b):
    """Whether neither of two sources disturbs the other when both are compiled as one."""
    if a.alone or b.alone:
        return False
    same = {ALIAS.match(alias).group(1) for alias in a.aliases & b.aliases}
    return all(not (one.own & other.mentions) - same and not one.own & (other.behind - one.behind)
               for one, other in ((a, b), (b, a)))


def groups_of(sources, most):
    groups = []
    for source in sources:
        for group in groups:
            if len(group) < most and all(fit(source, other) for other in group):
                group.append(source)
                break
        else:
            groups.append([source])
    return groups


def main():
    root, folder, name, most, *paths = sys.argv[1:]
    headers = {}
    sources = [Source(root, path, headers) for path in sorted(paths)]
    os.makedirs(folder, exist_ok=True)
    for i, group in enumerate(groups_of(sources, int(most))):
        if len(group) == 1:
            print(group[0].path)
            continue
        path = os.path.join(folder, f"{name}_{i}.cpp")
        text = "".join(f'#include "{os.path.relpath(source.path, root)}"\n' for source in group)
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        print(path)


if __name__ == "__main__":
    main()
