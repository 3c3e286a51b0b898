"""Checks the generated headers of a level against cpp_abi.tsv: vtable slots, sizes, field order, field types.

usage: check_abi.py LEVEL INCLUDE...   compiles and runs a program of one check per row (Itanium C++ ABI)
"""
import collections
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

# A later release of a level lists what it adds to: these classes go on where the release before ends.
VERSIONS = {"8": ["8.2", "9.3"], "10": ["10.13", "10.16"], "11": ["11.1", "11.4"]}
# Level 8 keeps 8.2 where 9.3 moved or retyped something that 8.2 programs use; elsewhere 9.3's later form.
OTHER_RELEASE = {
    "9.3": {"nvonnxparser::IParserError"},
    "8.2": {"nvinfer1::apiv::VEngineInspector", "nvinfer1::safe::IExecutionContext"},
}
HEADERS = ["NvInfer.h", "NvInferPlugin.h", "NvOnnxParser.h", "NvOnnxConfig.h", "NvCaffeParser.h", "NvUffParser.h",
           "NvInferSafeRuntime.h", "NvInferConsistency.h", "impl/NvInferPythonPlugin.h"]
PRELUDE = r"""
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <type_traits>
static int checks = 0, bad = 0;
template <class F> void slot(F member, long expected, char const* what)
{
    struct { std::ptrdiff_t pointer, adjust; } parts;
    static_assert(sizeof(parts) == sizeof(member), "Itanium pointer to member");
    std::memcpy(&parts, &member, sizeof(parts));
    ++checks;
    if (parts.pointer != 1 + 8 * expected || parts.adjust != 0) {
        ++bad;
        std::printf("%s: slot %ld, expected %ld\n", what, static_cast<long>((parts.pointer - 1) / 8), expected);
    }
}
static void same(long found, long expected, char const* what)
{
    ++checks;
    if (found != expected) { ++bad; std::printf("%s: %ld, expected %ld\n", what, found, expected); }
}
"""


def load(path, version):
    classes = collections.OrderedDict()
    with open(path) as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["version"] == version:
                classes.setdefault(row["class"], []).append(row)
    return classes


def parse_signature(text):
    """Return type, parameter text and const of 'RET (PARAMS) const noexcept = 0'."""
    end = text.rfind(")")
    depth, start = 0, end
    while True:
        depth += (text[start] == ")") - (text[start] == "(")
        if depth == 0:
            break
        start -= 1
    parameters = re.sub(r"(\S+ \*|\S+ ?\S* \*)\[\] (\w+)", r"\1 \2[]", text[start + 1:end])
    return text[:start].strip(), parameters, " const" if re.search(r"\bconst\b", text[end:]) else ""


def key(name, parameters, const):
    types = [re.sub(r"(\*const|\*|&|\s)\s*\w+(\[\])?$", r"\1", p.strip()) if " " in p.strip() else p.strip()
             for p in parameters.split(",")]
    types = [re.sub(r"\s+|std::|nvinfer1::|const$|^const(?!.*[*&])", "", t) for t in types]
    return name, tuple(types), const


def vtable(classes, name):
    """Keys by slot: the base's slots, then new virtual functions in order; a destructor takes two."""
    rows = classes[name]
    base = re.sub(r"^public ", "", rows[0]["bases"])
    slots = list(vtable(classes, base)) if base in classes else []
    for row in rows[1:]:
        if row["kind"] != "virtual":
            continue
        if row["name"].startswith("~"):
            if ("~",) not in slots:
                slots += [("~",), ("~ deleting",)]
            continue
        _, parameters, const = parse_signature(row["signature"])
        found = key(row["name"], parameters, const)
        if found not in slots:
            slots.append(found)
    return slots


def method_checks(rows, cls, slots):
    for row in rows[1:]:
        if row["kind"] != "virtual" or row["name"].startswith("~"):
            continue
        result, parameters, const = parse_signature(row["signature"])
        expected = slots.index(key(row["name"], parameters, const))
        yield (f'slot(static_cast<{result} (::{cls}::*)({parameters}){const}>(&::{cls}::{row["name"]}), {expected}, '
               f'"{cls}::{row["name"]}");')


def field_checks(rows, cls):
    fields = [r for r in rows[1:] if r["kind"] == "field"]
    for row in fields:
        found, wanted = f"decltype(::{cls}::{row['name']})", type_text(row["signature"])
        yield f'static_assert(std::is_same<{found}, {wanted}>::value, "");'
    for first, second in zip(fields, fields[1:]):
        yield (f'same(offsetof(::{cls}, {first["name"]}) < offsetof(::{cls}, {second["name"]}), 1, '
               f'"{cls}: order of {first["name"]}, {second["name"]}");')


def type_text(text):
    return re.sub(r"^(.*?)\s*(\[\d+\])$", r"\1\2", text)


def program(classes, version, continued):
    lines, calls = [PRELUDE], []
    lines[:0] = [f'#if __has_include("{h}")\n#include "{h}"\n#endif' for h in HEADERS]
    for number, (cls, rows) in enumerate(classes.items()):
        if cls in OTHER_RELEASE.get(version, ()):
            continue
        slots = vtable(classes, cls)
        namespace = cls.rsplit("::", 1)[0]
        size, align = rows[0]["name"].split()[1], rows[0]["signature"].split()[1]
        tag = f"Probe{number}"
        body = [f'same(sizeof(::{cls}), {size}, "{cls}: size");',
                f'same(alignof(::{cls}), {align}, "{cls}: alignment");']
        body += list(method_checks(rows, cls, slots)) + list(field_checks(rows, cls))
        extra = "virtual void afterLast();" if slots else ""
        if slots and cls not in continued:
            body.append(f'slot(&{tag}::afterLast, {len(slots)}, "{cls}: end of vtable");')
        lines += [f"namespace {namespace} {{ struct {tag} : ::{cls} {{ {extra} static void run(); }};",
                  f"void {tag}::run() {{"] + body + ["} }"]
        calls.append(f"::{namespace}::{tag}::run();")
    lines += ["int main() {"] + calls + ['std::printf("%d checks, bad %d\\n", checks, bad); return bad != 0; }']
    return "\n".join(lines)


def main():
    level, includes = sys.argv[1], [f"-I{i}" for i in sys.argv[2:]]
    table = pathlib.Path(__file__).parent / "cpp_abi.tsv"
    failed = False
    for number, version in enumerate(VERSIONS[level]):
        classes = load(table, version)
        continued = {c for later in VERSIONS[level][number + 1:] for c in load(table, later)}
        if version == "8.2":
            continued = set(classes)
        with tempfile.TemporaryDirectory() as folder:
            source, binary = pathlib.Path(folder, "abi.cpp"), pathlib.Path(folder, "abi")
            source.write_text(program(classes, version, continued))
            options = ["-std=c++17", "-O0", "-w", "-fno-access-control", "-fmax-errors=20"]
            subprocess.run(["g++", *options, "-c", *includes, str(source), "-o", f"{binary}.o"], check=True)
            subprocess.run(["g++", f"{binary}.o", "-Wl,--unresolved-symbols=ignore-all", "-o", str(binary)], check=True)
            result = subprocess.run([str(binary)], capture_output=True, text=True)
            print(f"level {level}, {version}: {result.stdout.strip() or result}")
            failed |= result.returncode != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
