"""The module `tensorrt`: networks, engines and contexts through the names of every release."""

import gc
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tenon.tensorrt

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402


class Recorder(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.messages = []

    def log(self, severity, msg):
        self.messages.append((severity, msg))

    def errors(self):
        return [m for s, m in self.messages if s <= trt.Logger.ERROR]


def affine_model(batch="batch"):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])], "affine",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2])],
        [helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [1, -1, 2, 0, 3, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


W = np.array([[1, -1], [2, 0], [3, 1]], np.float32)


@pytest.fixture
def logger():
    return Recorder()


def parsed(logger, batch="batch"):
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(affine_model(batch)), parser.get_error(0)
    return builder, network


def engine_of(logger):
    builder, network = parsed(logger)
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1, 3), (2, 3), (4, 3))
    assert config.add_optimization_profile(profile) == 0
    plan = builder.build_serialized_network(network, config)
    return trt.Runtime(logger).deserialize_cuda_engine(plan)


def test_onnx_to_output_with_tensor_names(logger):
    engine = engine_of(logger)
    assert [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)] == ["x", "y"]
    assert engine.get_tensor_mode("x") == trt.TensorIOMode.INPUT
    assert [tuple(d) for d in engine.get_tensor_profile_shape("x", 0)] == [(1, 3), (2, 3), (4, 3)]
    assert engine.get_tensor_shape("x") == (-1, 3)
    context = engine.create_execution_context()
    for rows in (1, 4, 3):
        x, y = np.random.rand(rows, 3).astype(np.float32), np.empty((rows, 2), np.float32)
        assert context.set_input_shape("x", x.shape)
        assert context.infer_shapes() == []
        assert tuple(context.get_tensor_shape("y")) == (rows, 2)
        context.set_tensor_address("x", x.ctypes.data)
        context.set_tensor_address("y", y.ctypes.data)
        assert context.execute_async_v3(stream_handle=0)
        np.testing.assert_allclose(y, np.maximum(x @ W, 0), rtol=1e-6)


def test_bindings_of_older_releases(logger):
    engine = engine_of(logger)
    assert engine.num_bindings == len(engine) == 2 and list(engine) == ["x", "y"]
    assert engine["y"] == 1 and engine[0] == "x" and engine.binding_is_input("x") and not engine.binding_is_input(1)
    assert trt.nptype(engine.get_binding_dtype("x")) is np.float32
    context = engine.create_execution_context()
    x, y = np.ones((2, 3), np.float32), np.empty((2, 2), np.float32)
    assert context.set_binding_shape(0, (2, 3)) and tuple(context.get_binding_shape(1)) == (2, 2)
    assert context.execute_v2(bindings=[x.ctypes.data, y.ctypes.data])
    np.testing.assert_allclose(y, np.maximum(x @ W, 0))
    y[:] = 0
    assert context.execute_async_v2(bindings=[int(x.ctypes.data), int(y.ctypes.data)], stream_handle=0)
    np.testing.assert_allclose(y, np.maximum(x @ W, 0))


def test_network_keeps_weights_alive(logger):
    builder = trt.Builder(logger)
    network = builder.create_network()
    x = network.add_input(name="x", dtype=trt.float32, shape=(1, 2, 5, 5))
    kernel = np.random.rand(3, 2, 3, 3).astype(np.float32)
    expected = kernel.copy()
    layer = network.add_convolution_nd(input=x, num_output_maps=3, kernel_shape=(3, 3), kernel=kernel)
    del kernel
    gc.collect()
    layer.stride_nd, layer.padding_nd = (2, 2), trt.Dims([1, 1])
    assert isinstance(network[0], trt.IConvolutionLayer) and network.num_layers == len(network) == 1
    assert tuple(layer.stride_nd) == (2, 2) and str(layer.padding_nd) == "(1, 1)"
    np.testing.assert_array_equal(layer.kernel.reshape(expected.shape), expected)
    assert tuple(layer.get_output(0).shape) == (1, 3, 3, 3)
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    assert plan.nbytes == len(bytes(plan)) == len(memoryview(plan))


def test_failed_calls_return_none_and_log(logger):
    assert trt.Runtime(logger).deserialize_cuda_engine(b"no plan") is None
    assert "plan" in logger.errors()[-1]
    builder = trt.Builder(logger)
    network = builder.create_network()
    assert not trt.OnnxParser(network, logger).parse(b"\xff\xff")
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None


def test_values_behave_as_tensorrts():
    dims = trt.Dims([2, 3, 4])
    assert len(dims) == 3 and dims[-1] == 4 and tuple(dims[1:]) == (3, 4) and dims == [2, 3, 4] and 3 in dims
    assert repr(dims) == "(2, 3, 4)" and trt.volume(dims) == 24 and trt.DimsHW(5, 6).w == 6
    with pytest.raises(IndexError):
        dims[3]
    assert int(trt.DataType.HALF) == 1 and trt.float16 is trt.DataType.HALF and str(trt.float16) == "DataType.HALF"
    assert trt.DataType.__members__["FLOAT"] is trt.float32 and trt.DataType(3) is trt.int32
    assert trt.DataType.FLOAT != trt.ActivationType.RELU and trt.DataType.FLOAT == 0
    assert trt.float32.itemsize == 4 and trt.bool.itemsize == 1
    with pytest.raises(TypeError):
        trt.nptype(trt.fp8)
    weights = trt.Weights(np.arange(6, dtype=np.float16))
    assert weights.dtype == trt.float16 and weights.size == 6 and weights.nbytes == 12
    np.testing.assert_array_equal(weights.numpy(), np.arange(6))
    assert list(trt.Permutation([1, 0]))[:2] == [1, 0]


@pytest.mark.parametrize("release, version, implicit, strict", [
    ("7", "7.2.3", True, 4), ("8", "8.6.1", True, 4), ("10", "10.13.3", False, 29), ("11", "11.1.0", False, 29)])
def test_releases_are_chosen_by_the_environment(release, version, implicit, strict):
    code = ("import tensorrt as t; n = t.Builder(t.Logger()).create_network(); c = n.builder.create_builder_config();"
            "c.set_flag(t.BuilderFlag.TF32); print(t.__version__, n.has_implicit_batch_dimension,"
            "int(t.BuilderFlag.STRICT_TYPES), c.flags >> int(t.BuilderFlag.TF32) & 1)")
    environment = dict(os.environ, TENON_TRT_API=release)
    text = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert text.stdout.split() == [version, str(implicit), str(strict), "1"]


def test_raise_says_why(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import tensorrt as trt\ntrt.Runtime(trt.Logger()).deserialize_cuda_engine(b'x' * 8)\n")
    run = subprocess.run([sys.executable, "-m", "tenon.tensorrt", str(script)], env=dict(os.environ, TENON_RAISE="1"),
                         capture_output=True, text=True)
    assert run.returncode == 1 and "RuntimeError: Runtime.deserialize_cuda_engine failed" in run.stderr


class Doubling(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    def __init__(self, factor=2):
        for base in (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
            base.__init__(self)
        self.plugin_name, self.plugin_version, self.plugin_namespace, self.num_outputs = "Doubling", "1", "", 1
        self.factor = factor

    def clone(self):
        return Doubling(self.factor)


class DoublingCreator(trt.IPluginCreatorV3One):
    def __init__(self):
        trt.IPluginCreatorV3One.__init__(self)
        self.name, self.plugin_version, self.plugin_namespace = "Doubling", "1", ""
        self.field_names = trt.PluginFieldCollection(
            [trt.PluginField("factor", np.array([], np.int32), trt.PluginFieldType.INT32)])

    def create_plugin(self, name, fc, phase):
        return Doubling(int(fc[0].data[0]))


def test_a_creator_written_in_python_is_registered():
    registry, creator = trt.get_plugin_registry(), DoublingCreator()
    assert registry.register_creator(creator, "")
    assert registry.get_creator("Doubling", "1", "") is creator and creator in registry.all_creators
    field = trt.PluginField("factor", np.array([3], np.int32), trt.PluginFieldType.INT32)
    plugin = creator.create_plugin("p", trt.PluginFieldCollection([field]), trt.TensorRTPhase.BUILD)
    assert plugin.factor == 3 and field.size == 1 and isinstance(creator, trt.IPluginCreatorInterface)
    assert registry.deregister_creator(creator) and registry.get_creator("Doubling", "1", "") is None


def test_dims_expressions_index_as_sequences():
    with pytest.raises(IndexError):
        trt.DimsExprs(2)[2]
    desc = trt.DynamicPluginTensorDesc()
    desc.min, desc.desc.type = (1, 2), trt.float16
    assert len(trt.DimsExprs(3)) == 3 and desc.min == (1, 2) and desc.desc.type == trt.float16


def test_softplus_without_parameters(logger):
    network = trt.Builder(logger).create_network()
    layer = network.add_activation(network.add_input("x", trt.float32, (2, 3)), trt.ActivationType.SOFTPLUS)
    assert (layer.alpha, layer.beta) == (1, 1)


def test_constants_inputs_and_doubles_are_outputs_by_their_names(logger):
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    x = network.add_input("x", trt.float32, (1, 3))
    values = np.float32([[1, 2, 3]])
    constant = network.add_constant((1, 3), values).get_output(0)
    shuffle = network.add_shuffle(x)
    shuffle.reshape_dims = (1, 3)
    for name, tensor in (("constant", constant), ("same", shuffle.get_output(0)),
                         ("moved", network.add_identity(x).get_output(0))):
        tensor.name = name
        network.mark_output(tensor)
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    assert names == ["x", "constant", "same", "moved"]
    context, given = engine.create_execution_context(), np.float32([[4, 5, 6]])
    found = {name: np.zeros((1, 3), np.float32) for name in names[1:]}
    context.set_tensor_address("x", given.ctypes.data)
    for name, y in found.items():
        context.set_tensor_address(name, y.ctypes.data)
    assert context.execute_async_v3(0)
    np.testing.assert_array_equal(found["constant"], values)
    np.testing.assert_array_equal(found["same"], given)
    np.testing.assert_array_equal(found["moved"], given)


@pytest.mark.parametrize("data, indices, axis, batch", [
    ((3, 4, 5), [[0, 1], [3, 2], [1, -1]], 1, 1), ((2, 3, 4, 5), [[4, 0, 2], [1, 1, 3]], 3, 1),
    ((2, 3, 4), [[1, 0, 3], [2, 2, -4]], 2, 2), ((2, 3), [1, 0], -1, 1)])
def test_gather_whose_leading_dims_go_together(logger, data, indices, axis, batch):
    values, chosen = np.random.default_rng(6).normal(size=data).astype(np.float32), np.array(indices, np.int32)
    builder = trt.Builder(logger)
    network = builder.create_network()
    x = network.add_input("x", trt.float32, data)
    layer = network.add_gather_v2(x, network.add_constant(chosen.shape, chosen).get_output(0), trt.GatherMode.DEFAULT)
    layer.axis, layer.num_elementwise_dims = axis, batch
    result = layer.get_output(0)
    result.name = "y"
    network.mark_output(result)
    rows = np.ndindex(*data[:batch])
    along = axis % len(data) - batch
    expected = np.stack([np.take(values[row], chosen[row], axis=along) for row in rows])
    expected = expected.reshape(data[:batch] + expected.shape[1:])
    assert tuple(result.shape) == expected.shape
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    context = trt.Runtime(logger).deserialize_cuda_engine(plan).create_execution_context()
    y = np.empty(expected.shape, np.float32)
    context.set_tensor_address("x", values.ctypes.data)
    context.set_tensor_address("y", y.ctypes.data)
    assert context.execute_async_v3(0)
    np.testing.assert_array_equal(y, expected)


def test_a_calibration_cache_names_the_release_and_every_layer_has_a_name(logger):
    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self.batches, self.cache = [np.random.default_rng(7).normal(size=(1, 3, 8, 8)).astype(np.float32)], b""

        def get_batch_size(self):
            return 1

        def get_batch(self, names):
            self.kept = self.batches.pop() if self.batches else None
            return None if self.kept is None else [self.kept.ctypes.data]

        def read_calibration_cache(self):
            return None

        def write_calibration_cache(self, cache):
            assert isinstance(cache, memoryview)
            self.cache = cache.tobytes()

    builder = trt.Builder(logger)
    network, config = builder.create_network(), builder.create_builder_config()
    x = network.add_input("x", trt.float32, (1, 3, 8, 8))
    kernel = np.random.default_rng(8).normal(size=(4, 3, 3, 3)).astype(np.float32)
    network.mark_output(network.add_convolution_nd(x, 4, (3, 3), kernel).get_output(0))
    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = calibrator = Calibrator()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    plan = builder.build_serialized_network(network, config)
    assert calibrator.cache.startswith(b"TRT-101303-EntropyCalibration2\n")
    inspector = trt.Runtime(logger).deserialize_cuda_engine(plan).create_engine_inspector()
    layers = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))["Layers"]
    assert len(layers) > 1 and all(layer["Name"] for layer in layers)


@pytest.mark.parametrize("start, size, stride", [((0, 0), (9, 6), (1, 1)), ((3, 2), (4, 2), (1, 1)),
                                                 ((0, 5), (5, 3), (1, -3)), ((-1, 0), (2, 2), (1, 1))])
def test_slices_that_reach_outside_are_refused(logger, start, size, stride):
    builder = trt.Builder(logger)
    network = builder.create_network()
    x = network.add_input("x", trt.float32, (5, 6))
    network.mark_output(network.add_slice(x, start, size, stride).get_output(0))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert any("the slice takes elements" in error for error in logger.errors())


def test_a_slice_of_a_dynamic_dimension_has_the_dims_that_it_says(logger):
    builder = trt.Builder(logger)
    network, config = builder.create_network(), builder.create_builder_config()
    x = network.add_input("x", trt.float32, (-1, 6))
    result = network.add_slice(x, (1, 5), (4, 3), (1, -2)).get_output(0)
    assert tuple(result.shape) == (4, 3)
    result.name = "y"
    network.mark_output(result)
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (2, 6), (6, 6), (9, 6))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    context = trt.Runtime(logger).deserialize_cuda_engine(plan).create_execution_context()
    values, y = np.random.default_rng(9).normal(size=(7, 6)).astype(np.float32), np.zeros((4, 3), np.float32)
    context.set_input_shape("x", values.shape)
    context.set_tensor_address("x", values.ctypes.data)
    context.set_tensor_address("y", y.ctypes.data)
    assert context.execute_async_v3(0)
    np.testing.assert_array_equal(y, values[1:5, 5::-2])
    assert logger.errors() == []
    assert not (context.set_input_shape("x", (4, 6)) and context.execute_async_v3(0)) and logger.errors()


def typed_model(dtype):
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["s"]), helper.make_node("Identity", ["s"], ["y"])], "typed",
        [helper.make_tensor_value_info("x", dtype, ["n", 300])],
        [helper.make_tensor_value_info("y", dtype, ["n", 300]), helper.make_tensor_value_info("s", dtype, ["n", 300])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("flags", [1, 3], ids=["weak", "strong"])
def test_inputs_and_outputs_in_double_precision_are_floats(logger, flags):
    builder = trt.Builder(logger)
    network = builder.create_network(flags)
    assert trt.OnnxParser(network, logger).parse(typed_model(TensorProto.DOUBLE))
    assert network.get_input(0).dtype == network.get_output(0).dtype == trt.float32
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", (1, 300), (2, 300), (4, 300))
    config.add_optimization_profile(profile)
    engine = trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))
    assert {engine.get_tensor_dtype(name) for name in engine} == {trt.float32} and set(engine) == {"x", "y", "s"}
    x, results = np.random.rand(3, 300).astype(np.float32), {n: np.full((4, 300), 7, np.float32) for n in ("y", "s")}
    context = engine.create_execution_context()
    context.set_input_shape("x", x.shape)
    for name, array in dict(results, x=x).items():
        context.set_tensor_address(name, array.ctypes.data)
    assert context.execute_async_v3(0) and not logger.errors()
    for array in results.values():
        np.testing.assert_allclose(array[:3], 2 * x, rtol=1e-6)
        assert (array[3] == 7).all()  # nothing is written beyond what was asked for


def test_types_that_the_interface_cannot_name_are_refused(logger):
    import tenon

    builder = trt.Builder(logger)
    network = builder.create_network(1)
    trt.OnnxParser(network, logger).parse(typed_model(TensorProto.UINT32))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert "'x' is u32, which TensorRT" in logger.errors()[-1]
    plan = tenon.compile(typed_model(TensorProto.DOUBLE)).serialize()
    assert trt.Runtime(logger).deserialize_cuda_engine(plan) is None
    assert "is f64, which TensorRT" in logger.errors()[-1]


def test_weights_in_the_other_order_of_bytes(logger):
    network = trt.Builder(logger).create_network(1)
    layer = network.add_constant((2,), np.array([1, -2], ">f4"))
    np.testing.assert_array_equal(layer.weights, [1, -2])


def test_bad_bindings_have_the_shape_that_release_8_gives(logger):
    engine = engine_of(logger)
    shape = engine.get_binding_shape(7)
    assert isinstance(shape, trt.Dims) and len(shape) == 0 and "binding 7" in logger.errors()[-1]


def test_a_lean_runtime_is_another_runtime(logger, tmp_path):
    runtime = trt.Runtime(logger)
    assert runtime.load_runtime(str(tmp_path / "libnvinfer_lean.so.10")) is None
    assert "there is no library" in logger.errors()[-1]
    (tmp_path / "libnvinfer_lean.so.10").write_bytes(b"")
    lean = runtime.load_runtime(str(tmp_path / "libnvinfer_lean.so.10"))
    engine = lean.deserialize_cuda_engine(engine_of(logger).serialize())
    del lean, runtime
    assert engine.num_io_tensors == 2


def test_types_under_the_name_of_the_extension():
    import tensorrt.tensorrt as extension

    assert extension.ITensor is trt.ITensor and trt.tensorrt.Logger is trt.Logger
