"""Checks the built libraries of every level: names, what they export and need, and that levels do not link together.

usage: check_libraries.py BUILD CUDA_INCLUDE
"""
import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile

LEVELS = ["7", "8", "10", "11"]
RUNTIME = (r"createInfer(Runtime|Refitter)_INTERNAL|getInferLib(Version|(Major|Minor|Patch|Build)Version)|getLogger"
           r"|getPluginRegistry|setInternalLibraryPath|__start_tenonTensorRT\d+")
UTILS = r"|_ZN8nvinfer15utils(14reshapeWeights|17reorderSubBuffers|19transposeSubBuffers)\w+"
SAFE = r"|createConsistencyChecker_INTERNAL|getSafePluginRegistry|_ZN8nvinfer14safe18createInferRuntime\w+"
# name: (levels, what it may export)
LIBRARIES = {
    "nvinfer": (LEVELS, RUNTIME + r"|createInferBuilder_INTERNAL|createSafeInferRuntime_INTERNAL"
                + r"|getBuilder(Safe)?PluginRegistry" + UTILS + SAFE),
    "nvinfer_lean": (LEVELS[1:], RUNTIME),
    "nvinfer_dispatch": (LEVELS[1:], RUNTIME),
    "nvonnxparser": (LEVELS, r"createNvOnnxParser(Refitter)?_INTERNAL|getNvOnnxParserVersion|__start_tenonOnnxParser\d+"
                     r"|_ZN12nvonnxparser16createONNXConfigEv"),
    "nvinfer_plugin": (LEVELS, r"initLibNvInferPlugins|create\w+Plugin"),
    "nvinfer_vc_plugin": (LEVELS[1:], r"getPluginCreators|getCreators|setLoggerFinder"),
    "nvparsers": (LEVELS[:2], r"_ZN11nvuffparser8FieldMapC[12]EPKcPKvNS_9FieldTypeEi"
                  r"|createNv(Caffe|Uff)Parser_INTERNAL|_ZN14nvcaffeparser117createCaffeParserEv"
                  r"|_ZN14nvcaffeparser123shutdownProtobufLibraryEv|_ZN11nvuffparser15createUffParserEv"
                  r"|_ZN11nvuffparser23shutdownProtobufLibraryEv"),
    "tenon_trt": (["1"], r"tenon_\w+|tenonTensorRTall|tenonOnnxParserall" + UTILS + SAFE
                  + r"|_ZN1[124]nv(caffe|uff|onnx)parser\w+"),
}
OTHER_NAMES = {"nvcaffe_parser": "nvparsers", "nvonnxparser_runtime": "nvonnxparser"}
RELEASES = {"7": "7.2.3", "8": "8.6.1", "10": "10.13.3", "11": "11.1.0"}  # TensorFlow loads libnvinfer.so.8.6.1
NEEDED = re.compile(r"lib(tenon|nvinfer|stdc\+\+|gcc_s|c|m|dl|pthread|asan|ubsan)\.so\.\d+|ld-linux.*")
PROGRAM = """#include "NvInfer.h"
#include "NvOnnxParser.h"
struct Logger : nvinfer1::ILogger { void log(Severity, char const*) noexcept override {} };
int main() { Logger logger; return nvinfer1::createInferBuilder(logger) == nullptr; }
"""


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_library(path, soname, exports):
    bad = []
    dynamic = output("readelf", "-d", path)
    if f"Library soname: [{soname}]" not in dynamic:
        bad.append(f"{path}: the soname is not {soname}")
    for needed in re.findall(r"NEEDED.*\[(.*)\]", dynamic):
        if not NEEDED.fullmatch(needed):
            bad.append(f"{path}: needs {needed}")
    for line in output("nm", "-D", "--defined-only", path).splitlines():
        name = line.split()[-1].split("@")[0]
        if not re.fullmatch(exports, name):
            bad.append(f"{path}: exports {name}")
    return bad


def check_entry_points(build):
    """The versions that each level's creators accept, found by name as a program without our headers would."""
    bad = []
    versions = {"7": 7203, "8": 8601, "10": 101303, "11": 110100}
    for level in LEVELS:
        library = ctypes.CDLL(str(build / f"lib/libnvinfer.so.{level}"))
        if library.getInferLibVersion() != versions[level]:
            bad.append(f"level {level} answers version {library.getInferLibVersion()}")
        library.createInferRuntime_INTERNAL.restype = ctypes.c_void_p
        if library.createInferRuntime_INTERNAL(None, versions[level]):
            bad.append(f"level {level} makes a runtime without a logger")
    return bad


def check_links(build, cuda):
    """A program compiled at one level links to that level's libraries only."""
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "program.cpp")
        source.write_text(PROGRAM)
        for level in LEVELS:
            program = f"{folder}/program_{level}.o"
            subprocess.run(["g++", "-std=c++11", "-c", f"-I{build}/trt-{level}/include", f"-I{cuda}", str(source), "-o",
                            program], check=True)
            for other in LEVELS:
                command = ["g++", program, f"-L{build}/trt-{other}/lib", "-lnvinfer", f"-Wl,-rpath-link,{build}/lib",
                           "-Wl,--allow-shlib-undefined", "-o", f"{folder}/program"]
                result = subprocess.run(command, capture_output=True, text=True)
                if (result.returncode == 0) != (level == other):
                    bad.append(f"a program of level {level} linked to level {other}: {result.stderr or 'it links'}")
                elif result.returncode and f"tenonTensorRT{level}" not in result.stderr:
                    bad.append(f"level {level} against {other} fails for another reason: {result.stderr}")
    return bad


def main():
    build, cuda = pathlib.Path(sys.argv[1]), sys.argv[2]
    bad, count = [], 0
    for name, (levels, exports) in LIBRARIES.items():
        for level in levels:
            bad += check_library(str(build / f"lib/lib{name}.so.{level}"), f"lib{name}.so.{level}", exports)
            count += 1
            whole = RELEASES[level] if level in RELEASES else level
            if (build / f"lib/lib{name}.so.{whole}").resolve() != (build / f"lib/lib{name}.so.{level}").resolve():
                bad.append(f"lib{name}.so.{whole} is not lib{name}.so.{level}")
    for link, name in OTHER_NAMES.items():
        for level in LEVELS[:2]:
            if (build / f"lib/lib{link}.so.{level}").resolve() != (build / f"lib/lib{name}.so.{level}").resolve():
                bad.append(f"lib{link}.so.{level} is not lib{name}.so.{level}")
    bad += check_links(build, cuda) + check_entry_points(build)
    print("\n".join(bad + [f"{count} libraries, bad {len(bad)}"]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
