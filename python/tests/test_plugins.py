"""Plugins written in Python: in networks built by hand and parsed, in plans that are read again, and when they fail."""

import ctypes
import json

import numpy as np
import pytest
from onnx import TensorProto, helper

import tenon.tensorrt

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402


class Recorder(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors = []

    def log(self, severity, msg):
        if severity <= trt.Logger.ERROR:
            self.errors.append(msg)


def at(address, desc):
    """The tensor at an address, as numpy sees it."""
    dtype = np.dtype(trt.nptype(desc.type))
    count = int(np.prod(tuple(desc.dims), dtype=np.int64))
    buffer = (ctypes.c_char * max(count * dtype.itemsize, 1)).from_address(address)
    return np.frombuffer(buffer, dtype, count).reshape(tuple(desc.dims))


class PadV2(trt.IPluginV2DynamicExt):
    """Pads the last axis with zeros; `pads` are the elements before and after."""

    def __init__(self, pads):
        trt.IPluginV2DynamicExt.__init__(self)
        self.num_outputs, self.plugin_namespace, self.plugin_type, self.plugin_version = 1, "", "PadV2", "1"
        self.pads = [int(p) for p in pads]

    def get_output_datatype(self, index, input_types):
        return input_types[0]

    def get_output_dimensions(self, output_index, inputs, exprBuilder):
        dims = trt.DimsExprs(inputs[0])
        added = exprBuilder.constant(sum(self.pads))
        dims[-1] = exprBuilder.operation(trt.DimensionOperation.SUM, inputs[0][len(dims) - 1], added)
        return dims

    def serialize(self):
        return json.dumps(self.pads)

    def configure_plugin(self, inp, out):
        self.rank = len(inp[0].desc.dims)

    def supports_format_combination(self, pos, in_out, num_inputs):
        return in_out[pos].format == trt.TensorFormat.LINEAR and in_out[pos].type == trt.float32

    def get_workspace_size(self, input_desc, output_desc):
        return 64

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        assert workspace != 0
        x, y = at(inputs[0], input_desc[0]), at(outputs[0], output_desc[0])
        y[...] = np.pad(x, [(0, 0)] * (x.ndim - 1) + [tuple(self.pads)])
        return 0

    def clone(self):
        copy = PadV2(self.pads)
        copy.__dict__.update(self.__dict__)
        return copy


class PadV2Creator(trt.IPluginCreator):
    def __init__(self):
        trt.IPluginCreator.__init__(self)
        self.name, self.plugin_namespace, self.plugin_version = "PadV2", "", "1"
        self.field_names = trt.PluginFieldCollection(
            [trt.PluginField("pads", np.array([]), trt.PluginFieldType.INT32)])

    def create_plugin(self, name, field_collection):
        return PadV2(field_collection[0].data)

    def deserialize_plugin(self, name, data):
        return PadV2(json.loads(bytes(data)))


class SplitV3(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
    """Two outputs: x * scale, and, per row, how many elements exceed `above`, as int32."""

    made = []

    def __init__(self, scale, above, phase=None):
        for base in (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
            base.__init__(self)
        self.plugin_name, self.plugin_version, self.plugin_namespace, self.num_outputs = "SplitV3", "2", "", 2
        self.scale, self.above, self.phase = np.float32(scale), np.float32(above), phase
        self.timing_cache_id = ""
        SplitV3.made.append(phase)

    def get_capability_interface(self, type):
        return self

    def get_output_data_types(self, input_types):
        return [input_types[0], trt.DataType.INT32]

    def get_output_shapes(self, inputs, shape_inputs, exprBuilder):
        rows = trt.DimsExprs(1)
        rows[0] = inputs[0][0]
        return [inputs[0], rows]

    def get_fields_to_serialize(self):
        return trt.PluginFieldCollection([trt.PluginField("scale", self.scale, trt.PluginFieldType.FLOAT32),
                                          trt.PluginField("above", self.above, trt.PluginFieldType.FLOAT32)])

    def configure_plugin(self, inp, out):
        assert len(inp) == 1 and len(out) == 2 and tuple(inp[0].min) <= tuple(inp[0].max)

    def on_shape_change(self, inp, out):
        self.shape = tuple(inp[0].dims)

    def supports_format_combination(self, pos, in_out, num_inputs):
        wanted = trt.int32 if pos == 2 else trt.float32
        return in_out[pos].desc.format == trt.TensorFormat.LINEAR and in_out[pos].desc.type == wanted

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        assert self.shape == tuple(input_desc[0].dims)
        x = at(inputs[0], input_desc[0])
        at(outputs[0], output_desc[0])[...] = x * self.scale
        at(outputs[1], output_desc[1])[...] = (x > self.above).sum(1)

    def attach_to_context(self, context):
        return self.clone()

    def set_tactic(self, tactic):
        pass

    def clone(self):
        copy = SplitV3(self.scale, self.above, self.phase)
        copy.__dict__.update(self.__dict__)
        return copy


class SplitV3Creator(trt.IPluginCreatorV3One):
    def __init__(self):
        trt.IPluginCreatorV3One.__init__(self)
        self.name, self.plugin_namespace, self.plugin_version = "SplitV3", "", "2"
        self.field_names = trt.PluginFieldCollection(
            [trt.PluginField(n, np.array([]), trt.PluginFieldType.FLOAT32) for n in ("scale", "above")])

    def create_plugin(self, name, fc, phase):
        fields = {f.name: f.data[0] for f in fc}
        return SplitV3(fields["scale"], fields["above"], phase)


class PositiveV3(SplitV3):
    """The positive elements of a vector: a size that only the data tells."""

    def __init__(self):
        SplitV3.__init__(self, 1, 0)
        self.plugin_name, self.num_outputs = "PositiveV3", 2

    def get_output_data_types(self, input_types):
        return [input_types[0], trt.DataType.INT32]

    def get_output_shapes(self, inputs, shape_inputs, exprBuilder):
        upper = inputs[0][0]
        opt = exprBuilder.operation(trt.DimensionOperation.FLOOR_DIV, upper, exprBuilder.constant(2))
        values = trt.DimsExprs(1)
        values[0] = exprBuilder.declare_size_tensor(1, opt, upper)
        return [values, trt.DimsExprs(0)]

    def on_shape_change(self, inp, out):
        pass

    def supports_format_combination(self, pos, in_out, num_inputs):
        return in_out[pos].desc.type == (trt.int32 if pos == 2 else trt.float32)

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        x = at(inputs[0], input_desc[0])
        found = x[x > 0]
        (ctypes.c_float * len(found)).from_address(outputs[0])[:] = found.tolist()
        ctypes.c_int32.from_address(outputs[1]).value = len(found)

    def get_fields_to_serialize(self):
        return trt.PluginFieldCollection([])

    def clone(self):
        return PositiveV3()


class PositiveV3Creator(SplitV3Creator):
    def __init__(self):
        SplitV3Creator.__init__(self)
        self.name, self.field_names = "PositiveV3", trt.PluginFieldCollection([])

    def create_plugin(self, name, fc, phase):
        return PositiveV3()


@pytest.fixture(scope="module", autouse=True)
def creators():
    registry = trt.get_plugin_registry()
    made = [PadV2Creator(), SplitV3Creator(), PositiveV3Creator()]
    assert all(registry.register_creator(c, "") for c in made)
    yield made
    assert all(registry.deregister_creator(c) for c in made)


@pytest.fixture
def logger():
    return Recorder()


def network_with(logger, shape):
    builder = trt.Builder(logger)
    network = builder.create_network()
    return builder, network, network.add_input("x", trt.float32, shape)


def built(logger, builder, network, **shapes):
    """The engine of a network: built, written and read."""
    config = builder.create_builder_config()
    if shapes:
        profile = builder.create_optimization_profile()
        for name, (low, best, high) in shapes.items():
            profile.set_shape(name, low, best, high)
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, logger.errors
    return trt.Runtime(logger).deserialize_cuda_engine(bytes(plan))


def run(logger, engine, x, **outputs):
    context = engine.create_execution_context()
    assert context.set_input_shape("x", x.shape)
    context.set_tensor_address("x", x.ctypes.data)
    found = {}
    for name, shape in outputs.items():
        shape = shape or tuple(context.get_tensor_shape(name))
        found[name] = np.empty(shape, trt.nptype(engine.get_tensor_dtype(name)))
        context.set_tensor_address(name, found[name].ctypes.data)
    assert context.execute_async_v3(0), logger.errors
    return [found[name] for name in outputs]


def numbers(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_dynamic_ext_in_a_network_built_by_hand(logger):
    builder, network, x = network_with(logger, (-1, 4))
    layer = network.add_plugin_v2([x], PadV2([1, 2]))
    assert layer.plugin.pads == [1, 2] and tuple(layer.get_output(0).shape) == (-1, 7)
    relu = network.add_activation(layer.get_output(0), trt.ActivationType.RELU)
    relu.get_output(0).name = "y"
    network.mark_output(relu.get_output(0))
    engine = built(logger, builder, network, x=((1, 4), (2, 4), (5, 4)))
    for rows in (1, 5, 3):
        data = numbers(rows, 4)
        y, = run(logger, engine, data, y=None)
        np.testing.assert_array_equal(y, np.maximum(np.pad(data, [(0, 0), (1, 2)]), 0))


def test_v3_in_a_network_built_by_hand(logger):
    builder, network, x = network_with(logger, (-1, 6))
    layer = network.add_plugin_v3([x], [], SplitV3(3, 0.5, trt.TensorRTPhase.BUILD))
    assert isinstance(layer, trt.IPluginV3Layer) and layer.plugin.scale == 3 and layer.num_outputs == 2
    for i, name in enumerate(("scaled", "counts")):
        layer.get_output(i).name = name
        network.mark_output(layer.get_output(i))
    SplitV3.made.clear()
    engine = built(logger, builder, network, x=((1, 6), (2, 6), (5, 6)))
    assert trt.TensorRTPhase.RUNTIME in SplitV3.made
    for rows in (2, 5):
        data = numbers(rows, 6)
        scaled, counts = run(logger, engine, data, scaled=None, counts=None)
        np.testing.assert_array_equal(scaled, data * np.float32(3))
        np.testing.assert_array_equal(counts, (data > 0.5).sum(1))


def test_a_size_that_only_the_data_tells(logger):
    builder, network, x = network_with(logger, (8,))
    layer = network.add_plugin_v3([x], [], PositiveV3())
    assert layer is not None, logger.errors
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    engine = built(logger, builder, network)
    data = numbers(8)

    class Allocator(trt.IOutputAllocator):
        def __init__(self):
            trt.IOutputAllocator.__init__(self)

        def reallocate_output(self, tensor_name, memory, size, alignment):
            self.memory = np.empty(size, np.uint8)
            return self.memory.ctypes.data

        def notify_shape(self, tensor_name, shape):
            self.shape = tuple(shape)

    context, allocator = engine.create_execution_context(), Allocator()
    context.set_tensor_address("x", data.ctypes.data)
    context.set_output_allocator("y", allocator)
    assert context.execute_async_v3(0), logger.errors
    expected = data[data > 0]
    assert allocator.shape == expected.shape
    np.testing.assert_array_equal(allocator.memory.view(np.float32)[:len(expected)], expected)


@pytest.mark.parametrize("op, version, fields, outputs", [
    ("PadV2", "1", {"pads": [2, 1]}, 1), ("SplitV3", "2", {"scale": 0.5, "above": 0.25}, 2)])
def test_the_onnx_parser_makes_plugins(logger, op, version, fields, outputs):
    names = ["y", "counts"][:outputs]
    graph = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["a"]), helper.make_node(op, ["a"], names, plugin_version=version, **fields)],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)] +
        [helper.make_tensor_value_info("counts", TensorProto.INT32, None)][:outputs - 1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    builder = trt.Builder(logger)
    network = builder.create_network()
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString()), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    engine = built(logger, builder, network, x=((1, 5), (2, 5), (4, 5)))
    data = numbers(3, 5)
    found = run(logger, engine, data, **dict.fromkeys(names))
    a = np.abs(data)
    if op == "PadV2":
        np.testing.assert_array_equal(found[0], np.pad(a, [(0, 0), (2, 1)]))
    else:
        np.testing.assert_array_equal(found[0], a * np.float32(0.5))
        np.testing.assert_array_equal(found[1], (a > 0.25).sum(1))


def test_enqueue_with_memory_of_the_stand_in(logger):
    cuda = pytest.importorskip("pycuda.driver")
    import pycuda.autoinit  # noqa: F401
    builder, network, x = network_with(logger, (2, 3))
    layer = network.add_plugin_v2([x], PadV2([1, 0]))
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    engine = built(logger, builder, network)
    data, result, stream = numbers(2, 3), cuda.pagelocked_empty((2, 4), np.float32), cuda.Stream()
    device_x, device_y = cuda.mem_alloc(data.nbytes), cuda.mem_alloc(result.nbytes)
    cuda.memcpy_htod_async(device_x, data, stream)
    context = engine.create_execution_context()
    assert context.execute_async_v2([int(device_x), int(device_y)], stream.handle), logger.errors
    cuda.memcpy_dtoh_async(result, device_y, stream)
    stream.synchronize()
    np.testing.assert_array_equal(result, np.pad(data, [(0, 0), (1, 0)]))


def broken(method, plugin):
    """A plugin whose method raises."""
    def fail(self, *arguments, **keywords):
        raise ZeroDivisionError(f"no way in {method}")

    def clone(self):
        copy = type(self)(*self.arguments)
        return copy

    kind, arguments = {"v2": (PadV2, ([1, 1],)), "v3": (SplitV3, (2, 0))}[plugin]
    made = type(f"Broken{kind.__name__}", (kind,), {method: fail, "arguments": arguments} |
                ({"clone": clone} if method != "clone" else {}))
    return made(*arguments)


@pytest.mark.parametrize("plugin, method", [
    ("v2", "get_output_dimensions"), ("v2", "get_output_datatype"), ("v2", "supports_format_combination"),
    ("v2", "configure_plugin"), ("v2", "get_workspace_size"), ("v2", "serialize"), ("v2", "clone"),
    ("v2", "initialize"), ("v3", "get_output_shapes"), ("v3", "get_output_data_types"),
    ("v3", "supports_format_combination"), ("v3", "configure_plugin"), ("v3", "get_fields_to_serialize"),
    ("v3", "get_capability_interface"), ("v3", "clone")])
def test_exceptions_while_building_are_the_reason_in_the_log(logger, plugin, method):
    builder, network, x = network_with(logger, (2, 4))
    given = broken(method, plugin)
    layer = network.add_plugin_v2([x], given) if plugin == "v2" else network.add_plugin_v3([x], [], given)
    if layer is not None:
        layer.get_output(0).name = "y"
        network.mark_output(layer.get_output(0))
        plan = builder.build_serialized_network(network, builder.create_builder_config())
        assert plan is None or method == "initialize"
        if method == "initialize":
            assert builder.build_engine(network, builder.create_builder_config()) is None
    text = "\n".join(logger.errors)
    assert f"ZeroDivisionError: no way in {method}" in text and "test_plugins.py" in text


@pytest.mark.parametrize("plugin, method", [
    ("v2", "enqueue"), ("v3", "enqueue"), ("v3", "on_shape_change"), ("v3", "attach_to_context")])
def test_exceptions_while_running_are_the_reason_in_the_log(logger, plugin, method):
    builder, network, x = network_with(logger, (2, 4))
    given = broken(method, plugin)
    layer = network.add_plugin_v2([x], given) if plugin == "v2" else network.add_plugin_v3([x], [], given)
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    engine = builder.build_engine(network, builder.create_builder_config())
    context = engine.create_execution_context() if engine else None
    if context is not None:
        data, result = numbers(2, 4), np.empty((2, 6), np.float32)
        context.set_tensor_address("x", data.ctypes.data)
        context.set_tensor_address("y", result.ctypes.data)
        assert not context.execute_async_v3(0)
    assert f"ZeroDivisionError: no way in {method}" in "\n".join(logger.errors)


def test_a_creator_that_raises_fails_the_parse_with_the_reason(logger):
    class Broken(PadV2Creator):
        def __init__(self):
            PadV2Creator.__init__(self)
            self.name = "BrokenPad"

        def create_plugin(self, name, field_collection):
            raise KeyError("pads are wrong")

    creator = Broken()
    registry = trt.get_plugin_registry()
    assert registry.register_creator(creator, "")
    graph = helper.make_graph([helper.make_node("BrokenPad", ["x"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    network = trt.Builder(logger).create_network()
    parser = trt.OnnxParser(network, logger)
    assert not parser.parse(model.SerializeToString())
    assert "KeyError: 'pads are wrong'" in parser.get_error(0).desc()
    assert registry.deregister_creator(creator)


def test_a_plan_without_its_creator_says_which_is_missing(logger):
    builder, network, x = network_with(logger, (2, 4))
    plugin = SplitV3(1, 1)
    plugin.plugin_version = "77"
    layer = network.add_plugin_v3([x], [], plugin)
    network.mark_output(layer.get_output(0))
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    assert trt.Runtime(logger).deserialize_cuda_engine(plan) is None
    assert "'SplitV3', version '77'" in logger.errors[-1]


class QuickTwice(trt.IPluginV3, trt.IPluginV3QuickCore, trt.IPluginV3QuickBuild, trt.IPluginV3QuickRuntime):
    """y = 2 x, through the quick interfaces."""

    def __init__(self):
        trt.IPluginV3.__init__(self)
        self.plugin_name, self.plugin_version, self.plugin_namespace, self.num_outputs = "QuickTwice", "1", "quick", 1

    def get_capability_interface(self, type):
        return self

    def get_output_data_types(self, input_types, ranks):
        if ranks[0] != 2:
            raise ValueError("two dimensions are accepted")
        return input_types

    def get_output_shapes(self, inputs, shape_inputs, exprBuilder):
        return inputs

    def get_supported_format_combinations(self, in_out, num_inputs):
        return [desc.desc for desc in in_out]

    def enqueue(self, input_desc, output_desc, inputs, outputs, in_strides, out_strides, stream):
        assert in_strides == [(3, 1)]
        at(outputs[0], output_desc[0])[...] = 2 * at(inputs[0], input_desc[0])

    def clone(self):
        return QuickTwice()


class QuickTwiceCreator(trt.IPluginCreatorV3Quick):
    def __init__(self):
        trt.IPluginCreatorV3Quick.__init__(self)
        self.name, self.plugin_namespace, self.plugin_version = "QuickTwice", "quick", "1"

    def create_plugin(self, name, namespace, fc, phase, request):
        assert namespace == "quick" and request == trt.QuickPluginCreationRequest.PREFER_JIT
        return QuickTwice()


def test_quick_interfaces(logger):
    registry, creator = trt.get_plugin_registry(), QuickTwiceCreator()
    assert registry.register_creator(creator, "quick")
    assert registry.get_creator("QuickTwice", "1", "quick") is creator
    builder, network, x = network_with(logger, (2, 3))
    layer = network.add_plugin_v3([x], [], QuickTwice())
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    data = numbers(2, 3)
    np.testing.assert_array_equal(run(logger, built(logger, builder, network), data, y=None)[0], 2 * data)
    assert registry.deregister_creator(creator)
