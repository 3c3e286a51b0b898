"""Writes the public headers of one TensorRT level: generate.py LEVEL OUTPUT_FOLDER
generate.py --list prints what it writes for every level: LEVEL/FILE, one a line."""
import pathlib
import re
import sys

import description
import emit
import member_text

VERSIONS = {"7": (7, 2, 3), "8": (8, 6, 1), "10": (10, 13, 3), "11": (11, 1, 0), "all": (11, 1, 0)}
# Each header with what it includes; "<...>" are system headers. Order matters to nobody but the reader.
HEADERS = {
    "NvInferVersion.h": [],
    "NvInferRuntimeBase.h": ["NvInferVersion.h", "<cstddef>", "<cstdint>"],
    "NvInferLegacyDims.h": ["NvInferRuntimeBase.h"],
    "NvInferPluginBase.h": ["NvInferRuntimeBase.h"],
    "NvInferRuntimePlugin.h": ["NvInferPluginBase.h"],
    "NvInferRuntimeCommon.h": ["NvInferLegacyDims.h", "NvInferRuntimePlugin.h"],
    "NvInferImpl.h": ["NvInferRuntimeCommon.h"],
    "NvInferRuntime.h": ["NvInferImpl.h"],
    "NvInfer.h": ["NvInferRuntime.h"],
    "NvInferPluginUtils.h": ["NvInferRuntimeCommon.h"],
    "NvInferPlugin.h": ["NvInfer.h", "NvInferPluginUtils.h"],
    "NvInferPythonPlugin.h": ["NvInferRuntime.h"],
    "NvOnnxParser.h": ["NvInfer.h", "<utility>", "<vector>"],
    "NvOnnxConfig.h": ["NvInfer.h"],
    "NvCaffeParser.h": ["NvInfer.h"],
    "NvUffParser.h": ["NvInfer.h"],
    "NvUtils.h": ["NvInfer.h"],
    "NvInferSafeRuntime.h": ["NvInferRuntime.h"],
    "NvInferConsistency.h": ["NvInferRuntime.h"],
}
ONLY = {"NvCaffeParser.h": ["7", "8", "all"], "NvUffParser.h": ["7", "8", "all"], "NvUtils.h": ["7", "8", "all"],
        "NvInferSafeRuntime.h": ["8", "10", "all"], "NvInferConsistency.h": ["8", "10", "all"],
        "NvInferPythonPlugin.h": ["10", "11", "all"]}
PLACE = {"NvInferPythonPlugin.h": "impl/NvInferPythonPlugin.h"}


def version_step(level):
    """What a major release counts in NV_TENSORRT_VERSION."""
    return 1000 if level in ("7", "8") else 10000


def version_header(level):
    major, minor, patch = VERSIONS[level]
    lines = [f"#define NV_TENSORRT_MAJOR {major}", f"#define NV_TENSORRT_MINOR {minor}",
             f"#define NV_TENSORRT_PATCH {patch}", "#define NV_TENSORRT_BUILD 0", "",
             "#define NV_TENSORRT_LWS_MAJOR 0", "#define NV_TENSORRT_LWS_MINOR 0", "#define NV_TENSORRT_LWS_PATCH 0",
             "",
             f"#define NV_TENSORRT_SONAME_MAJOR {major}", f"#define NV_TENSORRT_SONAME_MINOR {minor}",
             f"#define NV_TENSORRT_SONAME_PATCH {patch}", "",
             "#define NV_TENSORRT_RELEASE_TYPE_EARLY_ACCESS 0", "#define NV_TENSORRT_RELEASE_TYPE_RELEASE_CANDIDATE 1",
             "#define NV_TENSORRT_RELEASE_TYPE_GENERAL_AVAILABILITY 2",
             "#define NV_TENSORRT_RELEASE_TYPE NV_TENSORRT_RELEASE_TYPE_GENERAL_AVAILABILITY"]
    return lines + (["", "/// Every level's interface at once.", "#define TENON_TRT_ALL 1"] if level == "all" else [])


def entry_points(items, level):
    """The names of all C functions of a level."""
    text = "\n".join(member_text.at_level(line, level) for i in items if level in i.levels for line in i.lines)
    return re.findall(r'extern "C" TENSORRTAPI [^;(]*?(\w+)\(', text + "\n".join(plugin_header()))


def renamed_entry_points(items):
    """Level `all` has C functions of its own names, so that its library and another level's can be in one process."""
    return [f"#pragma redefine_extname {name} tenon_{name}" for name in entry_points(items, "all")
            if not name.startswith("tenon")]


def base_prelude(items, level):
    """Version constant, CUDA handles, macros and forward declarations."""
    number = f"NV_TENSORRT_MAJOR * {version_step(level)} + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH"
    lines = ["#ifndef TENSORRTAPI", "#define TENSORRTAPI __attribute__((visibility(\"default\")))", "#endif",
             "#ifndef TRTNOEXCEPT", "#define TRTNOEXCEPT noexcept", "#endif",
             "#define TRT_DEPRECATED", "#define TRT_DEPRECATED_ENUM", "#define TRT_DEPRECATED_API", ""]
    lines += ["struct cublasContext;", "struct cudnnContext;"]
    if level == "7":
        lines += ["#ifndef _TENSORRT_FINAL", "#define _TENSORRT_FINAL final", "#endif",
                  "#ifndef _TENSORRT_OVERRIDE", "#define _TENSORRT_OVERRIDE override", "#endif", "",
                  "struct CUstream_st;", "struct CUevent_st;", "typedef struct CUstream_st* cudaStream_t;",
                  "typedef struct CUevent_st* cudaEvent_t;", "", f"static const int NV_TENSORRT_VERSION = {number};"]
    elif level == "8":
        lines += ["", "namespace nvinfer1", "{", f"static constexpr int32_t kNV_TENSORRT_VERSION_IMPL = {number};",
                  "} // namespace nvinfer1", "#define NV_TENSORRT_VERSION nvinfer1::kNV_TENSORRT_VERSION_IMPL"]
    else:
        lines += [f"#define NV_TENSORRT_VERSION_INT(major, minor, patch) ((major) *10000 + (minor) *100 + (patch))",
                  "#define NV_TENSORRT_VERSION \\",
                  "    NV_TENSORRT_VERSION_INT(NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH)"]
    if level == "all":
        lines += [""] + renamed_entry_points(items)
    return lines + [""] + client_version(level) + [""]


def client_version(level):
    """What createInferBuilder and its siblings tell the library, and what keeps levels apart."""
    if level == "all":
        return ["/// Returns the version that TENON_TRT_API chose.",
                'extern "C" TENSORRTAPI int32_t tenonTensorRTall(int32_t version);', "#define TENON_ENTRY",
                "#define TENON_CLIENT_VERSION tenonTensorRTall(NV_TENSORRT_VERSION)"]
    name = f"tenonTensorRT{level}"
    return ["// A program compiled for another level than its library does not link: the library of this level has",
            "// this function. So has a program with entry points of its own, which loads the library when it runs:",
            "// they lie in a section of this name, whose begin the linker defines.",
            f'extern "C" TENSORRTAPI void __start_{name}();',
            "#ifdef TENON_LIBRARY", "#define TENON_ENTRY", "#else",
            f'#define TENON_ENTRY __attribute__((section("{name}")))', "#endif",
            "namespace nvinfer1", "{", "namespace apiv", "{", "inline int32_t clientVersion() noexcept", "{",
            f'    __asm__ __volatile__("" : : "r"(&__start_{name}));', "    return NV_TENSORRT_VERSION;", "}",
            "} // namespace apiv", "} // namespace nvinfer1",
            "#define TENON_CLIENT_VERSION nvinfer1::apiv::clientVersion()"]


def plugin_header():
    return ['extern "C" TENSORRTAPI bool initLibNvInferPlugins(void* logger, const char* libNamespace);']


def header_text(name, level, items):
    guard = "TENON_" + re.sub(r"\W", "_", name.upper())
    title = f"// TensorRT {level} interface of Tenon, written by api/generate.py."
    lines = [title, f"#ifndef {guard}", f"#define {guard}", ""]
    includes = list(HEADERS[name])
    if name == "NvInferRuntimeBase.h" and level != "7":
        includes.append("<cuda_runtime_api.h>")
    up = "../" if name in PLACE else ""
    lines += [f"#include {i}" if i.startswith("<") else f'#include "{up}{i}"' for i in includes]
    lines.append("")
    if name == "NvInferVersion.h":
        lines += version_header(level)
    if name == "NvInferRuntimeBase.h":
        lines += base_prelude(items, level) + emit.forward_declarations(items, level)
    if name == "NvInferPlugin.h":
        lines += plugin_header()
    if name == "NvInferImpl.h":
        lines += emit.implementation_classes(items, level)
    if name == "NvOnnxParser.h":
        lines += emit.enum_max_template("nvonnxparser")
    lines += emit.header_items([i for i in items if i.header == name and level in i.levels], level)
    return "\n".join(lines + ["", "#endif", ""])


def headers(level):
    """The headers that a level has."""
    return [name for name in HEADERS if level in ONLY.get(name, description.LEVELS)]


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(f"{level}/{PLACE.get(name, name)}" for level in VERSIONS for name in headers(level)))
        return
    level, output = sys.argv[1], pathlib.Path(sys.argv[2])
    items = description.load(pathlib.Path(__file__).parent)
    for name in headers(level):
        path = output / PLACE.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = header_text(name, level, items)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
