"""Reads the description of the interface (api/*.api) into items and answers what a level contains.

The text format, one declaration a line (a line indented by 10 or more blanks continues the one before):

    header NAME            the public header that the following items belong to
    namespace NAME
    enum NAME LEVELS [: TYPE]
    struct NAME LEVELS
    interface NAME LEVELS [: BASE]    virtual methods of its own; users may implement it
    class NAME LEVELS [: BASE]        inline forwards to apiv::V<name without its I>
    owned NAME LEVELS [: BASE]        the same, and the user deletes it
    impl NAME LEVELS                  an apiv class without a public one
    raw LEVELS / raw-global LEVELS    C++ text, in the namespace or outside

Members are indented by two blanks and begin with LEVELS ("7+", "7-8", "10", "7,10+"):
    base X, in v_1_0::X, impl-class VX, impl-field mX   what the item is at these levels
    [protected|private] [virtual] SIGNATURE [override] [{ body }]   pure virtual in an interface unless it has a body
    SIGNATURE -> NAME or whole signature                the apiv method where it differs
    impl SIGNATURE                                      an apiv method without a public one
    inline TEXT, or text that ends in ';'               as it stands
Methods stand in the order of their vtable slots at every level that has them.

What any level has, level `all` has too (union.py says how forms that clash are told apart), except under a level word
that ends in `~`. The level word `all` names that level alone. In C++ text @ stands for the level.
"""
import re
from dataclasses import dataclass, field

import union

LEVELS = ["7", "8", "10", "11", "all"]
CLASSES = ("interface", "class", "owned", "impl")
FILES = ["types", "plugin", "runtime", "engine", "plugin_v3", "layer_enums", "layers", "layers_more", "network",
         "builder", "plugin_utils", "onnx", "legacy_parsers", "safe"]
LEVEL_WORD = re.compile(r"^(\d[\d,+-]*~?|all)$")


def expand(word):
    """The set of levels that a level word names."""
    if word == "all":
        return {"all"}
    found = set() if word.endswith("~") else {"all"}
    for part in word.rstrip("~").split(","):
        first, dash, last = part.partition("-")
        if part.endswith("+"):
            found |= set(LEVELS[LEVELS.index(part[:-1]):-1])
        elif dash:
            found |= set(LEVELS[LEVELS.index(first):LEVELS.index(last) + 1])
        else:
            found.add(LEVELS[LEVELS.index(part)])
    return found


@dataclass
class Member:
    levels: set
    text: str
    doc: list
    children: list = field(default_factory=list)


@dataclass
class Item:
    kind: str
    name: str
    levels: set
    base: str
    header: str
    namespace: str
    doc: list
    members: list = field(default_factory=list)
    lines: list = field(default_factory=list)

    def option(self, word, level, default=""):
        """The value of a 'base', 'in', 'impl-class' or 'impl-field' member at a level."""
        for member in self.members:
            if level in member.levels and member.text.startswith(word + " "):
                return member.text[len(word) + 1:]
        return default

    def base_at(self, level):
        return self.option("base", level, self.base)

    def impl_name(self, level):
        return self.option("impl-class", level, "V" + self.name[1:])

    def qualified(self, level):
        """Namespace and name where the item is defined at a level."""
        inner = self.option("in", level)
        return f"{self.namespace}::{inner}" if inner else f"{self.namespace}::{self.name}"

    def declarations(self, level):
        options = re.compile(r"(base|in|impl-class|impl-field) ")
        found = [m for m in self.members if level in m.levels and not options.match(m.text)]
        return union.distinct(found) if level == "all" and self.kind in CLASSES else found


def logical_lines(text):
    """Lines with continuations joined; raw text is left alone."""
    lines, raw = [], False
    for line in text.split("\n"):
        if line and not line[0].isspace():
            raw = line.startswith("raw")
        if line.startswith(" " * 10) and not raw:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines


def parse(text, where):
    items, header, namespace, doc, item = [], "", "", [], None
    for number, line in enumerate(logical_lines(text), 1):
        bare = line.strip()
        raw = item is not None and item.kind.startswith("raw")
        if raw and (line.startswith("  ") or not bare):
            item.lines.append(line[2:])
        elif not bare or bare.startswith("#"):
            continue
        elif bare.startswith("///"):
            doc.append(bare)
        elif line.startswith("header "):
            header, item = bare.split()[1], None
        elif line.startswith("namespace "):
            namespace, item = bare.split()[1], None
        elif not line[0].isspace():
            item = parse_item(bare, header, namespace, doc, f"{where}:{number}")
            items.append(item)
            doc = []
        else:
            parse_member(item, line, doc, f"{where}:{number}")
            doc = []
    return items


def parse_item(bare, header, namespace, doc, where):
    head, _, base = bare.partition(" : ")
    words = head.split()
    if words[0] in ("raw", "raw-global"):
        return Item(words[0], "", expand(words[1]), "", header, namespace, doc)
    if words[0] not in ("enum", "struct", *CLASSES) or len(words) != 3:
        raise SystemExit(f"{where}: not an item: {bare}")
    return Item(words[0], words[1], expand(words[2]), base, header, namespace, doc)


def parse_member(item, line, doc, where):
    word, _, text = line.strip().partition(" ")
    if item is None or not LEVEL_WORD.match(word):
        raise SystemExit(f"{where}: not a member: {line}")
    member = Member(expand(word), text.strip(), doc)
    if line.startswith("    ") and item.members and item.members[-1].text.startswith("enum "):
        item.members[-1].children.append(member)
    else:
        item.members.append(member)


def load(folder):
    items = []
    for name in FILES:
        path = folder / f"{name}.api"
        items += parse(path.read_text(), path.name)
    return items
