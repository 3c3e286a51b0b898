"""Writes the parts of the façade that are mere storage: facade.py LEVEL OUTPUT_FOLDER
facade.py --list prints the files that it writes for a level, one a line.

A setX(T) and getX() pair becomes a member of <Name>State (settings.h) or, for a layer, a field of its node's attributes
(layers.h). What is left of a class stays pure and is written by hand in src/nvinfer.
"""
import pathlib
import re
import sys

import description
import generate
import member_text

# Classes whose settings are plain storage. Layers keep theirs in the node.
STATE = ["IRuntime", "IRuntimeConfig", "ISerializationConfig", "IBuilder", "IBuilderConfig", "IExecutionContext",
         "ICudaEngine", "INetworkDefinition", "ITensor", "IRefitter", "IEngineInspector", "IAttention"]
FILES = SETTINGS, RELEASES, LAYERS = "settings.h", "releases.h", "layers.h"
# Pairs that mean more than storage; written by hand.
NOT_STORED = {"ErrorRecorder", "Flags", "Flag", "QuantizationFlags", "TimingCache", "Dimensions", "Type",
              "AllowedFormats", "BroadcastAcrossBatch", "TensorAddress", "InputTensorAddress", "OutputTensorAddress",
              "OutputAllocator", "InputShape", "Location", "WeightStreamingBudget", "WeightStreamingBudgetV2",
              "BatchIndex", "Input", "TacticSources"}


def bare(type_text):
    """The type without const and reference, or a pointer type as it is."""
    if "*" in type_text:
        return re.sub(r"\s*\*", "*", type_text).strip()
    return re.sub(r"\bconst\b|&", "", type_text).strip()


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Pair:
    """A setter and its getter at a level, as apiv declares them."""

    def __init__(self, name, setter, getter):
        self.name, self.setter, self.getter = name, setter, getter
        self.type = bare(getter.result)


def methods(item, level):
    found = []
    for member in item.declarations(level):
        text = member_text.at_level(member.text, level)
        if member_text.is_verbatim(text) or text.startswith("inline "):
            continue
        _, _, signature, _, _, arrow = member_text.method_parts(text)
        method = member_text.Signature(arrow if "(" in arrow else signature)
        if arrow and "(" not in arrow:
            method.name = arrow
        found.append(method)
    return found


def pairs(item, level):
    found = methods(item, level)
    getters = {re.sub(r"^(get|is)", "", m.name): m for m in found
               if re.match(r"(get|is)[A-Z]", m.name) and not m.parameters}
    for method in found:
        name = method.name[3:]
        if method.name.startswith("set") and len(method.parameters) == 1 and name in getters:
            getter = getters[name]
            given = re.sub(r"\s*\w+$", "", method.parameters[0])
            if bare(given).replace(" ", "") == bare(getter.result).replace(" ", ""):
                yield Pair(name, method, getter)


def state_class(item, level):
    name = item.name[1:]
    lines = [f"class {name}State : public nvinfer1::{item.name}, public nvinfer1::apiv::{item.impl_name(level)} {{",
             " public:"]
    members = []
    for pair in pairs(item, level):
        if pair.name in NOT_STORED:
            continue
        member = snake(pair.name) + "_"
        argument = pair.setter.parameters[0]
        value = pair.setter.names()[0]
        text = "const char*" in pair.type or "char const*" in pair.type
        stored = f"{value} ? {value} : \"\"" if text else value
        given = f"{member}.c_str()" if text else member
        result = " return true; " if pair.setter.result == "bool" else " "
        getter = f"{pair.getter.result} {pair.getter.name}(){pair.getter.const}"
        setter = f"{pair.setter.result} {pair.setter.name}({argument})"
        lines.append(f"  {setter} noexcept {{ {member} = {stored};{result}}}")
        lines.append(f"  {getter} noexcept {{ return {given}; }}")
        members.append(f"  {'std::string' if text else pair.type} {member}{{}};")
    return lines + ["", " protected:", f"  {name}State() {{ this->mImpl = this; }}"] + members + ["};", ""]


def layer_class(item, level):
    name = item.name[1:]
    base = f"LayerObject<nvinfer1::{item.name}, nvinfer1::apiv::{item.impl_name(level)}>"
    lines = [f"class {name}Fields : public {base} {{", " public:", "  using LayerObject::LayerObject;"]
    for pair in pairs(item, level):
        if "ITensor" in pair.type or "Permutation" in pair.type:
            continue
        field = snake(re.sub(r"Nd$", "", pair.name))
        value = pair.setter.names()[0]
        give = "return " if pair.setter.result == "bool" else ""
        setter = f"{pair.setter.result} {pair.setter.name}({pair.setter.parameters[0]})"
        lines.append(f'  {setter} noexcept {{ {give}set("{field}", {value}); }}')
        if pair.getter.result.endswith("&"):
            continue
        getter = f"{pair.getter.result} {pair.getter.name}(){pair.getter.const}"
        lines.append(f'  {getter} noexcept {{ return get<{pair.type}>("{field}"); }}')
    return lines + ["};", ""]


def is_layer(item, items):
    by_name = {i.name: i for i in items if i.namespace == "nvinfer1"}
    while item is not None and item.name != "ILayer":
        item = by_name.get(item.base)
    return item is not None


def write(path, lines):
    text = "\n".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def releases():
    lines = ["// Written by api/facade.py.", "#pragma once", "#include <cstdint>", "", "namespace tenon::nvinfer {", "",
             "/// A release whose interface the libraries have, and its NV_TENSORRT_VERSION.", "struct Release {",
             "  int major;", "  int32_t version;", "};", "inline constexpr Release kReleases[] = {"]
    for level, (major, minor, patch) in generate.VERSIONS.items():
        if level != "all":
            lines.append(f"    {{{major}, {major * generate.version_step(level) + minor * 100 + patch}}},")
    return lines + ["};", "", "}  // namespace tenon::nvinfer", ""]


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(FILES))
        return
    level, output = sys.argv[1], pathlib.Path(sys.argv[2])
    items = [i for i in description.load(pathlib.Path(__file__).parent) if level in i.levels]
    classes = [i for i in items if i.kind in ("class", "owned")]
    head = ["// Written by api/facade.py.", "#pragma once", "#include <string>", "", "#include <NvInfer.h>", ""]
    using = ["namespace tenon::nvinfer {", "using namespace nvinfer1;  // NOLINT: signatures as in the description", ""]
    states = [line for i in classes if i.name in STATE for line in state_class(i, level)]
    layers = [line for i in classes if i.name != "ILayer" and is_layer(i, items) for line in layer_class(i, level)]
    write(output / SETTINGS, head + using + states + ["}  // namespace tenon::nvinfer", ""])
    write(output / RELEASES, releases())
    includes = head + ['#include "nvinfer/layer.h"', ""]
    write(output / LAYERS, includes + using + layers + ["}  // namespace tenon::nvinfer", ""])


if __name__ == "__main__":
    main()
