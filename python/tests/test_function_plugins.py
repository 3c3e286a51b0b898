"""tensorrt.plugin: plugins made of functions."""

import time
from typing import List, Tuple

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper

import tenon.tensorrt

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402
import tensorrt.plugin as trtp  # noqa: E402
from test_plugins import Recorder, built, network_with, numbers, run  # noqa: E402


@trtp.register("tests::scale_shift")
def scale_shift(x: trtp.TensorDesc, factor: float, shift: npt.NDArray[np.float32], mode: str,
                twice: bool = False) -> trtp.TensorDesc:
    return x.like()


@trtp.impl("tests::scale_shift")
def scale_shift_impl(x: trtp.Tensor, factor: float, shift, mode: str, twice: bool, outputs: Tuple[trtp.Tensor],
                     stream: int) -> None:
    assert mode == "add" and x.numel() == np.asarray(x).size and x.strides == (x.shape[1], 1)
    np.asarray(outputs[0])[...] = np.asarray(x) * np.float32(factor * (1 + twice)) + shift


@trtp.register("tests::repeat_rows")
def repeat_rows(x: trtp.TensorDesc, times: int) -> Tuple[trtp.TensorDesc, trtp.TensorDesc]:
    out = x.like()
    out.shape_expr[0] = x.shape_expr[0] * times
    sums = trtp.from_shape_expr((trtp.cdiv(x.shape_expr.numel(), 4),), dtype=trt.float32)
    return out, sums


@trtp.impl("tests::repeat_rows")
def repeat_rows_impl(x, times, outputs):
    np.asarray(outputs[0])[...] = np.tile(np.asarray(x), (times, 1))
    flat = np.asarray(x).reshape(-1)
    np.asarray(outputs[1])[...] = np.add.reduceat(flat, np.arange(0, flat.size, 4))


@trtp.register("tests::non_zero")
def non_zero(x: trtp.TensorDesc) -> Tuple[trtp.TensorDesc, trtp.TensorDesc]:
    upper = x.shape_expr[0] * x.shape_expr[1]
    count = trtp.size_tensor(upper // 2, upper)
    return trtp.from_shape_expr((count.expr(), 2), dtype=trt.int32), count


@trtp.impl("tests::non_zero")
def non_zero_impl(x, outputs, stream):
    found = np.argwhere(np.asarray(x))
    np.asarray(outputs[0])[:len(found)] = found
    np.asarray(outputs[1])[...] = len(found)


@trtp.register("tests::halve_")
def halve(x: trtp.TensorDesc) -> Tuple[trtp.TensorDesc]:
    return x.aliased()


@trtp.impl("tests::halve_")
def halve_impl(x, outputs):
    assert outputs[0].data_ptr == x.data_ptr and outputs[0].get_aliased() is x
    np.asarray(outputs[0])[...] /= 2


@trtp.register("tests::half_only")
def half_only(x: trtp.TensorDesc) -> trtp.TensorDesc:
    return x.like()


seen = []


@trtp.autotune("tests::half_only")
def half_only_autotune(x: trtp.TensorDesc, outputs: Tuple[trtp.TensorDesc]) -> List[trtp.AutoTuneCombination]:
    seen.append((x.shape.max, outputs[0].dtype))
    combination = trtp.AutoTuneCombination()
    combination.pos([0, 1], "FP16")
    combination.tactics([7, 9])
    return [combination]


@trtp.impl("tests::half_only")
def half_only_impl(x, outputs, stream, tactic):
    assert x.dtype == trt.float16 and tactic == 7
    np.asarray(outputs[0])[...] = np.asarray(x) * np.float16(3)


ran = []


@trtp.register("tests::paced")
def paced(x: trtp.TensorDesc) -> trtp.TensorDesc:
    return x.like()


@trtp.autotune("tests::paced")
def paced_autotune(x: trtp.TensorDesc, outputs: Tuple[trtp.TensorDesc]) -> List[trtp.AutoTuneCombination]:
    return [trtp.AutoTuneCombination("FP16, FP16", "LINEAR", [5]),
            trtp.AutoTuneCombination("FP32, FP32", "LINEAR", [3, 4, 8]),
            trtp.AutoTuneCombination("FP32, FP32", "LINEAR", [8, 2])]


@trtp.impl("tests::paced")
def paced_impl(x, outputs, tactic):
    ran.append(tactic)
    if tactic == 4:
        raise ValueError("this tactic does not run here")
    time.sleep({8: 0, 3: 0.02, 2: 0.01}[tactic])
    np.asarray(outputs[0])[...] = np.asarray(x) + tactic


@trtp.register("tests::ahead_of_time")
def ahead(x: trtp.TensorDesc, block: int) -> trtp.TensorDesc:
    return x.like()


@trtp.aot_impl("tests::ahead_of_time")
def ahead_aot(x: trtp.TensorDesc, block: int, outputs: Tuple[trtp.TensorDesc], tactic: int):
    launch = trtp.KernelLaunchParams(block_x=128)
    launch.grid_x = trtp.cdiv(x.shape_expr.numel(), block)
    extra = trtp.SymIntExprs.from_tuple([trtp.SymInt32(x.shape_expr.numel())])
    return "kernel", "ptx", launch, extra


@pytest.fixture
def logger():
    return Recorder()


def outputs_of(network, layer, *names):
    for i, name in enumerate(names):
        layer.get_output(i).name = name
        network.mark_output(layer.get_output(i))


def test_attributes_reach_the_function_after_a_plan_was_read(logger):
    builder, network, x = network_with(logger, (-1, 3))
    shift = np.array([1, 2, 3], np.float32)
    layer = network.add_plugin(trtp.op.tests.scale_shift(x, factor=0.5, shift=shift, mode="add", twice=True))
    assert layer.type == trt.LayerType.PLUGIN_V3 and tuple(layer.get_output(0).shape) == (-1, 3)
    outputs_of(network, layer, "y")
    engine = built(logger, builder, network, x=((1, 3), (2, 3), (4, 3)))
    for rows in (1, 4):
        data = numbers(rows, 3)
        np.testing.assert_array_equal(run(logger, engine, data, y=None)[0], data + shift)


def test_dimensions_are_expressions(logger):
    builder, network, x = network_with(logger, (-1, 5))
    layer = network.add_plugin(trtp.op.tests.repeat_rows(x, times=3))
    outputs_of(network, layer, "y", "sums")
    engine = built(logger, builder, network, x=((1, 5), (2, 5), (4, 5)))
    data = numbers(3, 5)
    y, sums = run(logger, engine, data, y=None, sums=None)
    np.testing.assert_array_equal(y, np.tile(data, (3, 1)))
    np.testing.assert_allclose(sums, [data.reshape(-1)[i:i + 4].sum() for i in range(0, 15, 4)], rtol=1e-6)


def test_size_tensor(logger):
    builder, network, x = network_with(logger, (3, 4))
    layer = network.add_plugin(trtp.op.tests.non_zero(x))
    outputs_of(network, layer, "y")
    engine = built(logger, builder, network)
    data = np.where(numbers(3, 4) > 0, 1, 0).astype(np.float32)
    y, = run(logger, engine, data, y=(12, 2))
    expected = np.argwhere(data)
    np.testing.assert_array_equal(y[:len(expected)], expected)


def test_an_output_that_overwrites_its_input(logger):
    builder, network, x = network_with(logger, (2, 4))
    outputs_of(network, network.add_plugin(trtp.op.tests.halve_(x)), "y")
    data = numbers(2, 4)
    np.testing.assert_array_equal(run(logger, built(logger, builder, network), data.copy(), y=None)[0], data / 2)


def test_autotune_restricts_types_and_gives_tactics(logger):
    seen.clear()
    builder, network, x = network_with(logger, (-1, 4))
    outputs_of(network, network.add_plugin(trtp.op.tests.half_only(x)), "y")
    config = builder.create_builder_config()
    config.set_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1, 4), (2, 4), (6, 4))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, logger.errors
    assert seen[0] == ((6, 4), trt.float32)
    data = numbers(5, 4)
    y, = run(logger, trt.Runtime(logger).deserialize_cuda_engine(plan), data, y=None)
    np.testing.assert_array_equal(y, (data.astype(np.float16) * np.float16(3)).astype(np.float32))


def test_autotune_times_every_tactic_and_keeps_the_fastest(logger):
    ran.clear()
    builder, network, x = network_with(logger, (2, 4))
    outputs_of(network, network.add_plugin(trtp.op.tests.paced(x)), "y")
    engine = built(logger, builder, network)
    assert set(ran) == {2, 3, 4, 8}
    ran.clear()
    np.testing.assert_array_equal(run(logger, engine, numbers(2, 4), y=None)[0], numbers(2, 4) + 8)
    assert set(ran) == {8}


def test_the_onnx_parser_finds_the_plugin_by_its_namespace(logger):
    graph = helper.make_graph(
        [helper.make_node("scale_shift", ["x"], ["y"], domain="tests", factor=2.0, mode="add",
                          shift=helper.make_tensor("s", TensorProto.FLOAT, [3], [1, 1, 1]))], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("tests", 1)])
    model.ir_version = 8
    builder = trt.Builder(logger)
    network = builder.create_network()
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString()), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    data = numbers(2, 3)
    np.testing.assert_array_equal(run(logger, built(logger, builder, network), data, y=None)[0], data * 2 + 1)


def test_a_kernel_compiled_ahead_says_why_it_cannot_run(logger):
    builder, network, x = network_with(logger, (2, 4))
    outputs_of(network, network.add_plugin(trtp.op.tests.ahead_of_time(x, block=64)), "y")
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert "tests::ahead_of_time cannot run: it has an aot_impl" in logger.errors[-1]
    desc = trtp.TensorDesc((10, 13), trt.float32)
    _, _, launch, extra = ahead_aot(desc, 64, (desc.like(),), 0)
    assert int(launch.grid_x) == 3 and int(launch.block_x) == 128 and int(extra[0]) == 130


def test_a_launch_is_checked():
    from tensorrt.plugin._kernels import Launch

    launch = Launch("tests::x", ("kernel", "ptx", trtp.KernelLaunchParams(3, block_x=trtp.cdiv(100, 32)),
                                 trtp.SymIntExprs.from_tuple([5, trtp.SymIntExpr(6)])))
    assert launch.grid == [3, 1, 1] and launch.block == [4, 1, 1] and launch.name == b"kernel"
    assert [(type(e).__name__, e.value) for e in launch.extra] == [("c_int", 5), ("c_long", 6)]
    with pytest.raises(TypeError, match="tests::x: the aot_impl function returns"):
        Launch("tests::x", ("kernel", "ptx"))


def test_the_kernel_is_asked_for_without_a_gpu_or_kernel(logger):
    _, network, x = network_with(logger, (2, 3))
    with pytest.warns(UserWarning, match="aot=True, but there is no aot_impl; the impl runs"):
        trtp.op.tests.repeat_rows(x, times=2, aot=True)
    with pytest.warns(UserWarning, match="aot=True, but there is no aot_impl; the impl runs"):
        network.add_plugin(trtp.op.tests.repeat_rows(x, times=2), aot=True)
    assert network.add_plugin(trtp.op.tests.repeat_rows(x, times=2), aot=False).num_outputs == 2


def test_what_is_registered_can_be_asked():
    from tensorrt.plugin._lib import QDP_REGISTRY

    made = QDP_REGISTRY["tests::repeat_rows"]
    assert made.register_func is repeat_rows and made.impl_func is repeat_rows_impl
    assert made.aot_impl_func is None and QDP_REGISTRY["tests::half_only"].autotune_func is half_only_autotune
    maker = trtp.op.tests.repeat_rows
    assert maker.input_tensor_names == ["x"] and maker.input_attrs == {"times": int}


def test_wrong_definitions_say_what_is_accepted(logger):
    with pytest.raises(ValueError, match="namespace::name"):
        trtp.register("nameless")(lambda: None)
    with pytest.raises(ValueError, match="registered already"):
        trtp.register("tests::scale_shift")(scale_shift)
    with pytest.raises(ValueError, match="@register comes first"):
        trtp.impl("tests::nothing")(lambda x, outputs: None)
    with pytest.raises(TypeError, match="the autotune function takes x"):
        trtp.autotune("tests::halve_")(lambda wrong, outputs: [])

    def untyped(x, y: int) -> trtp.TensorDesc:
        return x.like()

    with pytest.raises(TypeError, match="parameter 'x' needs a type"):
        trtp.register("tests::untyped")(untyped)
    builder, network, x = network_with(logger, (2, 3))
    with pytest.raises(TypeError, match="attribute 'times' is int, not str"):
        trtp.op.tests.repeat_rows(x, times="3")
    with pytest.raises(TypeError, match="attribute 'times' is missing"):
        trtp.op.tests.repeat_rows(x)
    with pytest.raises(AttributeError, match="no plugin 'tests::absent'"):
        trtp.op.tests.absent
    with pytest.raises(ValueError, match="FP128"):
        trtp.AutoTuneCombination("FP128, FP32")


def test_tensors_of_a_gpu_are_not_numpys(monkeypatch):
    """What can be said of them without one: addresses of a GPU are only passed on."""
    from tensorrt.plugin import _tensors

    memory = np.arange(6, dtype=np.float16).reshape(2, 3)
    desc = trt.PluginTensorDesc()
    desc.dims, desc.type, desc.format = (2, 3), trt.float16, trt.TensorFormat.LINEAR
    here = _tensors.Tensor(memory.ctypes.data, desc, 7)
    assert not hasattr(here, "__cuda_array_interface__") and here.__dlpack_device__() == (1, 0)
    np.testing.assert_array_equal(np.asarray(here), memory)
    monkeypatch.setattr(_tensors, "_gpu_of", lambda address: 2)
    there = _tensors.Tensor(memory.ctypes.data, desc, 7)
    assert there.__cuda_array_interface__ == {"shape": (2, 3), "typestr": "<f2", "data": (memory.ctypes.data, False),
                                              "strides": None, "stream": 7, "version": 3}
    assert _tensors.Tensor(1, desc).__cuda_array_interface__["stream"] == 1 and there.__dlpack_device__() == (2, 2)
    for read in (there.numpy, lambda: np.asarray(there)):
        with pytest.raises(TypeError, match="memory of a GPU"):
            read()
