"""What later releases added, 10.7 to 10.16 and 11.2 to 11.4, and what differs between them; see test_bindings.py."""
import ctypes
import sys
import typing

import numpy as np
import pytest
import tensorrt_bindings as trt

from test_bindings import DIGITS, MAJOR, MINOR, Net, classifier, close, execute, needs, noise, softmax
from test_bindings import sample
from test_bindings import test_layer as run_layer


def attention(n):
    needs(n.network, "add_attention")
    q, k, v = noise(1, 2, 3, 4), noise(1, 2, 5, 4, seed=1), noise(1, 2, 5, 4, seed=2)
    layer = n.network.add_attention(n.input(q), n.input(k), n.input(v), trt.AttentionNormalizationOp.SOFTMAX, False)
    layer.name, layer.decomposable = "attention", True
    assert layer.norm_op == trt.AttentionNormalizationOp.SOFTMAX and not layer.causal and layer.num_inputs == 3
    scores = q.astype(np.float64) @ k.transpose(0, 1, 3, 2)
    return [layer.get_output(0)], [softmax(scores, 3) @ v]


def causal_attention(n):
    needs(n.network, "add_attention")
    q, k, v = noise(1, 1, 4, 4), noise(1, 1, 4, 4, seed=1), noise(1, 1, 4, 4, seed=2)
    layer = n.network.add_attention(n.input(q), n.input(k), n.input(v), trt.AttentionNormalizationOp.SOFTMAX, True)
    assert layer.causal
    scores = np.where(np.tri(4) > 0, q.astype(np.float64) @ k.transpose(0, 1, 3, 2), -np.inf)
    return [layer.get_output(0)], [softmax(scores, 3) @ v]


def wide_indices(n):
    needs(trt.ITopKLayer, "indices_type")
    x = noise(3, 6)
    top = n.network.add_topk(n.input(x), trt.TopKOperation.MAX, 2, 2, trt.int64)
    flags = (noise(2, 5) > 0).astype(np.float32)
    at = n.network.add_non_zero(n.input(flags), trt.int64)
    assert top.indices_type == at.indices_type == trt.int64
    found = np.array(np.nonzero(flags))
    return [top.get_output(1), (at.get_output(0), found.shape)], [np.argsort(-x, 1)[:, :2], found]


def rotary_embedding(n):
    needs(n.network, "add_rotary_embedding")
    x, angles = noise(1, 2, 3, 4), noise(1, 3, 2, seed=1)
    cosine, sine = np.cos(angles), np.sin(angles)
    layer = n.network.add_rotary_embedding(n.input(x), n.input(cosine), n.input(sine), False, 0)
    assert not layer.interleaved and layer.rotary_embedding_dim == 0
    a, b = x[..., :2].astype(np.float64), x[..., 2:].astype(np.float64)
    return [layer.get_output(0)], [np.concatenate([a * cosine - b * sine, b * cosine + a * sine], 3)]


def cache_update(n):
    needs(n.network, "add_kv_cache_update")
    cache, update, at = noise(2, 1, 6, 4), noise(2, 1, 2, 4, seed=1), np.array([1, 3], np.int32)
    layer = n.network.add_kv_cache_update(n.input(cache), n.input(update), n.input(at), trt.KVCacheMode.LINEAR)
    assert layer.cache_mode == trt.KVCacheMode.LINEAR
    expected = cache.copy()
    for row, begin in enumerate(at):
        expected[row, :, begin:begin + 2] = update[row]
    return [layer.get_output(0)], [expected]


def second_normalization(n):
    needs(n.network, "add_normalization_v2")
    x, gain, bias = noise(2, 4, 6), noise(1, 1, 6), noise(1, 1, 6, seed=2)
    layer = n.network.add_normalization_v2(n.input(x), n.constant(gain), n.constant(bias), 4)
    wide = x.astype(np.float64)
    normed = (wide - wide.mean(2, keepdims=True)) / np.sqrt(wide.var(2, keepdims=True) + layer.epsilon)
    return [layer.get_output(0)], [normed * gain + bias]


def squeeze_all(n):
    if (MAJOR, MINOR) < (11, 4):
        pytest.skip("axes are needed before 11.4")
    x = noise(3, 1, 4, 1)
    narrow = n.network.add_squeeze(n.input(x))
    assert narrow.num_inputs == 1 and tuple(narrow.get_output(0).shape) == (3, 4)
    return [narrow.get_output(0)], [x[:, 0, :, 0]]


@sample
@pytest.mark.parametrize("layer", [attention, causal_attention, wide_indices, rotary_embedding, cache_update,
                                   second_normalization, squeeze_all], ids=lambda f: f.__name__)
def test_later_layer(layer):
    run_layer(layer)


@sample
def test_functions_as_plugin():
    sys.modules.setdefault("tensorrt", trt)  # the package that NVIDIA's libraries come with
    trtp = pytest.importorskip("tensorrt_bindings.plugin")

    @trtp.register("tenon::thrice")
    def describe(x: trtp.TensorDesc) -> trtp.TensorDesc:
        return x.like()

    @trtp.impl("tenon::thrice")
    def run(x: trtp.Tensor, outputs: typing.Tuple[trtp.Tensor], stream: int) -> None:
        count = int(np.prod(x.shape))
        arrays = [np.ctypeslib.as_array(ctypes.cast(t.data_ptr, ctypes.POINTER(ctypes.c_float)), (count,))
                  for t in (x, outputs[0])]
        np.multiply(arrays[0], 3, out=arrays[1])

    n = Net()
    x = noise(3, 4)
    y, = n.run(n.network.add_plugin(trtp.op.tenon.thrice(n.input(x))).get_output(0))
    close(y, 3 * x)
    assert not n.logger.errors


@sample
def test_model_in_parts():
    needs(trt.OnnxParser, "load_model_proto")
    n = Net()
    parser = trt.OnnxParser(n.network, n.logger)
    assert not parser.parse_model_proto()
    n.logger.errors.clear()
    assert parser.load_model_proto(DIGITS.read_bytes()) and parser.parse_model_proto(), n.logger.errors
    assert n.network.num_layers >= 10 and not n.logger.errors


@sample
def test_later_settings():
    n = Net()
    reference = classifier(n)
    profile = n.builder.create_optimization_profile()
    if hasattr(profile, "profile_stream"):
        profile.profile_stream = 16
        assert profile.profile_stream == 16
    n.config.set_flag(trt.BuilderFlag.REFIT)
    engine = n.engine()
    context = engine.create_execution_context()
    if hasattr(engine, "get_engine_stat") and (MAJOR, MINOR) != (10, 14):  # there the bindings keep a number alive
        assert engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE) > 0
        assert engine.get_aliased_input_tensor("y") is None
    if hasattr(n.runtime, "dla_workspace_allocation_strategy"):
        kinds = trt.DLAWorkspaceAllocationStrategy
        assert n.runtime.dla_workspace_allocation_strategy == kinds.DEFAULT
        n.runtime.dla_workspace_allocation_strategy = kinds.DEFAULT
        with pytest.raises(RuntimeError):
            n.runtime.dla_workspace_allocation_strategy = kinds.SHARED_STATIC
        assert "DLA" in n.logger.errors.pop()
    refitter = trt.Refitter(engine, n.logger)
    if hasattr(refitter, "release_refit_resources"):
        assert refitter.release_refit_resources()
    other = noise(4, 3, 3, 3, seed=50)
    assert refitter.set_weights("conv", trt.WeightsRole.KERNEL, trt.Weights(other)) and refitter.refit_cuda_engine()
    x = noise(2, 3, 8, 8)
    y, = execute(engine, context, {"x": x}, {"y": None}, n.logger)
    close(y, reference(x, other))
    assert not n.logger.errors


@sample
def test_integers_of_models():
    n = Net()
    parser = trt.OnnxParser(n.network, n.logger)
    assert parser.parse_from_file(str(DIGITS.parents[2] / "tests/clients/models/tokens.onnx"))
    integer = trt.int32 if MAJOR < 10 else trt.int64
    assert n.network.get_input(0).dtype == n.network.get_output(0).dtype == integer
    engine = n.engine()
    ids = np.array([[6, 0, 3], [2, 5, 1]], trt.nptype(integer))
    y, = execute(engine, engine.create_execution_context(), {"ids": ids}, {"largest": None}, n.logger)
    table = ((np.arange(28) * 37) % 41).reshape(7, 4)
    assert y.dtype == ids.dtype and np.array_equal(y, table[ids].argmax(2)) and not n.logger.errors
