"""Turns items of the description into the C++ text of one level."""
import re

import union
from member_text import Signature, at_level, is_verbatim, method_parts


def wrap_namespace(namespace, lines):
    parts = namespace.split("::")
    opening = [line for part in parts for line in (f"namespace {part}", "{")]
    return opening + lines + [f"}} // namespace {part}" for part in reversed(parts)]


def enum_values(item, level):
    """The enumerators of an item at a level with their numbers, by name."""
    members = [m for m in item_children(item) if level in m.levels]
    if level == "all":
        return union.numbers(members)
    pairs = (m.text.split(" = ") for m in members)
    return {name: int(value) for name, value in pairs}


def enum_lines(item, level):
    under = getattr(item, "base", "") or "int32_t"
    lines = list(item.doc) + [f"enum class {enum_name(item)} : {under}", "{"]
    return lines + [f"    {name} = {value}," for name, value in enum_values(item, level).items()] + ["};"]


def item_children(item):
    return item.members if hasattr(item, "members") else item.children


def enum_name(item):
    return item.name if hasattr(item, "name") else item.text.split()[1]


def enum_max(item, level):
    name = item.name
    return ["namespace impl", "{", "template <>", f"struct EnumMaxImpl<{name}>", "{",
            f"    static constexpr int32_t kVALUE = {max(enum_values(item, level).values()) + 1};", "};",
            "} // namespace impl"]


def enum_max_template(namespace):
    return wrap_namespace(namespace, [
        "namespace impl", "{", "template <typename T>", "struct EnumMaxImpl;", "} // namespace impl",
        "/// One more than the greatest value of an enumeration.", "template <typename T>",
        "constexpr int32_t EnumMax() noexcept", "{", "    return impl::EnumMaxImpl<T>::kVALUE;", "}"])


class ClassText:
    """Collects the lines of a class, switching access where it changes."""

    def __init__(self):
        self.lines, self.access = [], None

    def add(self, access, lines):
        if access != self.access:
            self.lines.append(f"{access}:")
            self.access = access
        self.lines += [f"    {line}" for line in lines]


def interface_lines(item, level):
    name = item.qualified(level).split("::")[-1]
    out = ClassText()
    for member in item.declarations(level):
        text = at_level(member.text, level)
        if text.startswith("enum "):
            out.add("public", list(member.doc) + enum_lines(member, level))
            continue
        if is_verbatim(text):
            out.add("public", list(member.doc) + [re.sub(r"^inline ", "", text)])
            continue
        access, _, signature, override, body, _ = method_parts(text)
        if "~" in signature:
            line = f"virtual ~{name}() noexcept = default;"
        elif body:
            line = ("" if override else "virtual ") + signature + (" override " if override else " ") + body
        else:
            line = ("" if override else "virtual ") + signature + (" override = 0;" if override else " = 0;")
        out.add(access, list(member.doc) + [line])
    base = item.base_at(level)
    if base and item.option("in", level):
        base = f"{item.namespace}::{base}"
    head = f"class {name}" + (f" : public {base}" if base else "")
    return list(item.doc) + [head, "{"] + out.lines + ["};"]


def forward_lines(item, level):
    """A public class whose methods forward to its apiv interface."""
    impl = item.impl_name(level)
    holder = item.option("impl-field", level, "mImpl")
    out = ClassText()
    for member in item.declarations(level):
        text = at_level(member.text, level)
        if is_verbatim(text) or text.startswith("inline "):
            out.add("public", list(member.doc) + [re.sub(r"^inline ", "", text)])
            continue
        _, words, signature, _, _, arrow = method_parts(text)
        if "impl" in words:
            continue
        public = Signature(signature)
        target = Signature(arrow).name if "(" in arrow else arrow or public.name
        call = f"{holder}->{target}({', '.join(public.names())})"
        keyword = "virtual " if "virtual" in words else ""
        give = "" if public.result == "void" else "return "
        out.add("public", list(member.doc) + [f"{keyword}{public.text(True)} noexcept {{ {give}{call}; }}"])
    destructor = f"virtual ~{item.name}() noexcept = default;"
    if item.kind == "owned":
        out.add("public", [destructor])
        out.add("protected", [f"apiv::{impl}* {holder}{{nullptr}};"])
    else:
        out.add("protected", [destructor, f"apiv::{impl}* {holder}{{nullptr}};"])
    base = item.base_at(level) or "INoCopy"
    return list(item.doc) + [f"class {item.name} : public {base}", "{"] + out.lines + ["};"]


def struct_lines(item, level):
    lines = list(item.doc) + [f"struct {item.name}", "{"]
    for member in item.declarations(level):
        lines += [f"    {d}" for d in member.doc] + ["    " + at_level(member.text, level)]
    return lines + ["};"]


def implementation_lines(item, level):
    """The apiv interface behind a public class: its methods in slot order."""
    lines = [f"class {item.impl_name(level) if item.kind != 'impl' else item.name} : public VRoot", "{", "public:"]
    for member in item.declarations(level):
        text = at_level(member.text, level)
        if is_verbatim(text) or text.startswith("inline "):
            continue
        _, _, signature, _, _, arrow = method_parts(text)
        method = Signature(arrow if "(" in arrow else signature)
        if arrow and "(" not in arrow:
            method.name = arrow
        lines.append(f"    virtual {method.text(False)} noexcept = 0;")
    return lines + ["};"]


def implementation_classes(items, level):
    lines = ["class VRoot", "{", "public:", "    virtual ~VRoot() noexcept = default;", "};", ""]
    for item in items:
        if level in item.levels and item.kind in ("class", "owned", "impl"):
            lines += implementation_lines(item, level) + [""]
    return wrap_namespace("nvinfer1::apiv", lines)


def forward_declarations(items, level):
    """Every enumeration and class of nvinfer1, so that headers may name them in any order."""
    lines, inner = [], {}
    for item in items:
        if level not in item.levels or item.namespace != "nvinfer1" or not item.name or item.kind == "impl":
            continue
        if item.header == "NvOnnxParser.h":
            continue
        if item.kind == "enum":
            lines.append(f"enum class {item.name} : {item.base or 'int32_t'};")
            continue
        tag = "struct" if item.kind == "struct" else "class"
        place = item.option("in", level)
        if place:
            space, name = place.split("::")
            inner.setdefault(space, []).append(f"{tag} {name};")
            lines.append(f"using {item.name} = {place};")
        else:
            lines.append(f"{tag} {item.name};")
    spaces = [line for space, found in inner.items() for line in wrap_namespace(space, found)]
    return wrap_namespace("nvinfer1", spaces + lines) + enum_max_template("nvinfer1") + [""]


def item_lines(item, level):
    """The definition of an item and the namespace it stands in."""
    if item.kind.startswith("raw"):
        return [at_level(line, level) for line in item.lines], "" if item.kind == "raw-global" else item.namespace
    if item.kind == "enum":
        known = item.namespace in ("nvinfer1", "nvonnxparser")
        return enum_lines(item, level) + (enum_max(item, level) if known else []), item.namespace
    writers = {"struct": struct_lines, "interface": interface_lines, "class": forward_lines, "owned": forward_lines}
    return writers[item.kind](item, level), item.qualified(level).rsplit("::", 1)[0]


def local_declarations(items):
    """Classes of the namespaces beside nvinfer1, which only their own header declares."""
    names = {}
    for item in items:
        if item.kind == "interface" and item.namespace != "nvinfer1":
            names.setdefault(item.namespace, []).append(f"class {item.name};")
    return [line for namespace, found in names.items() for line in wrap_namespace(namespace, found)]


def header_items(items, level):
    lines = local_declarations(items)
    for item in items:
        if item.kind == "impl":
            continue
        text, namespace = item_lines(item, level)
        lines += (wrap_namespace(namespace, text) if namespace else text) + [""]
    return lines
