"""Writes the generated part of the Python module `tensorrt`: python_bindings.py OUTPUT_FOLDER [--list]

From the description of level `all` and python.names: enum_index.h and enums.inc (every enumeration with its numbers
at each level), and bind_<unit>.cpp, one translation unit for a group of classes. By rule setX and getX become the
property `x`, a getter alone a read-only one, another method keeps its name in snake case, and `k` falls off
enumerators.
--list prints the names of the files instead of writing them.
"""
import pathlib
import re
import sys

import description
import emit
import member_text
import union

MASKS = {"BuilderFlags": "BuilderFlag", "QuantizationFlags": "QuantizationFlag", "TacticSources": "TacticSource",
         "NetworkDefinitionCreationFlags": "NetworkDefinitionCreationFlag", "SerializationFlags": "SerializationFlag",
         "TempfileControlFlags": "TempfileControlFlag", "TensorFormats": "TensorFormat"}
NUMBERS = {"int32_t", "int64_t", "uint32_t", "uint64_t", "size_t", "float", "double", "bool"}
NAMESPACES = {"nvinfer1", "nvonnxparser", "nvuffparser"}
ADDRESSES = {"void*", "cudaStream_t", "cudaEvent_t"}
FOLDER = pathlib.Path(__file__).parent


def snake(name):
    name = re.sub(r"^Nb(?=[A-Z])", "Num", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Names:
    """python.names, read."""

    def __init__(self, text):
        self.units, self.classes, self.enums, self.enumerators = {}, {}, {}, {}
        self.unused = set()
        entry, unit = None, None
        for line in text.split("\n"):
            bare = line.strip()
            if not bare or bare.startswith("#"):
                continue
            if line.startswith("unit "):
                unit = self.units.setdefault(bare.split()[1], [])
            elif line.startswith("enum "):
                words = bare.split()
                self.enums[words[1]] = words[-1] if len(words) > 2 else None
                entry = words[1]
            elif not line.startswith(" "):
                entry = self.new_class(bare, unit)
            elif isinstance(entry, str):
                old, new = bare.split(" = ")
                self.enumerators[entry, old] = new
            else:
                self.member(entry, bare)

    def new_class(self, bare, unit):
        head, _, rest = bare.partition(" = ")
        words = (rest or head).split()
        name = head.split()[0]
        unit.append(name)
        entry = {"name": name, "python": words[0], "options": set(words[1:]), "skip": set(), "properties": {},
                 "methods": {}}
        self.classes[name] = entry
        return entry

    def member(self, entry, bare):
        if bare.startswith("- "):
            entry["skip"] |= set(bare[2:].split())
            return
        match = re.match(r"([\w/]+)\((.*)\)(?: = (\w+))?( unlocked)?$", bare)
        if match:
            key, keywords, python, unlocked = match.groups()
            entry["methods"][key] = (member_text.split_arguments(keywords), python, bool(unlocked))
        else:
            old, new = bare.split(" = ")
            entry["properties"][old] = new


class Generator:
    def __init__(self):
        self.items = description.load(FOLDER)
        self.names = Names((FOLDER / "python.names").read_text())
        lines = [line for line in (FOLDER / "python.docs").read_text().splitlines() if not line.startswith("#")]
        self.docs, self.documented = dict(line.split(": ", 1) for line in lines), set()
        self.enums = self.collect_enums()
        self.enum_types = {key.rsplit("::", 1)[-1]: key for key, _, _ in self.enums if key.startswith("nvinfer1::")}
        self.classes = {i.name: i for i in self.items if i.kind in ("class", "owned", "interface") and
                        i.namespace == "nvinfer1" and "all" in i.levels}

    # --- enumerations

    def collect_enums(self):
        """(C++ name, Python name, item) of each enumeration that Python has."""
        found = []
        for item in self.items:
            nested = [m for m in item.members if m.text.startswith("enum ")] if item.kind == "interface" else []
            if item.namespace not in NAMESPACES or item.kind == "enum" and "all" not in item.levels:
                continue
            for part in ([item] if item.kind == "enum" else nested):
                name = emit.enum_name(part)
                key = f"{item.namespace}::{name}" if part is item else f"{item.namespace}::{item.name}::{name}"
                python = self.names.enums.get(key, self.names.enums.get(name, None)) or name
                if python != "-":
                    found.append((key, python, part))
        return found

    def enumerators(self, name, part):
        """(Python name, number at level `all`, numbers at 7, 8, 10 and 11)."""
        members = emit.item_children(part)
        values, numbers = union.values_by_level(members), union.numbers(members)
        columns = []
        for level in ("7", "8", "10", "11"):
            taken = {own[level] for own in values.values() if level in own}
            if not taken:  # a release without this enumeration
                columns.append(numbers)
                continue
            column = {}
            for key, own in values.items():
                free = numbers[key] if numbers[key] not in taken else next(
                    i for i in range(len(values) * 3) if i not in taken)
                column[key] = own.get(level, free)
                if level not in own and "10" not in own and numbers[key] in taken:
                    column[key] = self.synonym(values, own, level, free)
                taken.add(column[key])
            columns.append(column)
        for key in values:
            bare = re.sub(r"^k(?=[A-Z])", "", key)
            bare = self.names.enumerators.get((name, bare), bare)
            yield bare, numbers[key], [column[key] for column in columns]

    def synonym(self, values, own, level, otherwise):
        """The number, at a level, of an enumerator that shares this one's number where both exist."""
        for other in values.values():
            if level in other and any(other.get(l) == v for l, v in own.items()):
                return other[level]
        return otherwise

    def enum_index(self):
        lines = ["// Written by api/python_bindings.py."]
        return lines + [f'TENON_ENUM({key}, {index}, "{name}")' for index, (key, name, _) in enumerate(self.enums)]

    def enum_table(self):
        lines = ["// Written by api/python_bindings.py. Number at level `all`; numbers that 7, 8, 10 and 11 show."]
        for _, python, part in self.enums:
            lines.append(f'ENUM("{python}"{self.text(python)})')
            for name, number, shown in self.enumerators(emit.enum_name(part), part):
                lines.append(f'VALUE("{name}", {number}, {", ".join(map(str, shown))})')
        return lines

    # --- types

    def argument(self, declared):
        """(C++ parameter type, expression of its use, None accepted) of a declared parameter."""
        match = union.PARAMETER.match(re.sub(r"\bconst\b", "", declared))
        if not match:
            raise SystemExit(f"not a parameter: {declared}")
        kind, stars = match.group(1), re.sub(r"\s", "", match.group(2)).replace("&", "")
        reference = "&" in declared
        if kind == "char" and stars == "*":
            return "const char*", "{}", False
        if f"{kind}{stars}" in ADDRESSES:
            target = "void*" if stars else kind
            return "Address", "{}.as<" + target + ">()", True
        if kind in MASKS and not stars:
            return "uint64_t", f"mask_to_cpp(EnumIndex<{MASKS[kind]}>::value, {{}})", False
        if kind == "Weights" and not stars:
            return "WeightsArg", "{}", True
        if kind in ("Dims", "DimsHW", "Permutation") and not stars:
            return f"const {kind}&", "{}", False
        if (kind in NUMBERS or kind in self.enum_types) and not stars:
            return kind, "{}", False
        if kind in ("SliceMode", "ResizeMode") and not stars:
            return kind, "{}", False
        if kind in self.classes:
            if stars == "*":
                return f"{kind}*", "{}", True
            if reference and not stars:
                return f"{kind}&", "{}", False
        return None

    def returned(self, text, options):
        """Turns an expression of a declared result type into what the lambda returns; adds policies to options."""
        kind = re.sub(r"\bconst\b", "", text)
        stars = "*" if "*" in kind else ""
        reference = "&" in kind
        kind = re.sub(r"[*&\s]", "", kind)
        if kind == "void" and not stars:
            return "{};"
        if kind == "char" and stars:
            return "return {};"
        if f"{kind}{stars}" in ADDRESSES:
            return "return Address{{reinterpret_cast<uintptr_t>({})}};"
        if kind in MASKS:
            return f"return mask_to_python(EnumIndex<{MASKS[kind]}>::value, {{}});"
        if kind == "Weights":
            return "return weights_object({}, self.h);"
        if kind in self.classes:
            owned = self.classes[kind].kind == "owned" and stars
            options.append("nb::rv_policy::take_ownership" if owned else "nb::rv_policy::reference_internal")
            if owned:
                options.append("nb::keep_alive<0, 1>()")
            return "return &{};" if reference else "return {};"
        if kind in NUMBERS or kind in self.enum_types or kind in ("Dims", "DimsHW", "Permutation", "SliceMode",
                                                                  "ResizeMode"):
            return "return {};"
        return None

    # --- classes

    def bind_class(self, name):
        item, entry = self.classes[name], self.names.classes[name]
        base = item.base_at("all")
        bases = f", {base}" if base in self.names.classes or base == "IVersionedInterface" else ""
        slots = f", nb::type_slots(slots_of_{name}())" if "slots" in entry["options"] else ""
        lines = [f"void bind_{name}(nb::module_& m) {{",
                 f'  nb::class_<{name}{bases}> c(m, "{entry["python"]}"{slots}{self.text(name)});']
        self.unused = set(entry["methods"]) | set(entry["properties"])
        for text in self.members(item, entry):
            lines.append("  " + text)
        if self.unused:
            raise SystemExit(f"{name} has no {sorted(self.unused)}")
        if "context" in entry["options"]:
            lines.append("  add_context_manager(c);")
        if "more" in entry["options"]:
            lines.append("  more(c);")
        return lines + ["}", ""]

    def signatures(self, item):
        for member in item.declarations("all"):
            text = member_text.at_level(member.text, "all")
            if member_text.is_verbatim(text) or text.startswith("inline "):
                continue
            access, words, signature, _, _, _ = member_text.method_parts(text)
            if access == "public" and "impl" not in words:
                yield member_text.Signature(signature)

    def members(self, item, entry):
        signatures = [s for s in self.signatures(item) if s.name not in entry["skip"]]
        counts = {}
        for s in signatures:
            counts[s.name] = counts.get(s.name, 0) + 1
        getters = {}
        for s in signatures:
            if not s.declared and s.result != "void" and re.match(r"(get|is)[A-Z]", s.name):
                getters[re.sub(r"^(get|is)", "", s.name)] = s
        paired = set()
        for s in signatures:
            key = s.name if s.name in entry["methods"] else f"{s.name}/{len(s.declared)}"
            name = s.name[3:]
            if key in entry["methods"]:
                self.unused.discard(key)
                yield self.method(entry, s, *entry["methods"][key])
            elif s.name.startswith("set") and len(s.declared) == 1 and name in getters and \
                    getters[name].name not in entry["methods"]:
                paired.add(getters[name].name)
                yield self.property(entry, name, getters[name], s)
        for s in signatures:
            if s.name in paired or s.name in entry["methods"] or f"{s.name}/{len(s.declared)}" in entry["methods"]:
                continue
            if s.name.startswith("set") and s.name[3:] in getters and len(s.declared) == 1:
                continue
            if not s.declared and s.result != "void":
                yield self.property(entry, re.sub(r"^get", "", s.name), s, None)
            else:
                raise SystemExit(f"{entry['name']}: python.names says nothing of {s.text(True)}")

    def doc(self, entry, python):
        """A docstring as one more argument of a definition."""
        return self.text(f"{entry['name']}.{python}")

    def text(self, name):
        if name not in self.docs:
            raise SystemExit(f"python.docs says nothing of {name}")
        self.documented.add(name)
        return ', "' + self.docs[name].replace('"', '\\"') + '"'

    def property(self, entry, name, getter, setter):
        options = []
        result = self.returned(getter.result, options)
        if result is None:
            raise SystemExit(f"{entry['name']}: no rule for {getter.text(True)}")
        key = next((k for k in (name, getter.name) if k in entry["properties"]), None)
        python = entry["properties"].get(key) or snake(name)
        self.unused.discard(key)
        of_weights = "self.h)" in result
        this = f"nb::pointer_and_handle<{entry['name']}> self" if of_weights else f"{entry['name']}& self"
        self_text = "self.p->" if of_weights else "self."
        read = f"[]({this}) {{ {result.format(self_text + getter.name + '()')} }}"
        more = "".join(f", {o}" for o in options) + self.doc(entry, python)
        if setter is None:
            return f'c.def_prop_ro("{python}", {read}{more});'
        given = self.argument(setter.declared[0])
        if given is None:
            raise SystemExit(f"{entry['name']}: no rule for {setter.text(True)}")
        kind, use, none = given
        call = f"self.{setter.name}({use.format('value')})"
        if setter.result == "bool":
            call = f'done({call}, "{entry["python"]}.{python}")'
        write = f"[]({entry['name']}& self, {kind} value) {{ {call}; }}"
        if none:
            more += ", nb::for_setter(nb::arg().none())"
        if self.is_held(kind):
            more += ", nb::for_setter(nb::keep_alive<1, 2>())"
        return f'c.def_prop_rw("{python}", {read}, {write}{more});'

    def is_held(self, kind):
        """Whether a parameter is a pointer that its receiver keeps: to a user's object or to one that the user owns."""
        held = self.classes.get(kind[:-1]) if kind.endswith("*") else None
        return held is not None and held.kind in ("interface", "owned")

    def method(self, entry, signature, keywords, python, unlocked):
        python = python or snake(signature.name)
        parameters, uses, options = [], [], []
        declared = list(signature.declared)
        while declared:
            text = re.sub(r"\s*=.*$", "", declared.pop(0))
            index = len(parameters)
            many = re.match(r"(const )?(\w+)\s*\*\s*(const\s*\*)?\s*\w+$", text)
            if many and declared and re.match(r"int32_t nb", declared[0]) and (many.group(3) or many.group(1)):
                declared.pop(0)
                kind = many.group(2) + ("*" if many.group(3) else "")
                parameters.append((f"const std::vector<{kind}>&", False))
                uses.append(f"a{index}.data(), static_cast<int32_t>(a{index}.size())")
                continue
            given = self.argument(text)
            if given is None:
                raise SystemExit(f"{entry['name']}: no rule for {signature.text(True)}")
            kind, use, none = given
            parameters.append((kind, none))
            uses.append(use.format(f"a{index}"))
        if len(keywords) != len(parameters):
            raise SystemExit(f"{entry['name']}::{signature.name} has {len(parameters)} parameters: {keywords}")
        result = self.returned(signature.result, options)
        if result is None:
            raise SystemExit(f"{entry['name']}: no rule for {signature.text(True)}")
        of_weights = "self.h)" in result
        this = f"nb::pointer_and_handle<{entry['name']}> self" if of_weights else f"{entry['name']}& self"
        call = f"{'self.p->' if of_weights else 'self.'}{signature.name}({', '.join(uses)})"
        if unlocked:
            call = f"unlocked([&] {{ return {call}; }})"
        if re.match(r"(add|create|build|serialize)", signature.name) and "*" in signature.result:
            call = f'made({call}, "{entry["python"]}.{python}")'
        elif signature.result == "bool" and re.match(r"(set|refit|build|mark|unmark|parse)", signature.name):
            call = f'done({call}, "{entry["python"]}.{python}")'
        arguments = []
        for (kind, none), keyword in zip(parameters, keywords):
            key, _, default = keyword.partition("=")
            arguments.append(f'nb::arg("{key}")' + (".none()" if none else "") + (f" = {default}" if default else ""))
            keeps = kind == "WeightsArg" and self.classes[entry["name"]].kind == "owned" and "Weights" in signature.name
            if (keeps or self.is_held(kind)) and signature.name.startswith("set"):
                options.append(f"nb::keep_alive<1, {len(arguments) + 1}>()")
        head = ", ".join([this] + [f"{kind} a{i}" for i, (kind, _) in enumerate(parameters)])
        body = result.format(call)
        return f'c.def("{python}", []({head}) {{ {body} }}' + "".join(f", {a}" for a in arguments + options) + \
            self.doc(entry, python) + ");"

    def unit_text(self, unit):
        lines = ["// Written by api/python_bindings.py.", '#include "more.h"', "", "namespace tenon::py {",
                 "using namespace nvinfer1;", ""]
        for name in self.names.units[unit]:
            lines += self.bind_class(name)
        lines += [f"void bind_unit_{unit}(nb::module_& m) {{"]
        lines += [f"  bind_{name}(m);" for name in self.names.units[unit]] + ["}", "", "}  // namespace tenon::py"]
        return lines

    def units_text(self):
        lines = ["// Written by api/python_bindings.py.", '#include "more.h"', "", "namespace tenon::py {", ""]
        lines += [f"void bind_unit_{unit}(nb::module_& m);" for unit in self.names.units]
        lines += ["", "void bind_units(nb::module_& m) {"]
        return lines + [f"  bind_unit_{unit}(m);" for unit in self.names.units] + ["}", "", "}  // namespace tenon::py"]


def main():
    generator = Generator()
    files = ["enum_index.h", "enums.inc", "bind_units.cpp"] + [f"bind_{u}.cpp" for u in generator.names.units]
    output = pathlib.Path(sys.argv[1])
    if "--list" in sys.argv:
        print(";".join(str(output / f) for f in files))
        return
    texts = {"enum_index.h": generator.enum_index, "enums.inc": generator.enum_table,
             "bind_units.cpp": generator.units_text}
    output.mkdir(parents=True, exist_ok=True)
    for name in files:
        lines = texts[name]() if name in texts else generator.unit_text(name[5:-4])
        text = "\n".join(lines) + "\n"
        path = output / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    if unused := sorted(set(generator.docs) - generator.documented):
        raise SystemExit(f"python.docs has texts of nothing: {unused}")


if __name__ == "__main__":
    main()
