"""The benchmark's models: layers of variance near one, and errors against double precision in f32 and bf16."""
import os
import sys

import numpy as np
import pytest

import tenon

BENCH = os.path.join(os.path.dirname(__file__), "..", "..", "bench")
sys.path[:0] = [BENCH, os.path.join(BENCH, "models")]
import peers  # noqa: E402
import reference  # noqa: E402
import zoo  # noqa: E402

IMAGES = [("mobilenet_v2", 224), ("efficientnet_b0", 224), ("fcn_resnet101", 96), ("squeezenet1_1", 224)]
LAYERS = ("Conv", "ConvTranspose", "Gemm", "LayerNormalization", "BatchNormalization")


def layer_ends(net):
    """Each layer's output, or its sum with a shortcut where it ends a residual branch: the weaker term of the sum."""
    layers = {o for node in net.nodes if node.op_type in LAYERS for o in node.output}
    ends = {}
    for node in net.nodes:
        terms = [i for i in node.input if i in layers] if node.op_type == "Add" else []
        if terms:
            ends[min(terms, key=lambda i: net.value[i].std())] = node.output[0]
    return {ends.get(o, o) for o in layers}


@pytest.mark.parametrize("name,size", IMAGES)
def test_variances_and_errors(name, size, tmp_path):
    net = zoo.build(name, 1, size=size)
    for end in layer_ends(net):
        values = net.value[end]
        assert 0.3 < values.std() < 2, end
        assert np.isfinite(values).all() and not np.any((values != 0) & (np.abs(values) < 1e-30)), end
    for value in net.outputs:
        assert net.value[value.name].std() > 0.1
    path = str(tmp_path / "model.onnx")
    with open(path, "wb") as f:
        f.write(net.model().SerializeToString())
    rng = np.random.default_rng(5)
    x = [rng.standard_normal([1, *net.shape("input")[1:]], dtype=np.float32)]
    want = reference.run_in_double(path, x)
    assert peers.relative_error(tenon.compile(path, level=1).run(x), want) <= 1e-5
    error = peers.relative_error(tenon.compile(path, level=1, precision="bf16").run(x), want)
    theirs = peers.relative_error(peers.openvino_bf16(path, 2)(x), want)
    assert error <= 3e-2
    assert error <= 1.25 * theirs
