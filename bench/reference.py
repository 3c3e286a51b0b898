"""Runs an ONNX model in double precision, apart from Tenon: onnx's reference evaluator with quick window operators."""

import itertools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def windows(x, kernel, strides, dilations, pads, fill, ceil=False):
    """Yields, for each kernel offset, the strided slice of the padded x that meets it: [N, C, *outputs]."""
    rank = len(kernel)
    strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * 2 * rank
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    outputs = []
    for i in range(rank):
        free = x.shape[2 + i] + pads[i] + pads[rank + i] - spans[i]
        count = (-(-free // strides[i]) if ceil else free // strides[i]) + 1
        if ceil and (count - 1) * strides[i] >= x.shape[2 + i] + pads[i]:
            count -= 1
        outputs.append(count)
    ends = [max(pads[rank + i], (outputs[i] - 1) * strides[i] + spans[i] - x.shape[2 + i] - pads[i])
            for i in range(rank)]
    padded = np.pad(x, [(0, 0), (0, 0)] + list(zip(pads[:rank], ends)), constant_values=fill)
    for offset in itertools.product(*map(range, kernel)):
        slices = [slice(o * d, o * d + (n - 1) * s + 1, s)
                  for o, d, n, s in zip(offset, dilations, outputs, strides)]
        yield offset, padded[(slice(None), slice(None), *slices)]


class Conv(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
        groups, total = group or 1, 0
        for offset, part in windows(x, w.shape[2:], strides, dilations, pads, 0):
            n, c, *spatial = part.shape
            left = w[(slice(None), slice(None), *offset)].reshape(groups, -1, c // groups)
            total = total + left[None] @ part.reshape(n, groups, c // groups, -1)
        y = total.reshape(n, -1, *spatial)
        return (y if b is None else y + b.reshape([1, -1] + [1] * len(spatial)),)


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None,
             strides=None):
        y = None
        for _, part in windows(x, kernel_shape, strides, dilations, pads, -np.inf, bool(ceil_mode)):
            y = part.copy() if y is None else np.maximum(y, part, out=y)
        return (y,)


class AveragePool(OpRun):
    """With count_include_pad, or without padding: the divisor is the size of the kernel."""

    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, count_include_pad=None, dilations=None, kernel_shape=None,
             pads=None, strides=None):
        total = sum(part for _, part in windows(x, kernel_shape, strides, dilations, pads, 0))
        return (total / np.prod(kernel_shape),)


class LayerNormalization(OpRun):
    op_domain = ""

    def _run(self, x, scale, bias=None, axis=None, epsilon=None, stash_type=None):
        centred = x - x.mean(-1, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * scale
        return (y if bias is None else y + bias,)


def linear_weights(size_in, size_out):
    """[size_out, size_in] weights of a half-pixel linear resize."""
    position = np.clip((np.arange(size_out) + 0.5) * size_in / size_out - 0.5, 0, size_in - 1)
    low = np.minimum(position.astype(int), max(size_in - 2, 0))
    weights = np.zeros((size_out, size_in))
    weights[np.arange(size_out), low] = 1 - (position - low)
    weights[np.arange(size_out), np.minimum(low + 1, size_in - 1)] += position - low
    return weights


class Resize(OpRun):
    """Images by half-pixel linear sizes, or nearest by whole scales."""

    op_domain = ""

    def _run(self, x, roi=None, scales=None, sizes=None, mode=None, **_):
        height, width = x.shape[2:]
        out = [round(d * s) for d, s in zip(x.shape[2:], scales[2:])] if sizes is None else [int(s) for s in sizes[2:]]
        if mode == "nearest":
            return (x.repeat(out[0] // height, 2).repeat(out[1] // width, 3),)
        return (linear_weights(height, out[0]) @ x @ linear_weights(width, out[1]).T,)


def widen(tensor):
    """A copy of a float32 TensorProto in float64; others as they are."""
    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)


def in_double(model):
    """The model with every float32 tensor as float64."""
    graph = model.graph
    nodes = []
    for node in graph.node:
        attributes = {}
        for a in node.attribute:
            value = helper.get_attribute_value(a)
            if a.type == onnx.AttributeProto.TENSOR:
                value = widen(value)
            if node.op_type == "Cast" and a.name == "to" and value == TensorProto.FLOAT:
                value = TensorProto.DOUBLE
            attributes[a.name] = value
        nodes.append(helper.make_node(node.op_type, node.input, node.output, name=node.name, **attributes))
    ends = []
    for values in (graph.input, graph.output):
        ends.append([helper.make_tensor_value_info(v.name, TensorProto.DOUBLE, None) if
                     v.type.tensor_type.elem_type == TensorProto.FLOAT else v for v in values])
    wide = helper.make_graph(nodes, graph.name, ends[0], ends[1], [widen(t) for t in graph.initializer])
    return helper.make_model(wide, opset_imports=model.opset_import, ir_version=model.ir_version)


def run_in_double(path, inputs):
    """Outputs in float64 for the inputs given in the model's order."""
    model = in_double(onnx.load(path))
    evaluator = ReferenceEvaluator(model, new_ops=[Conv, MaxPool, AveragePool, LayerNormalization, Resize])
    feed = {v.name: x.astype(np.float64) if x.dtype == np.float32 else x for v, x in zip(model.graph.input, inputs)}
    return evaluator.run(None, feed)
