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
    "IBuilder.DLACore": "there is no DLA core",
    "IRuntime.DLACore": "there is no DLA core",
    "IRuntime.DLAWorkspaceAllocationStrategy": "there is no DLA core",
    "ICudaEngine.WeightStreamingBudget": "no weights are streamed",
    "ICudaEngine.WeightStreamingBudgetV2": "no weights are streamed",
    "ITensor.BroadcastAcrossBatch": "only networks with an implicit batch broadcast",
    "IConvolutionLayer.PaddingNd": "follows pre- and post-padding",
    "INetworkDefinition.ConvolutionOutputDimensionsFormula": "the getter gives a reference",
    "INetworkDefinition.DeconvolutionOutputDimensionsFormula": "the getter gives a reference",
    "INetworkDefinition.PoolingOutputDimensionsFormula": "the getter gives a reference",
    "ILayer.NbRanks": "there is one device",
    "ICumulativeLayer.Operation": "there is one",
    "IKVCacheUpdateLayer.CacheMode": "there is one",
    "IAttention.NbRanks": "there is one device",
}
# Other values than the types' own, where not every one is accepted.
ACCEPTED = {"IBuilderConfig.TacticSources": "object.getTacticSources() ^ 1U"}  # bits that enumerators have

# Getters that are no part of an object's state: they make something, or take long.
NO_STATE = {"getTensorFormatDesc", "getUsedVCPluginLibraries", "isNetworkSupported", "getEngineInformation",
            "getBuilder", "getDeviceMemorySizeForProfile", "getDeviceMemorySizeForProfileV2", "supportsModel",
            "supportsModelV2"}
# Calls whose effect no getter of the object tells; the program that observes it.
SEEN_ELSEWHERE = {
    "IExecutionContext.setDeviceMemory": "tests/clients/context_10.cpp",
    "IMoELayer.setGatedWeights": "tests/clients/transformer_11.cpp",
    "IMoELayer.setGatedBiases": "tests/clients/transformer_11.cpp",
    "IExecutionContext.inferShapes": "tests/clients/context_10.cpp; 0 is its answer where nothing is missing",
    "IBuilderConfig.resetDeviceType": "there is nothing to reset: setDeviceType refuses all but the GPU",
    "IBuilder.resetDeviceType": "there is nothing to reset: setDeviceType refuses all but the GPU",
}
# Interfaces that do nothing but say so when they are asked to parse.
REFUSING = {"ICaffeParser", "IUffParser"}
# What is called first, so that a call can change anything.
FIRST = {
    "IBuilder.reset": "LIVE_CHANGE_BUILDER(object);", "IBuilderConfig.reset": "object.setFlag(BuilderFlag::kREFIT);",
    "INetworkDefinition.removeTensor": "w.x();",
    "IParserRefitter.clearErrors": "object.refitFromBytes(w.bytes, 7);",
    "IParser.clearErrors": "live<nvonnxparser::IParserError const>(w);",
}
# Arguments other than what an object has at first.
GIVEN = {
    "setInput": "0, w.input(\"another\", nvinfer1::DataType::kFLOAT, {1, 4, 8, 8})",
    "setDefaultDeviceType": "nvinfer1::DeviceType::kDLA",
    "IBuilderConfig.setDeviceType": "w.network().addIdentity(w.x()), DeviceType::kDLA",
    "IBuilder.setDeviceType": "w.network().addIdentity(w.x()), DeviceType::kDLA",
    "IMatrixMultiplyLayer.setOperation": "0, MatrixOperation::kTRANSPOSE",
    "ITensor.setLocation": "TensorLocation::kHOST",
}
# Whole bodies, for calls whose effect shows in what is made later.
BY_HAND = {
    "IBuilder.allowGPUFallback":
        "auto& object = w.builder(); std::unique_ptr<INetworkDefinition> network(w.small());"
        "object.setDefaultDeviceType(DeviceType::kDLA);"
        "bool const refused = std::unique_ptr<ICudaEngine>(object.buildCudaEngine(*network)) == nullptr;"
        "object.allowGPUFallback(true);"
        "return refused && std::unique_ptr<ICudaEngine>(object.buildCudaEngine(*network)) != nullptr;",
    "IBuilder.setInt8Calibrator":
        "auto& object = w.builder(); std::unique_ptr<INetworkDefinition> network(w.small()); Calibrator calibrator;"
        "object.setInt8Mode(true); object.setInt8Calibrator(&calibrator);"
        "std::unique_ptr<ICudaEngine> engine(object.buildCudaEngine(*network)); return calibrator.asked > 0;",
    "IBuilder.setGpuAllocator":
        "auto& object = w.builder(); std::unique_ptr<INetworkDefinition> network(w.small());"
        "object.setGpuAllocator(&w.allocator);"
        "std::unique_ptr<ICudaEngine> engine(object.buildEngineWithConfig(*network, w.config()));"
        "std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());"
        "context->executeV2(w.bindings); return w.allocator.asked > 0;",
    "IRuntime.setGpuAllocator":
        "w.runtime().setGpuAllocator(&w.allocator); std::unique_ptr<IHostMemory> plan(w.engine().serialize());"
        "std::unique_ptr<ICudaEngine> engine(w.runtime().deserializeCudaEngine(plan->data(), plan->size()));"
        "std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());"
        "context->executeV2(w.bindings); return w.allocator.asked > 0;",
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
            value = ACCEPTED.get(f"{scope.split('::')[-1]}.{name}", f"other(w, {getter})")
            body = (f"auto value = {value}; object.{row['name']}(value); "
                    f"return same({getter}, value);")
        yield scope, name, f"auto& object = live<::{scope}>(w); {body}"


GETTER = re.compile(r"(get|is|has|are|query)[A-Z]\w*|query|\w+IsSet|all\w+Specified|size|data|type|code|desc|file"
                    r"|line|func|node\w*|supports\w*|platformHas\w+|canRunOnDLA|compute|localFunction\w*"
                    r"|outputTypeIsSet|usingStronglyTyped")
# Kinds of parameters that a getter of an object's state may have.
PLAIN = re.compile(r"bool|u?int(32|64)?_t|int|float|double|char const ?\*|const char ?\*|[A-Z]\w+"
                   r"|const I\w+ ?[&*]|I\w+ const ?[&*]|float ?\*")
# What has to be done before a call changes anything: the opposite, with the same arguments.
OPPOSITE = {"reset": "set", "unset": "set", "clear": "set", "unmark": "mark"}


def arguments(row):
    scope = row["scope"].split("::")[-1]
    given = GIVEN.get(f"{scope}.{row['name']}", GIVEN.get(row["name"]))
    if given:
        return given
    text = use_rows.signature(row["signature"])[2]
    return ", ".join(argument(k, n) for k, n in zip(types(text), use_rows.parameters(text)[1]))


def state_texts(rows):
    """(class, body) of the functions that write what an object's getters say."""
    by_class = {}
    for scope, row in rows:
        if row["name"] == "setInput":
            by_class.setdefault(scope, []).append("show(text, object.getInput(0));")
        kinds = types(use_rows.signature(row["signature"])[2])
        if GETTER.fullmatch(row["name"]) and row["name"] not in NO_STATE and all(PLAIN.fullmatch(k) for k in kinds):
            by_class.setdefault(scope, []).append(f'show(text, object.{row["name"]}({arguments(row)}));')
    return by_class


def effect_texts(rows, by_class):
    """(class, method, body) of every method that is neither a getter nor half of a pair: called where it can matter,
    it returns something, or a getter answers differently, or the log says why not."""
    paired = {(scope, "set" + name) for scope, name, _ in pair_texts(rows)}
    names = {(scope, row["name"]) for scope, row in rows}
    for scope, row in rows:
        name = row["name"]
        short = f"{scope.split('::')[-1]}.{name}"
        if GETTER.fullmatch(name) or (scope, name) in paired or short in SEEN_ELSEWHERE \
                or short.split(".")[0] in REFUSING:
            continue
        if short in BY_HAND:
            yield scope, name, BY_HAND[short]
            continue
        before = FIRST.get(short, "")
        for undo, do in OPPOSITE.items():
            if name.startswith(undo) and (scope, do + name[len(undo):]) in names:
                fitting = [r for s, r in rows if s == scope and r["name"] == do + name[len(undo):]]
                before = f"object.{fitting[0]['name']}({arguments(fitting[0])});"
        result = use_rows.signature(row["signature"])[1]
        call = f"object.{name}({arguments(row)})"
        call = f"{call}; bool const told = false;" if result.strip() == "void" else f"bool const told = says({call});"
        state = f"state_of_{scope.split('::')[-1]}" if scope in by_class else "no_state"
        yield scope, name, (f"auto& object = live<::{scope}>(w); {before} Quiet quiet(w);"
                            f" auto const was = {state}(w, object); quiet.end();"
                            f" {call} int const logged = quiet.logged();"
                            f" auto const now = {state}(w, object); quiet.end();"
                            f" return told || logged > 0 || was != now;")


def program(level):
    """Each body stands in a function in the namespace of its class, where the types of its row have short names."""
    rows = list(methods(level))
    lines, tables = ['#include "live_objects.h"'], {"kCalls": [], "kPairs": [], "kEffects": []}
    by_class = state_texts(rows)
    for scope, parts in by_class.items():
        lines.append(f"namespace {scope.split('::')[0]} {{ static std::string state_of_{scope.split('::')[-1]}"
                     f"(World& w, ::{scope}& object) {{ std::string text; {' '.join(parts)} return text; }} }}")
    steps = [("kCalls", scope, row["name"], call_text(scope, row)) for scope, row in rows]
    steps += [("kPairs", scope, name, body) for scope, name, body in pair_texts(rows)]
    steps += [("kEffects", scope, name, body) for scope, name, body in effect_texts(rows, by_class)]
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
