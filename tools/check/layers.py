"""Direction of includes: which folder of the tree may include which, and where third-party headers may appear."""

import re

# Layers of src/ and what each may include beside itself. Tests may include any layer.
LAYERS = {
    "base": [],
    "ir": ["base"],
    "onnx": ["base", "ir"],
    "ops": ["base", "ir", "onnx"],
    "import": ["base", "ir", "onnx", "ops"],
    "passes": ["base", "ir", "ops"],
    "plan": ["base", "ir", "ops"],
    "backends": ["base", "ir", "ops", "plan"],
    "runtime": ["base", "ir", "ops", "plan", "backends"],
    "select": ["base", "ir", "ops", "plan", "backends", "runtime"],
    "builder": ["base", "ir", "onnx", "ops", "import", "passes", "plan", "backends", "runtime", "select"],
}
CORE = list(LAYERS)
LAYERS["nvinfer"] = CORE

# Folders outside src/: the layers of src/ they may include. The longest matching prefix counts.
OUTSIDE = {
    "tools/tenon/": CORE,
    "tools/trtexec/": [],
    "python/": [],
    "python/tenon/": CORE,
    "samples/": [],
    "tests/": CORE + ["nvinfer"],
    "bench/": CORE,
}

# Third-party headers and the only folders that may include them.
THIRD_PARTY = {
    r"protozero/": ["src/onnx/", "src/import/", "tests/"],
    r"(oneapi/dnnl/)?dnnl": ["src/backends/cpu/onednn/"],
    r"CLI/": ["tools/"],
    r"doctest/": ["tests/", "_test.cpp"],
    r"nanobind/": ["python/"],
}

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


def allowed_layers(path):
    if path.startswith("src/"):
        layer = path.split("/")[1]
        return LAYERS[layer] + [layer] if layer in LAYERS else None
    prefixes = [p for p in OUTSIDE if path.startswith(p)]
    return OUTSIDE[max(prefixes, key=len)] if prefixes else None


def findings(path, lines, is_test):
    allowed = allowed_layers(path)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        layer = target.split("/")[0]
        if quote == '"' and "/" in target and layer in LAYERS and allowed is not None and not is_test:
            if layer not in allowed:
                yield (f"{path}:{number}: includes {target}; accepted: "
                       + (" ".join(allowed) if allowed else "public headers of include/ alone"))
        if quote == '"' and target.startswith(".."):
            yield f"{path}:{number}: includes {target}; accepted: paths from the layer's root, as \"ir/shape.h\""
        for pattern, folders in THIRD_PARTY.items():
            if re.match(pattern, target) and not any(path.startswith(f) or path.endswith(f) for f in folders):
                yield f"{path}:{number}: includes {target}; accepted: in {' '.join(folders)} alone"
