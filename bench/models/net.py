"""Writes ONNX models node by node, running each node on a small random batch as it is added.

Because every value is known while the model grows, weights are scaled and batch-norm statistics are measured where they
are made: each layer's output has a variance near one, whatever stands between. Nodes are shaped as torch's exporter
(opset 18) writes them.
"""

import contextlib
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SAMPLE = 2  # rows of the random batch
EPS = 1e-5
TYPES = {np.dtype("float32"): TensorProto.FLOAT, np.dtype("int64"): TensorProto.INT64,
         np.dtype("int32"): TensorProto.INT32, np.dtype("bool"): TensorProto.BOOL}


def branch_share(blocks):
    """Deviation of a residual branch beside its shortcut, in a network of so many residual blocks.

    Together the branches weigh no more than the shortcut, however deep the network is. A block multiplies a rounding
    error of its input by at most about 1 + share, so all of them by less than e; equal shares would amplify it
    ten-thousandfold in a hundred layers.
    """
    return 1 / blocks


class Net:
    """A model that is being written. Values are named by strings; `value[name]` is the value on the random batch.

    batch: rows of the model's inputs, or None for a dynamic first dimension, named N.
    fold_batch_norm: True folds each batch-norm into its convolution, False keeps BatchNormalization nodes.
    """

    def __init__(self, name, batch=1, fold_batch_norm=True, opset=18):
        self.name, self.batch, self.fold_batch_norm, self.opset = name, batch, fold_batch_norm, opset
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.value, self.nodes, self.initializers, self.inputs, self.outputs = {}, [], [], [], []
        self._scope, self._used, self._sizes, self._sessions = [], {}, {}, {}

    @contextlib.contextmanager
    def scope(self, *names):
        self._scope.extend(names)
        yield
        del self._scope[len(self._scope) - len(names):]

    def _unique(self, name):
        count = self._used.get(name, 0)
        self._used[name] = count + 1
        return f"{name}_{count}" if count else name

    def input(self, name, dims, dtype=np.float32, high=None):
        """An input whose first dimension is the batch; random normal, or integers below `high`."""
        shape = [SAMPLE] + list(dims)
        sample = self.rng.integers(0, high, shape) if high else self.rng.standard_normal(shape)
        self.value[name] = sample.astype(dtype)
        dims = [self.batch or "N"] + list(dims)
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], dims))
        return name

    def output(self, value, name="output"):
        """Marks a value as the model's next output, under the name given."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, n in enumerate(names):
                    if n == value:
                        names[i] = name
        self.value[name] = self.value[value]
        dims = [self.batch or "N"] + list(self.value[name].shape[1:])
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[self.value[name].dtype], dims))

    def weight(self, array, what="weight"):
        name = self._unique(".".join(self._scope + [what]))
        array = np.ascontiguousarray(array)
        self.value[name] = array
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, array):
        """A Constant node, as the exporter writes for scalars and shapes."""
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        return self._emit("Constant", [], [array], {"value": numpy_helper.from_array(array)})[0]

    def op(self, kind, *inputs, outputs=1, **attributes):
        """Adds a node and returns its output's name, or a tuple of names where there are more. None is no input."""
        values = self._run(kind, inputs, outputs, attributes)
        names = self._emit(kind, inputs, values, attributes)
        return names[0] if outputs == 1 else tuple(names)

    def _emit(self, kind, inputs, values, attributes):
        name = self._unique("/" + "/".join(self._scope + [kind]))
        outputs = [f"{name}_output_{i}" for i in range(len(values))]
        self.nodes.append(helper.make_node(kind, [i or "" for i in inputs], outputs, name=name, **attributes))
        self.value.update(zip(outputs, values))
        return outputs

    def _run(self, kind, inputs, outputs, attributes):
        """The node's outputs on the random batch, by ONNX Runtime; inputs travel as inputs, weights included."""
        arrays = [None if i is None else np.asarray(self.value[i], order="C") for i in inputs]
        fixed = [a is not None and a.dtype == np.int64 and a.size <= 16 for a in arrays]
        key = (kind, outputs, str(sorted(attributes.items(), key=lambda a: a[0])),
               tuple(None if a is None else a.tobytes() if f else (a.dtype.str, a.shape)
                     for a, f in zip(arrays, fixed)))
        if key not in self._sessions:
            self._sessions[key] = self._session(kind, arrays, fixed, outputs, attributes)
        feed = {f"i{k}": a for k, (a, f) in enumerate(zip(arrays, fixed)) if a is not None and not f}
        return self._sessions[key].run(None, feed)

    def _session(self, kind, arrays, fixed, outputs, attributes):
        """A session of one node. Small integer inputs (shapes, axes) are constants in it."""
        names = ["" if a is None else f"i{k}" for k, a in enumerate(arrays)]
        node = helper.make_node(kind, names, [f"o{k}" for k in range(outputs)], **attributes)
        used = [(n, a, f) for n, a, f in zip(names, arrays, fixed) if n]
        infos = [helper.make_tensor_value_info(n, TYPES[a.dtype], a.shape) for n, a, f in used if not f]
        constants = [numpy_helper.from_array(a, n) for n, a, f in used if f]
        outs = [helper.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)]
        model = helper.make_model(helper.make_graph([node], "node", infos, outs, constants),
                                  opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def shape(self, name):
        return self.value[name].shape

    def batch_size(self, x, axis=0):
        """The batch as a one-element tensor, read off x as the exporter does when the batch is dynamic."""
        if (x, axis) not in self._sizes:
            size = self.op("Gather", self.op("Shape", x), self.constant(np.int64(axis)), axis=0)
            self._sizes[x, axis] = self.op("Unsqueeze", size, self.constant(np.array([0], np.int64)))
        return self._sizes[x, axis]

    def dims(self, x, dims):
        """A shape tensor for x; "N" stands for the batch, ("N", k) for k times the batch, on the axis x has it on."""
        def size(d, n):
            return n * d[1] if isinstance(d, tuple) else n if d == "N" else d

        sample = np.array([size(d, SAMPLE) for d in dims], np.int64)
        if self.batch is None and any(not isinstance(d, int) for d in dims):
            parts = []
            for axis, d in enumerate(dims):
                part = self.constant(np.array([d], np.int64)) if isinstance(d, int) else self.batch_size(x, axis)
                if isinstance(d, tuple):
                    part = self.op("Mul", part, self.constant(np.array([d[1]], np.int64)))
                parts.append(part)
            return self.op("Concat", *parts, axis=0)
        name = self.constant(np.array([size(d, self.batch) for d in dims], np.int64))
        self.value[name] = sample
        return name

    def reshape(self, x, *dims):
        return self.op("Reshape", x, self.dims(x, dims))

    def conv(self, x, channels, kernel, stride=1, pad=None, groups=1, dilation=1, norm=None, bias=True, std=1.0,
             mean=0.0):
        """Convolution in the rank of x. norm="batch": a batch-norm follows, folded or as a node, and gives each channel
        about the deviation `std` and the mean `mean`. Else weights and bias are set so that the output's deviation is
        `std` and, on images, channel means are small: without that all rows would give nearly the same output."""
        spatial = self.value[x].ndim - 2
        kernel, stride, dilation = (list(v) if isinstance(v, (tuple, list)) else [v] * spatial
                                    for v in (kernel, stride, dilation))
        pad = [d * (k - 1) // 2 for k, d in zip(kernel, dilation)] if pad is None else pad
        pad = list(pad) if isinstance(pad, (tuple, list)) else [pad] * spatial
        inputs = self.shape(x)[1] // groups
        w = self.rng.standard_normal([channels, inputs] + kernel, dtype=np.float32)
        w *= np.float32(np.sqrt(1 / (inputs * np.prod(kernel))))
        w_name = self._probe(w)
        attributes = dict(dilations=dilation, group=groups, kernel_shape=kernel, pads=pad + pad, strides=stride)
        raw = self._run("Conv", [x, w_name], 1, attributes)[0]
        axes = (0,) + tuple(range(2, raw.ndim))
        if norm is None:
            center = 0.7 * raw.mean(axes) if np.prod(raw.shape[2:]) >= 16 else np.zeros(channels, np.float32)
            scale = np.float32(std / max((raw - center.reshape([-1] + [1] * spatial)).std(), 1e-6))
            b = (self.rng.standard_normal(channels) * 0.1 * std - center * scale).astype(np.float32)
            w *= scale
            return self.op("Conv", x, self.weight(w), self.weight(b, "bias") if bias else None, **attributes)
        center, var = raw.mean(axes), raw.var(axes)
        var = np.maximum(var, 1e-2 * var.mean() + 1e-6)
        gamma = (std * self.rng.uniform(0.8, 1.2, channels)).astype(np.float32)
        beta = (mean + 0.1 * std * self.rng.standard_normal(channels)).astype(np.float32)
        if self.fold_batch_norm:
            scale = gamma / np.sqrt(var + EPS)
            folded = (w * scale.reshape([-1] + [1] * (w.ndim - 1))).astype(np.float32)
            return self.op("Conv", x, self.weight(folded), self.weight(beta - center * scale, "bias"), **attributes)
        y = self.op("Conv", x, self.weight(w), **attributes)
        return self._batch_norm_node(y, gamma, beta, center, var)

    def batch_norm(self, x):
        """A BatchNormalization node of its own, with the statistics of x."""
        value = self.value[x]
        axes = (0,) + tuple(range(2, value.ndim))
        mean, var = value.mean(axes), value.var(axes)
        gamma = self.rng.uniform(0.8, 1.2, len(mean)).astype(np.float32)
        beta = (self.rng.standard_normal(len(mean)) * 0.1).astype(np.float32)
        return self._batch_norm_node(x, gamma, beta, mean, np.maximum(var, 1e-2 * var.mean() + 1e-6))

    def _batch_norm_node(self, x, gamma, beta, mean, var):
        parts = [self.weight(v.astype(np.float32), "norm." + n) for v, n in
                 ((gamma, "weight"), (beta, "bias"), (mean, "running_mean"), (var, "running_var"))]
        return self.op("BatchNormalization", x, *parts, epsilon=EPS, momentum=0.9, training_mode=0)

    def conv_transpose(self, x, channels, kernel, stride):
        inputs = self.shape(x)[1]
        w = self.rng.standard_normal([inputs, channels, kernel, kernel], dtype=np.float32)
        attributes = dict(dilations=[1, 1], group=1, kernel_shape=[kernel] * 2, pads=[0] * 4, strides=[stride] * 2)
        w /= self._run("ConvTranspose", [x, self._probe(w)], 1, attributes)[0].std()
        b = (self.rng.standard_normal(channels) * 0.1).astype(np.float32)
        return self.op("ConvTranspose", x, self.weight(w), self.weight(b, "bias"), **attributes)

    def _probe(self, array):
        self.value["probe"] = array
        return "probe"

    def linear(self, x, outputs, std=1.0):
        """A fully connected layer: Gemm on matrices, MatMul and Add else; weights scaled to the deviation given."""
        value = self.value[x]
        w = self.rng.standard_normal([value.shape[-1], outputs], dtype=np.float32)
        w *= np.float32(std / max((value.reshape(-1, value.shape[-1])[:256] @ w).std(), 1e-6))
        b = (self.rng.standard_normal(outputs) * 0.1 * std).astype(np.float32)
        if value.ndim == 2:
            return self.op("Gemm", x, self.weight(w.T), self.weight(b, "bias"), alpha=1.0, beta=1.0, transB=1)
        return self.op("Add", self.weight(b, "bias"), self.op("MatMul", x, self.weight(w)))

    def layer_norm(self, x, epsilon=1e-5):
        size = self.shape(x)[-1]
        gamma = self.rng.uniform(0.8, 1.2, size).astype(np.float32)
        beta = (self.rng.standard_normal(size) * 0.1).astype(np.float32)
        return self.op("LayerNormalization", x, self.weight(gamma), self.weight(beta, "bias"), axis=-1, epsilon=epsilon)

    def relu(self, x):
        return self.op("Relu", x)

    def relu6(self, x):
        return self.op("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))

    def silu(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def gelu(self, x):
        """x/2 * (1 + erf(x/sqrt 2)), in the order of the exporter's nodes."""
        erf = self.op("Erf", self.op("Div", x, self.constant(np.float32(np.sqrt(2)))))
        product = self.op("Mul", x, self.op("Add", erf, self.constant(np.float32(1))))
        return self.op("Mul", product, self.constant(np.float32(0.5)))

    def add(self, a, b):
        return self.op("Add", a, b)

    def max_pool(self, x, kernel, stride, pad=0, ceil=0):
        return self.op("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, ceil_mode=ceil,
                       dilations=[1, 1])

    def pool_and_flatten(self, x):
        return self.op("Flatten", self.op("GlobalAveragePool", x), axis=1)

    def model(self):
        """The finished, checked model; nodes whose outputs nobody reads are left out."""
        wanted, kept = {o.name for o in self.outputs}, []
        for node in reversed(self.nodes):
            if any(o in wanted for o in node.output):
                kept.append(node)
                wanted.update(node.input)
        initializers = [i for i in self.initializers if i.name in wanted]
        graph = helper.make_graph(kept[::-1], self.name, self.inputs, self.outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8,
                                  producer_name="tenon bench/models")
        if model.ByteSize() < 2**31:
            onnx.checker.check_model(model)
        return model
