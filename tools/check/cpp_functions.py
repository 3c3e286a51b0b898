"""Finds function bodies in formatted C++ text, well enough to measure their length."""

import re

NOT_FUNCTIONS = re.compile(r"\b(namespace|class|struct|union|enum)\b(?![^(]*\()")
CONTROL = re.compile(r"^\s*(if|for|while|switch|do|else|try|catch|return)\b")
RAW_STRING = re.compile(r'R"([^(\s]*)\((.*?)\)\1"', re.S)
COMMENT, STRING, CHARACTER = r"//[^\n]*|/\*.*?\*/", r'"(?:\\.|[^"\\\n])*"', r"'(?:\\.|[^'\\\n])+'"
DIRECTIVE = r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*"
TOKENS = re.compile("|".join((COMMENT, STRING, CHARACTER, DIRECTIVE)), re.S | re.M)


def blank(match):
    """The matched text with everything but its line breaks removed."""
    return "\n" * match.group(0).count("\n")


def functions(text):
    """Yields (first line, last line, name) of each outermost function body; nested lambdas belong to theirs."""
    text = RAW_STRING.sub(blank, text)
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text)
    text = TOKENS.sub(blank, text)
    head_start, stack, inside = 0, [], None
    for position, char in enumerate(text):
        if char in ";}" and inside is None and text.count("(", head_start, position) == text.count(")", head_start,
                                                                                                  position):
            head_start = position + 1 if char == ";" else head_start
        if char == "{":
            head = text[head_start:position]
            stack.append(head_start)
            if inside is None and is_function_head(head):
                inside = len(stack)
            if inside is None:
                head_start = position + 1
        elif char == "}" and stack:
            start = stack.pop()
            if inside is not None and len(stack) + 1 == inside:
                head = text[start:position]
                first = start + len(head) - len(head.lstrip())
                yield text.count("\n", 0, first) + 1, text.count("\n", 0, position) + 1, name_of(head)
                inside = None
            if inside is None:
                head_start = position + 1


def is_function_head(head):
    head = head.strip()
    if "(" not in head or NOT_FUNCTIONS.search(head) or CONTROL.match(head):
        return False
    return re.search(r"\)\s*(const|noexcept|override|final|mutable|&|->[^;{}]*|:[^:].*)*\s*$", head, re.S) is not None


def name_of(head):
    match = re.search(r"([~\w:]+|operator\s*\S+)\s*\(", head)
    return match.group(1) if match else "a function"
