"""NVIDIA's own Python bindings, unrebuilt, on the libraries of this build; every buffer is numpy's.

Started by run.py, which chooses a release and the libraries. Results are compared with numpy in double precision.
"""
import ctypes
import json
import pathlib

import numpy as np
import pytest
import tensorrt_bindings as trt

MAJOR, MINOR = (int(part) for part in trt.__version__.split(".")[:2])
DIGITS = pathlib.Path(__file__).parents[2] / "samples/digits/digits.onnx"
sample = pytest.mark.sample


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors = []

    def log(self, severity, message):
        if severity <= trt.ILogger.ERROR:
            self.errors.append(message)


def needs(owner, *names):
    """Skips a test of what the release does not have."""
    for name in names:
        if not hasattr(owner, name):
            pytest.skip(f"TensorRT {trt.__version__} has no {name}")


def noise(*shape, seed=0):
    return np.random.RandomState(seed + sum(shape)).uniform(-1, 1, shape).astype(np.float32)


class Net:
    """A network under construction and what it takes to run it."""

    def __init__(self):
        self.logger = Logger()
        self.builder = trt.Builder(self.logger)
        explicit = 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) if MAJOR < 10 else 0
        self.network = self.builder.create_network(explicit)
        self.config = self.builder.create_builder_config()
        self.inputs, self.keep = {}, []

    def input(self, array, name=None, shape=None):
        name = name or f"in{len(self.inputs)}"
        self.inputs[name] = array
        return self.network.add_input(name, trt.DataType(trt_type(array.dtype)), shape or array.shape)

    def constant(self, array):
        array = np.ascontiguousarray(array)
        self.keep.append(array)
        return self.network.add_constant(array.shape, trt.Weights(array)).get_output(0)

    def engine(self):
        plan = self.builder.build_serialized_network(self.network, self.config)
        assert plan is not None, self.logger.errors
        self.runtime = trt.Runtime(self.logger)
        return self.runtime.deserialize_cuda_engine(plan)

    def run(self, *outputs):
        """The values of tensors, as arrays; a tensor may be given with the shape that only the data tells."""
        shapes = {}
        for index, tensor in enumerate(outputs):
            tensor, shape = tensor if isinstance(tensor, tuple) else (tensor, None)
            tensor.name = f"out{index}"
            self.network.mark_output(tensor)
            shapes[tensor.name] = shape
        self.compiled = self.engine()
        self.context = self.compiled.create_execution_context()
        return execute(self.compiled, self.context, self.inputs, shapes, self.logger)


def trt_type(dtype):
    return getattr(trt, np.dtype(dtype).name)


def execute(engine, context, inputs, shapes, logger):
    found, keep = {}, []
    for name, array in inputs.items():
        array = np.ascontiguousarray(array)
        keep.append(array)
        assert context.set_input_shape(name, array.shape), logger.errors
        assert context.set_tensor_address(name, array.ctypes.data)
    for name, shape in shapes.items():
        dims = shape or tuple(context.get_tensor_shape(name))
        found[name] = np.empty(dims, trt.nptype(engine.get_tensor_dtype(name)))
        assert context.set_tensor_address(name, found[name].ctypes.data)
    assert context.execute_async_v3(0), logger.errors
    return list(found.values())


def close(found, expected, bound=1e-5):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    if found.dtype.kind in "iub":
        assert np.array_equal(found, expected)
    else:
        size = np.linalg.norm(expected.astype(np.float64).ravel()) + 1e-30
        assert np.linalg.norm((found.astype(np.float64) - expected).ravel()) / size < bound


def convolve(x, w, stride=1, pad=0):
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    size = w.shape[2]
    rows, columns = (x.shape[2] - size) // stride + 1, (x.shape[3] - size) // stride + 1
    out = np.zeros((x.shape[0], w.shape[0], rows, columns))
    for i in range(rows):
        for j in range(columns):
            patch = x[:, :, i * stride:i * stride + size, j * stride:j * stride + size]
            out[:, :, i, j] = np.tensordot(patch, w.astype(np.float64), axes=([1, 2, 3], [1, 2, 3]))
    return out


def softmax(x, axis):
    e = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# Layers: each returns the tensors to run and what they should hold.

def convolution(n):
    x, w, b = noise(2, 3, 8, 8), noise(4, 3, 3, 3), noise(4)
    layer = n.network.add_convolution_nd(n.input(x), 4, (3, 3), trt.Weights(w), trt.Weights(b))
    n.keep += [w, b]
    layer.stride_nd, layer.padding_nd = (2, 2), (1, 1)
    assert tuple(layer.padding_nd) == (1, 1) and layer.num_output_maps == 4 and layer.type == trt.LayerType.CONVOLUTION
    return [layer.get_output(0)], [convolve(x, w, 2, 1) + b.reshape(1, 4, 1, 1)]


def deconvolution(n):
    x, w = noise(1, 2, 3, 3), noise(2, 3, 2, 2)
    n.keep.append(w)
    layer = n.network.add_deconvolution_nd(n.input(x), 3, (2, 2), trt.Weights(w), trt.Weights())
    layer.stride_nd = (2, 2)
    expected = np.zeros((1, 3, 6, 6))
    for i in range(3):
        for j in range(3):
            expected[0, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = np.tensordot(x[0, :, i, j], w, axes=(0, 0))
    return [layer.get_output(0)], [expected]


def activation(n):
    x = noise(3, 5)
    tensor, kind = n.input(x), trt.ActivationType
    wide = x.astype(np.float64)
    cases = {kind.RELU: np.maximum(wide, 0), kind.SIGMOID: 1 / (1 + np.exp(-wide)), kind.TANH: np.tanh(wide),
             kind.SOFTSIGN: wide / (1 + abs(wide)), kind.SOFTPLUS: np.log1p(np.exp(wide))}
    layers = [n.network.add_activation(tensor, k) for k in cases]
    layers[-1].alpha = layers[-1].beta = 1.0
    return [layer.get_output(0) for layer in layers], list(cases.values())


def pooling(n):
    x = noise(1, 2, 6, 6)
    tensor = n.input(x)
    blocks = x.reshape(1, 2, 3, 2, 3, 2)
    out = []
    for kind in (trt.PoolingType.MAX, trt.PoolingType.AVERAGE):
        layer = n.network.add_pooling_nd(tensor, kind, (2, 2))
        layer.stride_nd = (2, 2)
        out.append(layer.get_output(0))
    return out, [blocks.max((3, 5)), blocks.astype(np.float64).mean((3, 5))]


def scale(n):
    x, shift, factor = noise(1, 3, 4, 4), noise(3), noise(3, seed=1)
    n.keep += [shift, factor]
    weights = (trt.Weights(shift), trt.Weights(factor), trt.Weights())
    layer = n.network.add_scale(n.input(x), trt.ScaleMode.CHANNEL, *weights)
    return [layer.get_output(0)], [x.astype(np.float64) * factor.reshape(1, 3, 1, 1) + shift.reshape(1, 3, 1, 1)]


def elementwise(n):
    x, y = noise(2, 3, 4), noise(2, 1, 4, seed=3) + 2
    a, b, op = n.input(x), n.input(y), trt.ElementWiseOperation
    x, y = x.astype(np.float64), y.astype(np.float64)
    cases = {op.SUM: x + y, op.PROD: x * y, op.MAX: np.maximum(x, y), op.MIN: np.minimum(x, y), op.SUB: x - y,
             op.DIV: x / y, op.FLOOR_DIV: np.floor(x / y), op.GREATER: x > y, op.LESS: x < y}
    return [n.network.add_elementwise(a, b, k).get_output(0) for k in cases], list(cases.values())


def unary(n):
    x = abs(noise(4, 5)) * 0.9 + 0.05
    tensor, op = n.input(x), trt.UnaryOperation
    x = x.astype(np.float64)
    cases = {op.EXP: np.exp(x), op.LOG: np.log(x), op.SQRT: np.sqrt(x), op.RECIP: 1 / x, op.ABS: abs(x), op.NEG: -x,
             op.SIN: np.sin(x), op.COS: np.cos(x), op.TAN: np.tan(x), op.SINH: np.sinh(x), op.COSH: np.cosh(x),
             op.ASIN: np.arcsin(x), op.ACOS: np.arccos(x), op.ATAN: np.arctan(x), op.ASINH: np.arcsinh(x),
             op.ATANH: np.arctanh(x), op.CEIL: np.ceil(x), op.FLOOR: np.floor(x), op.SIGN: np.sign(x),
             op.ROUND: np.round(x), op.ISINF: np.isinf(x)}
    return [n.network.add_unary(tensor, k).get_output(0) for k in cases], list(cases.values())


def reduction(n):
    x = noise(2, 3, 4)
    tensor, op = n.input(x), trt.ReduceOperation
    x = x.astype(np.float64)
    cases = {op.SUM: x.sum((1, 2)), op.PROD: x.prod((1, 2)), op.MAX: x.max((1, 2)), op.MIN: x.min((1, 2)),
             op.AVG: x.mean((1, 2))}
    return [n.network.add_reduce(tensor, k, 6, False).get_output(0) for k in cases], list(cases.values())


def shuffle(n):
    x = noise(2, 3, 4)
    layer = n.network.add_shuffle(n.input(x))
    layer.first_transpose = trt.Permutation([1, 0, 2])
    layer.reshape_dims = (3, -1)
    layer.second_transpose = trt.Permutation([1, 0])
    return [layer.get_output(0)], [x.transpose(1, 0, 2).reshape(3, 8).T]


def slicing(n):
    x = noise(4, 6)
    layer = n.network.add_slice(n.input(x), (1, 0), (2, 3), (1, 2))
    return [layer.get_output(0)], [x[1:3, 0:6:2]]


def concatenation(n):
    x, y = noise(2, 3), noise(2, 4)
    layer = n.network.add_concatenation([n.input(x), n.input(y)])
    layer.axis = 1
    return [layer.get_output(0)], [np.concatenate([x, y], 1)]


def matrix_multiply(n):
    x, y = noise(2, 3, 4), noise(2, 5, 4)
    ops = trt.MatrixOperation
    layer = n.network.add_matrix_multiply(n.input(x), ops.NONE, n.input(y), ops.TRANSPOSE)
    return [layer.get_output(0)], [x.astype(np.float64) @ y.transpose(0, 2, 1)]


def soft_max(n):
    x = noise(3, 7)
    layer = n.network.add_softmax(n.input(x))
    layer.axes = 2
    return [layer.get_output(0)], [softmax(x, 1)]


def gathering(n):
    x, at = noise(5, 3), np.array([4, 0, 2], np.int32)
    return [n.network.add_gather(n.input(x), n.input(at), 0).get_output(0)], [x[at]]


def top_k(n):
    x = noise(3, 9)
    layer = n.network.add_topk(n.input(x), trt.TopKOperation.MAX, 2, 2)
    order = np.argsort(-x, 1)[:, :2]
    return [layer.get_output(0), layer.get_output(1)], [np.take_along_axis(x, order, 1), order]


def resize(n):
    x = noise(1, 1, 3, 3)
    layer = n.network.add_resize(n.input(x))
    layer.shape = (1, 1, 6, 6)
    layer.resize_mode = trt.InterpolationMode.NEAREST
    return [layer.get_output(0)], [x.repeat(2, 2).repeat(2, 3)]


def select(n):
    mask, x, y = noise(3, 4, seed=9) > 0, noise(3, 4), noise(3, 4, seed=1)
    return [n.network.add_select(n.input(mask), n.input(x), n.input(y)).get_output(0)], [np.where(mask, x, y)]


def parametric_relu(n):
    x, slope = noise(1, 3, 4), noise(1, 3, 1)
    layer = n.network.add_parametric_relu(n.input(x), n.constant(slope))
    return [layer.get_output(0)], [np.where(x > 0, x, x * slope)]


def einsum(n):
    x, y = noise(3, 4), noise(4, 5)
    return [n.network.add_einsum([n.input(x), n.input(y)], "ij,jk->ki").get_output(0)], [(x.astype(np.float64) @ y).T]


def cast(n):
    x = noise(3, 4) * 10
    return [n.network.add_cast(n.input(x), trt.int32).get_output(0)], [x.astype(np.int32)]


def one_hot(n):
    at, values, depth = np.array([2, 0, 1], np.int32), np.array([-1, 5], np.float32), np.array(3, np.int32)
    layer = n.network.add_one_hot(n.input(at), n.constant(values), n.constant(depth), -1)
    return [layer.get_output(0)], [np.where(np.eye(3)[at] > 0, 5, -1)]


def scatter(n):
    x, at, updates = noise(3, 4), np.array([[0, 2, 1, 0]], np.int32), noise(1, 4, seed=5)
    layer = n.network.add_scatter(n.input(x), n.input(at), n.input(updates), trt.ScatterMode.ELEMENT)
    expected = x.copy()
    np.put_along_axis(expected, at, updates, 0)
    return [layer.get_output(0)], [expected]


def normalization(n):
    x, gain, bias = noise(2, 4, 6), noise(1, 1, 6), noise(1, 1, 6, seed=2)
    layer = n.network.add_normalization(n.input(x), n.constant(gain), n.constant(bias), 4)
    layer.epsilon = 1e-4
    wide = x.astype(np.float64)
    normed = (wide - wide.mean(2, keepdims=True)) / np.sqrt(wide.var(2, keepdims=True) + 1e-4)
    return [layer.get_output(0)], [normed * gain + bias]


def shape(n):
    x = noise(3, 5)
    return [n.network.add_shape(n.input(x)).get_output(0)], [np.array([3, 5])]


def identity_and_padding(n):
    x = noise(1, 1, 3, 3)
    same = n.network.add_identity(n.input(x)).get_output(0)
    padded = n.network.add_padding_nd(same, (1, 0), (0, 2)).get_output(0)
    return [same, padded], [x, np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)))]


def lrn(n):
    x = noise(1, 5, 2, 2)
    layer = n.network.add_lrn(n.input(x), 3, 0.5, 0.75, 1.0)
    padded = np.pad(x.astype(np.float64) ** 2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    total = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return [layer.get_output(0)], [x / (1.0 + 0.5 / 3 * total) ** 0.75]


def quantize(n):
    x, s = noise(4, 6), np.array(0.01, np.float32)
    factor = n.constant(s)
    if MAJOR >= 11:
        q = n.network.add_quantize(n.input(x), factor, trt.int8)
        dq = n.network.add_dequantize(q.get_output(0), factor, trt.float32)
    else:
        q = n.network.add_quantize(n.input(x), factor)
        dq = n.network.add_dequantize(q.get_output(0), factor)
    return [dq.get_output(0)], [np.clip(np.round(x / s), -128, 127) * s]


def fill(n):
    if MAJOR >= 11:
        layer = n.network.add_fill((6,), trt.FillOperation.LINSPACE, trt.float32)
    else:
        layer = n.network.add_fill((6,), trt.FillOperation.LINSPACE)
    layer.set_input(1, n.constant(np.array(2, np.float32)))
    layer.set_input(2, n.constant(np.array([0.5], np.float32)))
    x = noise(6)
    total = n.network.add_elementwise(layer.get_output(0), n.input(x), trt.ElementWiseOperation.SUM)
    return [total.get_output(0)], [2 + 0.5 * np.arange(6) + x.astype(np.float64)]


def squeeze(n):
    needs(n.network, "add_squeeze")
    x, axis = noise(3, 1, 4), np.array([1], np.int64)
    narrow = n.network.add_squeeze(n.input(x), n.constant(axis)).get_output(0)
    wide = n.network.add_unsqueeze(narrow, n.constant(np.array([0], np.int64))).get_output(0)
    return [narrow, wide], [x[:, 0], x[None, :, 0]]


def cumulative(n):
    needs(n.network, "add_cumulative")
    x, axis = noise(3, 5), np.array(1, np.int32)
    layer = n.network.add_cumulative(n.input(x), n.constant(axis), trt.CumulativeOperation.SUM, False, False)
    return [layer.get_output(0)], [np.cumsum(x.astype(np.float64), 1)]


def grid_sample(n):
    x = noise(1, 2, 4, 4)
    rows, columns = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 4), indexing="ij")
    grid = np.stack([columns, rows], -1)[None].astype(np.float32)
    layer = n.network.add_grid_sample(n.input(x), n.input(grid))
    layer.align_corners = True
    layer.interpolation_mode = trt.InterpolationMode.LINEAR
    return [layer.get_output(0)], [x]


def reverse_sequence(n):
    x, lengths = noise(3, 4), np.array([1, 4, 2], np.int32)
    layer = n.network.add_reverse_sequence(n.input(x), n.input(lengths))
    layer.batch_axis, layer.sequence_axis = 0, 1
    expected = x.copy()
    for row, length in enumerate(lengths):
        expected[row, :length] = x[row, :length][::-1]
    return [layer.get_output(0)], [expected]


def non_zero(n):
    x = (noise(3, 4) > 0).astype(np.float32)
    at = np.array(np.nonzero(x))
    arguments = (trt.int64,) if MAJOR >= 11 else ()
    layer = n.network.add_non_zero(n.input(x), *arguments)
    return [(layer.get_output(0), at.shape)], [at]


LAYERS = [convolution, deconvolution, activation, pooling, scale, elementwise, unary, reduction, shuffle, slicing,
          concatenation, matrix_multiply, soft_max, gathering, top_k, resize, select, parametric_relu, einsum, cast,
          one_hot, scatter, normalization, shape, identity_and_padding, lrn, quantize, fill, squeeze, cumulative,
          grid_sample, reverse_sequence, non_zero]


@sample
@pytest.mark.parametrize("layer", LAYERS, ids=lambda f: f.__name__)
def test_layer(layer):
    n = Net()
    tensors, expected = layer(n)
    for found, wanted in zip(n.run(*tensors), expected):
        close(found, wanted)
    assert not n.logger.errors


def classifier(n, batch=(1, 2, 4)):
    x = n.network.add_input("x", trt.float32, (-1, 3, 8, 8))
    w, head = noise(4, 3, 3, 3), noise(4, 10)
    n.keep += [w, head]
    layer = n.network.add_convolution_nd(x, 4, (3, 3), trt.Weights(w), trt.Weights())
    layer.name, layer.padding_nd = "conv", (1, 1)
    relu = n.network.add_activation(layer.get_output(0), trt.ActivationType.RELU).get_output(0)
    mean = n.network.add_reduce(relu, trt.ReduceOperation.AVG, 12, False).get_output(0)
    scores = n.network.add_matrix_multiply(mean, trt.MatrixOperation.NONE, n.constant(head), trt.MatrixOperation.NONE)
    scores.get_output(0).name = "y"
    n.network.mark_output(scores.get_output(0))
    profile = n.builder.create_optimization_profile()
    profile.set_shape("x", *((size, 3, 8, 8) for size in batch))
    n.config.add_optimization_profile(profile)
    return lambda x, kernel=w: np.maximum(convolve(x, kernel, 1, 1), 0).mean((2, 3)) @ head


@sample
def test_dynamic_batches_profiles_and_errors():
    n = Net()
    reference = classifier(n)
    engine = n.engine()
    assert engine.num_io_tensors == 2 and engine.get_tensor_mode("x") == trt.TensorIOMode.INPUT
    assert [tuple(s) for s in engine.get_tensor_profile_shape("x", 0)] == [(1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8)]
    context = engine.create_execution_context()
    for size in (1, 3, 4):
        x = noise(size, 3, 8, 8)
        y, = execute(engine, context, {"x": x}, {"y": None}, n.logger)
        close(y, reference(x))
    assert not n.logger.errors
    assert not context.set_input_shape("x", (5, 3, 8, 8))
    assert len(n.logger.errors) == 1


@sample
def test_onnx_parse():
    n = Net()
    parser = trt.OnnxParser(n.network, n.logger)
    assert parser.parse_from_file(str(DIGITS)) and parser.num_errors == 0
    assert n.network.num_inputs == 1 and n.network.num_layers >= 10
    name = n.network.get_input(0).name
    profile = n.builder.create_optimization_profile()
    profile.set_shape(name, (1, 1, 8, 8), (1, 1, 8, 8), (2, 1, 8, 8))
    n.config.add_optimization_profile(profile)
    engine = n.engine()
    y, = execute(engine, engine.create_execution_context(), {name: noise(2, 1, 8, 8)},
                 {engine.get_tensor_name(1): None}, n.logger)
    assert y.shape == (2, 10) and np.isfinite(y).all()
    assert not parser.parse(b"junk") and parser.num_errors > 0
    assert parser.get_error(0).desc()


class Profiler(trt.IProfiler):
    def __init__(self):
        trt.IProfiler.__init__(self)
        self.times = {}

    def report_layer_time(self, name, ms):
        self.times[name] = ms


class Recorder(trt.IErrorRecorder):
    def __init__(self):
        trt.IErrorRecorder.__init__(self)
        self.errors = []

    def num_errors(self):
        return len(self.errors)

    def get_error_code(self, index):
        return self.errors[index][0]

    def get_error_desc(self, index):
        return self.errors[index][1]

    def has_overflowed(self):
        return False

    def clear(self):
        self.errors.clear()

    def report_error(self, code, desc):
        self.errors.append((code, desc))
        return False


class Monitor(getattr(trt, "IProgressMonitor", object)):
    def __init__(self, go_on=True):
        super().__init__()
        self.phases, self.go_on = [], go_on

    def phase_start(self, phase, parent, steps):
        self.phases.append(phase)

    def step_complete(self, phase, step):
        return self.go_on

    def phase_finish(self, phase):
        pass


class Outputs(trt.IOutputAllocator):
    def __init__(self):
        trt.IOutputAllocator.__init__(self)
        self.memory, self.shape = None, None

    def reallocate_output(self, name, memory, size, alignment):
        self.memory = np.empty(max(size, 1), np.uint8)
        return self.memory.ctypes.data

    def reallocate_output_async(self, name, memory, size, alignment, stream):
        return self.reallocate_output(name, memory, size, alignment)

    def notify_shape(self, name, shape):
        self.shape = tuple(shape)


@sample
def test_observers():
    needs(trt, "IProgressMonitor")
    n = Net()
    recorder, monitor, profiler = Recorder(), Monitor(), Profiler()
    n.builder.error_recorder = recorder
    reference = classifier(n)
    n.config.progress_monitor = monitor
    n.config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    engine = n.engine()
    assert monitor.phases
    context = engine.create_execution_context()
    context.profiler = profiler
    x = noise(2, 3, 8, 8)
    y, = execute(engine, context, {"x": x}, {"y": None}, n.logger)
    close(y, reference(x))
    assert profiler.times and all(ms >= 0 for ms in profiler.times.values())
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    assert "conv" in text and json.loads(text)["Layers"]
    context.error_recorder = recorder
    assert not context.set_input_shape("nothing", (1,))
    assert recorder.errors and "nothing" in recorder.errors[0][1]
    n.config.progress_monitor = Monitor(False)
    assert n.builder.build_serialized_network(n.network, n.config) is None


def test_output_allocator():
    n = Net()
    x = (noise(4, 5) > 0).astype(np.float32)
    at = n.network.add_non_zero(n.input(x), *((trt.int64,) if MAJOR >= 11 else ())).get_output(0)
    at.name = "at"
    n.network.mark_output(at)
    engine = n.engine()
    context, allocator = engine.create_execution_context(), Outputs()
    assert context.set_output_allocator("at", allocator)
    execute(engine, context, n.inputs, {}, n.logger)
    expected = np.array(np.nonzero(x))
    assert allocator.shape == expected.shape
    kind = trt.nptype(engine.get_tensor_dtype("at"))
    assert np.array_equal(allocator.memory.view(kind)[:expected.size].reshape(expected.shape), expected)


def test_timing_cache_makes_builds_equal():
    n = Net()
    classifier(n)
    cache = n.config.create_timing_cache(b"")
    assert n.config.set_timing_cache(cache, False)
    first = bytes(n.builder.build_serialized_network(n.network, n.config))
    again = n.config.create_timing_cache(bytes(cache.serialize()))
    assert n.config.set_timing_cache(again, False)
    assert bytes(n.builder.build_serialized_network(n.network, n.config)) == first


def test_refit():
    n = Net()
    reference = classifier(n)
    n.config.set_flag(trt.BuilderFlag.REFIT)
    engine = n.engine()
    assert engine.refittable
    other = noise(4, 3, 3, 3, seed=50)
    refitter = trt.Refitter(engine, n.logger)
    assert refitter.set_weights("conv", trt.WeightsRole.KERNEL, trt.Weights(other))
    assert refitter.refit_cuda_engine(), n.logger.errors
    x = noise(2, 3, 8, 8)
    y, = execute(engine, engine.create_execution_context(), {"x": x}, {"y": None}, n.logger)
    close(y, reference(x, other))


def test_loop():
    n = Net()
    x, count = noise(3, 4), np.array(5, np.int32)
    loop = n.network.add_loop()
    loop.add_trip_limit(n.constant(count), trt.TripLimit.COUNT)
    state = loop.add_recurrence(n.input(x))
    half = n.network.add_elementwise(state.get_output(0), n.constant(np.full((1, 1), 0.5, np.float32)),
                                     trt.ElementWiseOperation.PROD)
    state.set_input(1, half.get_output(0))
    last = loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE, 0)
    y, = n.run(last.get_output(0))
    close(y, x * 0.5 ** 5)


PLUGIN_PARTS = [getattr(trt, name) for name in ("IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild",
                                                "IPluginV3OneRuntime") if hasattr(trt, name)]


class Negate(*PLUGIN_PARTS):
    """y = -x, computed by numpy on the pointers that enqueue receives."""

    def __init__(self):
        for part in PLUGIN_PARTS:
            part.__init__(self)
        self.plugin_name, self.plugin_version, self.plugin_namespace = "Negate", "1", ""
        self.num_outputs = 1

    def get_capability_interface(self, kind):
        return self

    def clone(self):
        return Negate()

    def configure_plugin(self, inputs, outputs):
        pass

    def get_output_data_types(self, types):
        return [types[0]]

    def get_output_shapes(self, inputs, shape_inputs, builder):
        shape = trt.DimsExprs(len(inputs[0]))
        for i in range(len(shape)):
            shape[i] = inputs[0][i]
        return [shape]

    def supports_format_combination(self, position, tensors, inputs):
        return tensors[position].desc.type == trt.float32 and tensors[position].desc.format == trt.TensorFormat.LINEAR

    def on_shape_change(self, inputs, outputs):
        pass

    def attach_to_context(self, context):
        return self.clone()

    def get_fields_to_serialize(self):
        return trt.PluginFieldCollection([])

    def set_tactic(self, tactic):
        pass

    def enqueue(self, inputs, outputs, pointers, results, workspace, stream):
        count = int(np.prod(inputs[0].dims))
        source = np.ctypeslib.as_array(ctypes.cast(pointers[0], ctypes.POINTER(ctypes.c_float)), (count,))
        target = np.ctypeslib.as_array(ctypes.cast(results[0], ctypes.POINTER(ctypes.c_float)), (count,))
        np.negative(source, out=target)


class NegateCreator(getattr(trt, "IPluginCreatorV3One", object)):
    def __init__(self):
        super().__init__()
        self.name, self.plugin_version, self.plugin_namespace = "Negate", "1", ""
        self.field_names = trt.PluginFieldCollection([])

    def create_plugin(self, name, fields, phase):
        return Negate()


def test_python_plugin():
    needs(trt, "IPluginV3")
    if MAJOR == 10 and MINOR < 4:
        pytest.skip("these bindings free a plugin twice when Python lets go of it, with or without a library")
    n = Net()
    registry = trt.get_plugin_registry()
    creator = NegateCreator()
    assert registry.register_creator(creator, "")
    assert registry.get_creator("Negate", "1", "") is not None
    x = noise(3, 4)
    plugin = Negate()
    layer = n.network.add_plugin_v3([n.input(x)], [], plugin)
    assert layer is not None, n.logger.errors
    y, = n.run(layer.get_output(0))
    close(y, -x)
