"""Compiles a use of every row of cpp_api.tsv that a level has, each header alone as strict C++11, and overrides.cpp.

usage: check_headers.py LEVEL INCLUDE [CUDA_INCLUDE]
"""
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

VERSIONS = {"7": {"7.1"}, "8": {"8.2", "9.3"}, "10": {"10.13", "10.16"}, "11": {"11.1", "11.4"}}
# Level `all` has Dims of one width, and plugin interfaces of level 10's binary shape.
NOT_IN_ALL = re.compile(r"Dims32|kNV_TENSORRT_VERSION_IMPL|IPluginCreator::getTensorRTVersion$")
VERSIONS["all"] = set().union(*VERSIONS.values())  # its enumerators have numbers of their own
STRICT = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
# A using-declaration cannot name a class template, nor an overload set of which a part is private.
UNNAMEABLE = re.compile(
    r"PluginRegistrar$|IPluginV2\w*Ext::(configurePlugin|enqueue|getOutputDimensions|getWorkspaceSize)$")


def use(row, level):
    """C++ that does not compile unless the row's declaration is there, or nothing."""
    scope, kind, name, signature = row["scope"], row["kind"], row["name"], row["signature"]
    full = f"::{scope}::{name}" if scope else f"::{name}"
    if UNNAMEABLE.search(full) or "<" in name or (level == "all" and NOT_IN_ALL.search(full)):
        return ""
    if kind in ("class", "struct", "enum", "alias"):
        return f"using type = {full};"
    if kind == "enumerator":
        if signature and level != "all":
            return f"static_assert(static_cast<long long>({full}) == {signature[1:]}, \"\");"
        return f"constexpr auto value = {full};"
    if kind == "method":
        return f"struct probe : ::{scope} {{ using ::{scope}::{name}; }};"
    if kind == "field":
        return f"using type = decltype({full});"
    if kind == "function":
        return f"using {full};"
    if kind == "constant":
        return f"using type = decltype({full});" if name != "NV_TENSORRT_VERSION" else ""
    return ""


def compile_text(text, flags, what):
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(text)
        file.flush()
        command = ["g++", "-fsyntax-only", "-fmax-errors=10", *flags, file.name]
        result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        print(f"{what}:\n{result.stderr}")
    return result.returncode == 0


def main():
    level, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    here = pathlib.Path(__file__).parent
    flags = [f"-DTENON_TRT_API={level}", f"-I{folder}"] + [f"-isystem{i}" for i in sys.argv[3:]]
    headers = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.h"))
    includes = "".join(f'#include "{h}"\n' for h in headers)
    with open(here / "cpp_api.tsv") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                if VERSIONS[level] & set(r["versions"].split())]
    uses = [text for text in (use(row, level) for row in rows) if text]
    body = "".join(f"namespace use{number} {{ {text} }}\n" for number, text in enumerate(uses))
    good = compile_text(includes + body, flags + ["-std=c++17", "-w"], "rows of cpp_api.tsv")
    good &= compile_text(includes, flags + STRICT + ["-fno-rtti"], "all headers, strict")
    for header in headers:
        good &= compile_text(f'#include "{header}"\n', flags + STRICT, header)
    if level != "all":
        good &= compile_text((here / "overrides.cpp").read_text(), flags + STRICT, "overrides.cpp")
    print(f"level {level}: {len(uses)} of {len(rows)} rows used, {len(headers)} headers")
    sys.exit(not good)


if __name__ == "__main__":
    main()
