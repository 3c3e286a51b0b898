"""Level `all`: what a class holds when every level's members stand in it at once.

Methods of one name stay apart where their parameters differ. Where they do not (const, references, widths of integers
and old names of a type aside), the newest level's form is kept; so is the form whose further parameters have defaults.
An enumerator keeps level 10's number; one that level 10 lacks shares the number of an enumerator that it was equal to
at some level, else keeps the number of its newest level where that is free, else gets the lowest free number.
"""
import re

import member_text

SAME_TYPE = {"int32_t": "int64_t", "SliceMode": "SampleMode", "ResizeMode": "InterpolationMode"}
PARAMETER = re.compile(r"\s*([\w:]+)\s*([*&\s]*?)\s*(\w*)\s*(\[\d*\])?\s*$")
AGE = {"7": 0, "8": 1, "10": 2, "11": 3, "all": 4}


def newest(levels):
    return max(levels, key=AGE.get)


def parameter_type(text):
    match = PARAMETER.match(re.sub(r"\bconst\b", "", re.sub(r"\s*=.*$", "", text)))
    if not match:
        raise SystemExit(f"not a parameter: {text}")
    stars = re.sub(r"[&\s]", "", match.group(2)) + ("*" if match.group(4) else "")
    return SAME_TYPE.get(match.group(1), match.group(1)) + stars


class Form:
    """A member as a method: its name, its parameter types, and how many of them must be given."""

    def __init__(self, member):
        self.member = member
        text = member_text.at_level(member.text, "all")
        self.method = not (member_text.is_verbatim(text) or text.startswith("enum "))
        self.name, self.types, self.needed = text, (), 0
        if self.method:
            signature = member_text.Signature(member_text.method_parts(text)[2])
            self.name = signature.name
            self.types = tuple(map(parameter_type, signature.declared))
            self.needed = sum("=" not in p for p in signature.declared)

    def covers(self, other):
        """True if every call of `other` is a call of this one and this one is to be kept."""
        if self.name != other.name or self.types[:len(other.types)] != other.types:
            return False
        if len(self.types) > len(other.types):
            return self.needed <= len(other.types)
        return AGE[newest(self.member.levels - {"all"} or {"all"})] > AGE[
            newest(other.member.levels - {"all"} or {"all"})]


def distinct(members):
    forms = [Form(m) for m in members]
    return [f.member for f in forms if not (f.method and any(g.covers(f) for g in forms if g.method))]


def values_by_level(members):
    """name -> {level: value}, in order of appearance."""
    values = {}
    for member in members:
        name, _, value = member.text.partition(" = ")
        for level in member.levels - {"all"}:
            values.setdefault(name, {})[level] = int(value)
    return values


def numbers(members):
    """The numbers of an enumeration's members at level `all`, by name."""
    values, found = values_by_level(members), {}
    for name in sorted(values, key=lambda n: ("10" not in values[n], -AGE[newest(values[n])])):
        own = values[name]
        equal = [n for n in found if any(values[n].get(level) == v for level, v in own.items())]
        if "10" in own:
            found[name] = own["10"]
        elif equal:
            found[name] = found[equal[0]]
        else:
            taken = set(found.values())
            wish = own[newest(own)]
            found[name] = wish if wish not in taken else next(i for i in range(len(taken) + 1) if i not in taken)
    return {name: found[name] for name in values}
