"""Writes, compiles, links and runs a program that uses every row of cpp_api.tsv at a level: calls every method and
function with the row's parameter types into its result type, makes objects by every constructor, reads every field and
enumerator.

usage: use_rows.py LEVEL BUILD CUDA_INCLUDE
"""
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

VERSIONS = {"7": {"7.1"}, "8": {"8.2", "9.3"}, "10": {"10.13", "10.16"}, "11": {"11.1", "11.4"}}
LIBRARIES = ["nvinfer", "nvonnxparser", "nvinfer_plugin", "nvparsers"]
# Level 8 keeps the form of one of its releases where 9.3 changed what 8.2 had; interface.md says which.
OTHER_FORM = {
    ("8", "nvinfer1::safe::IExecutionContext", "enqueueV2", "8.2"),
    ("8", "nvinfer1::safe::IExecutionContext", "setErrorBuffer", "8.2"),
    ("8", "nvinfer1::safe::IExecutionContext", "getErrorBuffer", "8.2"),
}
PLAIN = {"const", "int", "bool", "float", "double", "void", "char", "unsigned"}  # a last word that is no name


def split(text):
    parts, depth, current = [], 0, ""
    for char in text:
        depth += (char in "(<[") - (char in ")>]")
        if char == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [p for p in parts + [current.strip()] if p]


def parameters(text):
    """Declarations with a name each, and the names."""
    declared, names = [], []
    for number, part in enumerate(split(re.sub(r"\*\[\] (\w+)", r"*\1[]", text))):
        match = re.match(r"^(.*[\s*&])(\w+)(\[\w*\])?$", part)
        if match and match.group(2) not in PLAIN and match.group(1).strip() != "const":
            declared.append(part)
            names.append(match.group(2))
        else:
            declared.append(f"{part} p{number}")
            names.append(f"p{number}")
    return declared, names


def signature(text):
    match = re.match(r"^(static )?(?:virtual )?(.*?)\s*\((.*)\)\s*(const)?(?: = 0| override| noexcept)*$", text)
    return bool(match.group(1)), match.group(2), match.group(3), bool(match.group(4))


def call(target, row, give):
    """`target`(names), kept in the row's result type."""
    if give == "void":
        return f"{target};"
    return f"{give} result = {target}; (void)result;"


def use_method(number, row):
    static, result, text, const = signature(row["signature"])
    declared, names = parameters(text)
    given = f"{row['name']}({', '.join(names)})"
    probe = f"Use{number}"
    if static:
        body, target = declared, f"{probe}::{given}"
    else:
        body, target = [f"{'const ' if const else ''}{probe}& object"] + declared, f"object.{given}"
    return [f"struct {probe} : ::{row['scope']} {{ static void call({', '.join(body)}); }};",
            f"void {probe}::call({', '.join(body)}) {{ {call(target, row, result)} }}"]


def use_function(number, row):
    if row["name"] == "EnumMax":
        space = row["scope"]
        kind = "ErrorCode" if space == "nvonnxparser" else "DataType"
        return [f"int32_t use{number}() {{ return ::{space}::EnumMax<::{space}::{kind}>(); }}"]
    _, result, text, _ = signature(row["signature"])
    declared, names = parameters(text)
    full = f"::{row['scope']}::{row['name']}" if row["scope"] else f"::{row['name']}"
    return [f"void use{number}({', '.join(declared)}) {{ {call(f'{full}({chr(44).join(names)})', row, result)} }}"]


def use_template(number, row):
    scope = row["scope"] if row["kind"] == "constructor" else f"{row['scope']}::{row['name']}"
    return [f"template <class T> struct Use{number} : ::{scope}<T> {{ Use{number}() : ::{scope}<T>() {{}} }};"]


def use_constructor(number, row):
    if "<" in row["name"]:
        return use_template(number, row)
    declared, names = parameters(row["signature"].strip()[1:-1])
    probe = f"Use{number}"
    arguments = ", ".join(f"static_cast<{d.rsplit(n, 1)[0]}>({n})" if "&&" in d else n
                          for d, n in zip(declared, names))
    return [f"struct {probe} : ::{row['scope']} {{ {probe}({', '.join(declared)}); }};",
            f"{probe}::{probe}({', '.join(declared)}) : ::{row['scope']}({arguments}) {{}}"]


def use(number, row):
    """Lines that use a row, in the namespace where its types have their short names."""
    kind, full = row["kind"], f"::{row['scope']}::{row['name']}" if row["scope"] else f"::{row['name']}"
    if kind in ("class", "struct", "enum", "alias"):
        return use_template(number, row) if full.endswith("PluginRegistrar") else [f"using Use{number} = {full};"]
    if kind == "enumerator":
        value = f" == {row['signature'][1:]}" if row["signature"].startswith("=") else " >= 0"
        return [f"static_assert(static_cast<long long>({full}){value}, \"{full}\");"]
    if kind == "field":
        return [f"struct Use{number} : ::{row['scope']} {{ static void read(Use{number}& o); }};",
                f"void Use{number}::read(Use{number}& o) {{ auto& field = o.{row['name']}; (void)field; }}"]
    if kind == "constant":
        name = row["name"] if row["name"].startswith("NV_") else full
        return [f"long long use{number}() {{ return static_cast<long long>({name}); }}"]
    return {"method": use_method, "function": use_function, "constructor": use_constructor}[kind](number, row)


def program(rows, headers):
    lines = ["#include <cstddef>", "#include <cstdio>", *(f'#include "{h}"' for h in headers)]
    count = 0
    for number, row in enumerate(rows):
        text = use(number, row)
        count += bool(text)
        space = re.match(r"nvinfer1::(plugin|safe|utils|consistency|v_1_0|v_2_0)|\w*", row["scope"]).group(0) or "rows"
        opening = " ".join(f"namespace {part} {{" for part in space.split("::"))
        lines += [f"{opening} {line} {'} ' * len(space.split('::'))}" for line in text]
    lines.append(f'int main() {{ std::printf("{count} of {len(rows)} rows used\\n"); return 0; }}')
    return "\n".join(lines) + "\n"


def main():
    level, build, cuda = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    with open(pathlib.Path(__file__).parent / "cpp_api.tsv") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                if any(v in VERSIONS[level] and (level, r["scope"], r["name"], v) not in OTHER_FORM
                       for v in r["versions"].split())]
    prefix = build / f"trt-{level}"
    headers = sorted(str(p.relative_to(prefix / "include")) for p in (prefix / "include").rglob("*.h"))
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, f"rows_{level}.cpp"), pathlib.Path(folder, "rows")
        source.write_text(program(rows, headers))
        found = [f"-l{name}" for name in LIBRARIES if (prefix / f"lib/lib{name}.so").exists()]
        subprocess.run(["g++", "-std=c++17", "-O0", "-w", "-fmax-errors=30", f"-I{prefix}/include", f"-I{cuda}",
                        str(source), f"-L{prefix}/lib", *found, f"-Wl,-rpath,{build}/lib",
                        f"-Wl,-rpath-link,{build}/lib", "-o", str(binary)], check=True)
        result = subprocess.run([str(binary)], check=True, capture_output=True, text=True)
        print(f"level {level}: {result.stdout.strip()}")


if __name__ == "__main__":
    main()
