"""Writes, compiles and runs a program that calls every method of the classes that a level's libraries make, each on a
live object, and looks whether what a setter sets is what its getter gets.

usage: live_calls.py LEVEL BUILD CUDA_INCLUDE
"""
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

import use_rows

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "api"))
import description  # noqa: E402

# Interfaces that the libraries implement; all other interfaces are the user's.
OURS = {"nvonnxparser::IParser", "nvonnxparser::IParserRefitter", "nvonnxparser::IOnnxConfig",
        "nvcaffeparser1::ICaffeParser", "nvuffparser::IUffParser", "nvinfer1::IPluginRegistry"}
# Objects that only a callback gets to see, or that need several devices.
NOT_LIVE = {"IAlgorithm", "IAlgorithmContext", "IAlgorithmIOInfo", "IAlgorithmVariant", "IDimensionExpr",
            "IExprBuilder", "IDistCollectiveLayer", "IPluginV2Layer", "IPluginV3Layer", "IPluginLayer", "INoCopy",
            "IAttentionInputLayer", "IAttentionOutputLayer", "IAttentionBoundaryLayer"}
# Methods that take a user's plugin, end the object, or hand out what the user must not touch.
NOT_CALLED = re.compile(r"destroy|addPlugin\w*|registerCreator|deregisterCreator|acquirePluginResource"
                        r"|deregisterLibrary|getPImpl|find|loadRuntime")
# Setters whose getter answers something else, with the reason.
DIFFERENT = {
    "IBuilderConfig.DLACore": "there is no DLA core",
    "IBuilderConfig.DefaultDeviceType": "there is no DLA",
    "IBuilder.DLACore": "there is no DLA core",
    "IBuilder.DefaultDeviceType": "there is no DLA",
    "IRuntime.DLACore": "there is no DLA core",
    "ICudaEngine.WeightStreamingBudget": "no weights are streamed",
    "ICudaEngine.WeightStreamingBudgetV2": "no weights are streamed",
    "ITensor.Location": "a deprecated setter; the location follows from the tensor's use",
    "ITensor.BroadcastAcrossBatch": "only networks with an implicit batch broadcast",
    "IConvolutionLayer.PaddingNd": "follows pre- and post-padding",
    "INetworkDefinition.ConvolutionOutputDimensionsFormula": "dims follow the padding modes",
    "INetworkDefinition.DeconvolutionOutputDimensionsFormula": "dims follow the padding modes",
    "INetworkDefinition.PoolingOutputDimensionsFormula": "dims follow the padding modes",
    "ILayer.NbRanks": "there is one device",
    "IAttention.NbRanks": "there is one device",
}


def methods(level):
    """(class, row) of every method to call."""
    items = description.load(HERE.parents[1] / "api")
    classes = {f"{i.namespace}::{i.name}" for i in items if level in i.levels and i.kind in ("class", "owned")} | OURS
    with open(HERE / "cpp_api.tsv") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            versions = set(row["versions"].split())
            if row["kind"] == "method" and use_rows.VERSIONS[level] & versions and row["scope"] in classes \
                    and row["scope"].split("::")[-1] not in NOT_LIVE and not NOT_CALLED.fullmatch(row["name"]):
                yield row["scope"], row


def types(text):
    declared, names = use_rows.parameters(text)
    return [re.sub(rf"\b{name}\b(?=(\[\])?$)", "", d).strip() for d, name in zip(declared, names)]


def argument(kind, name):
    if kind in ("int", "int32_t") and re.search(r"[iI]ndex|axis|dlaCore", name):
        return "0"
    kind = "int32_t" if kind == "Verbosity" else re.sub(r"\s*\bconst$", "", kind)
    plain = re.sub(r"^const (\w+)$", r"\1", kind)
    return f"Value<{plain}>::of(w)"


def call_text(scope, row):
    static, result, text, const = use_rows.signature(row["signature"])
    names = use_rows.parameters(text)[1]
    arguments = ", ".join(argument(kind, name) for kind, name in zip(types(text), names))
    return f"static_cast<void>(live<::{scope}>(w).{row['name']}({arguments})); return true;"


def pair_texts(rows):
    """(class, property, body) of every setter with one parameter and its getter without."""
    getters = {}
    for scope, row in rows:
        if re.match(r"(get|is)[A-Z]", row["name"]) and not use_rows.signature(row["signature"])[2]:
            getters[scope, re.sub(r"^(get|is)", "", row["name"])] = row["name"]
    for scope, row in rows:
        name = row["name"][3:]
        kinds = types(use_rows.signature(row["signature"])[2])
        if not row["name"].startswith("set") or len(kinds) != 1 or (scope, name) not in getters:
            continue
        if f"{scope.split('::')[-1]}.{name}" in DIFFERENT:
            continue
        getter = f"object.{getters[scope, name]}()"
        if re.search(r"\w \*? ?&$", kinds[0]) and "const" not in kinds[0]:
            body = f"auto& value = Value<{kinds[0]}>::of(w); object.{row['name']}(value); return {getter} == &value;"
        else:
            body = (f"auto value = other(w, {getter}); object.{row['name']}(value); "
                    f"return same({getter}, value);")
        yield scope, name, f"auto& object = live<::{scope}>(w); {body}"


def program(level):
    """Each body stands in a function in the namespace of its class, where the types of its row have short names."""
    rows = list(methods(level))
    lines, tables = ['#include "live_objects.h"'], {"kCalls": [], "kPairs": []}
    steps = [("kCalls", scope, row["name"], call_text(scope, row)) for scope, row in rows]
    steps += [("kPairs", scope, name, body) for scope, name, body in pair_texts(rows)]
    for number, (table, scope, name, body) in enumerate(steps):
        space = scope.split("::")[0]
        lines.append(f"namespace {space} {{ static bool step{number}(World& w) {{ {body} }} }}")
        tables[table].append(f'  {{"{scope}::{name}", {space}::step{number}}},')
    lines.append("struct Step { char const* name; bool (*run)(World&); };")
    for table, entries in tables.items():
        lines += [f"static Step const {table}[] = {{"] + entries + ["};"]
    return "\n".join(lines + ['#include "live_main.h"', ""])


def main():
    level, build, cuda = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    prefix = build / f"trt-{level}"
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, f"live_{level}.cpp"), pathlib.Path(folder, "live")
        source.write_text(program(level))
        found = [f"-l{name}" for name in use_rows.LIBRARIES if (prefix / f"lib/lib{name}.so").exists()]
        subprocess.run(["g++", "-std=c++17", "-O0", "-w", "-fmax-errors=20", f"-I{HERE}", f"-I{prefix}/include",
                        f"-I{cuda}", str(source), f"-L{prefix}/lib", *found, f"-Wl,-rpath,{build}/lib",
                        f"-Wl,-rpath-link,{build}/lib", "-o", str(binary)], check=True)
        result = subprocess.run([str(binary)], stdout=subprocess.PIPE, text=True)
        if result.returncode < 0:
            print(f"signal {-result.returncode}")
    print(f"level {level}: {result.stdout.strip()}")
    sys.exit(result.returncode != 0)


if __name__ == "__main__":
    main()
