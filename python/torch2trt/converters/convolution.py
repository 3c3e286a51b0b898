"""Convolutions, transposed ones, and linear maps."""

import tensorrt as trt
import torch

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, pair, reshaped, traced, trt_, values

F = "torch.nn.functional."


def _arguments(ctx, transposed):
    get = lambda name, pos, default: get_arg(ctx, name, pos, default)
    tail = (("output_padding", 0), ("groups", 1), ("dilation", 1)) if transposed else (("dilation", 1), ("groups", 1))
    names = [("input", None), ("weight", None), ("bias", None), ("stride", 1), ("padding", 0), *tail]
    return {name: get(name, pos, default) for pos, (name, default) in enumerate(names)}


def _add(ctx, a, count, transposed):
    """The layer over `count` spatial dimensions; one is carried out as two."""
    network, weight = ctx.network, a["weight"]
    if traced(weight):
        raise ConversionError(f"{ctx.method_str}: the kernel is computed by the module")
    value, kernel = trt_(network, a["input"]), weight.detach()
    grow = lambda v, fill: v + (fill,) if count == 1 else v
    stride, dilation = grow(pair(a["stride"], count), 1), grow(pair(a["dilation"], count), 1)
    if count == 1:
        value, kernel = reshaped(network, value, (*a["input"].shape, 1), a["input"]), kernel.unsqueeze(-1)
    channels = kernel.shape[1] * a["groups"] if transposed else kernel.shape[0]
    add = network.add_deconvolution_nd if transposed else network.add_convolution_nd
    layer = add(input=value, num_output_maps=channels, kernel_shape=tuple(kernel.shape[2:]), kernel=values(kernel),
                bias=values(a["bias"]))
    layer.stride_nd, layer.dilation_nd, layer.num_groups = stride, dilation, int(a["groups"])
    _pad(layer, a, count, grow, kernel, dilation, transposed)
    return layer.get_output(0)


def _pad(layer, a, count, grow, kernel, dilation, transposed):
    if isinstance(a["padding"], str):
        total = [d * (k - 1) if a["padding"] == "same" else 0 for d, k in zip(dilation, kernel.shape[2:])]
        layer.pre_padding, layer.post_padding = [t // 2 for t in total], [t - t // 2 for t in total]
        return
    padding = grow(pair(a["padding"], count), 0)
    if not transposed:
        layer.padding_nd = padding
        return
    extra = grow(pair(a["output_padding"], count), 0)
    layer.pre_padding, layer.post_padding = padding, [p - e for p, e in zip(padding, extra)]


def _register(count, transposed, *names):
    def convert(ctx):
        a = _arguments(ctx, transposed)
        if a["input"].dim() != count + 2:
            raise ConversionError(f"{ctx.method_str}: an input without a batch dimension")
        output = _add(ctx, a, count, transposed)
        if count == 1:
            output = reshaped(ctx.network, output, ctx.method_return.shape, a["input"])
        ctx.method_return._trt = output

    for name in names:
        tensorrt_converter(name)(convert)


for _count in (1, 2, 3):
    _register(_count, False, f"torch.conv{_count}d", f"{F}conv{_count}d")
    _register(_count, True, f"torch.conv_transpose{_count}d", f"{F}conv_transpose{_count}d")


@tensorrt_converter(F + "linear")
def convert_linear(ctx):
    value, weight = ctx.method_args[0], get_arg(ctx, "weight", 1, None)
    bias = get_arg(ctx, "bias", 2, None)
    left, right = trt_(ctx.network, value, weight if traced(weight) else weight.detach())
    none, transpose = trt.MatrixOperation.NONE, trt.MatrixOperation.TRANSPOSE
    if value.dim() == 1:
        none = trt.MatrixOperation.VECTOR
        left, right = trt_(ctx.network, value), trt_(ctx.network, weight)
    output = ctx.network.add_matrix_multiply(left, none, right, transpose).get_output(0)
    if bias is not None:
        shape = (1,) * (ctx.method_return.dim() - 1) + (-1,)
        addend = trt_(ctx.network, bias.detach().reshape(shape))
        output = ctx.network.add_elementwise(output, addend, trt.ElementWiseOperation.SUM).get_output(0)
    ctx.method_return._trt = output


def _matmul(ctx, a, b):
    if a.dim() < 2 or b.dim() < 2:
        operations = [trt.MatrixOperation.VECTOR if t.dim() == 1 else trt.MatrixOperation.NONE for t in (a, b)]
        left, right = trt_(ctx.network, a), trt_(ctx.network, b)
    else:
        operations = [trt.MatrixOperation.NONE] * 2
        left, right = trt_(ctx.network, a, b)
    return ctx.network.add_matrix_multiply(left, operations[0], right, operations[1]).get_output(0)


for _name in ("torch.matmul", "torch.Tensor.matmul", "torch.Tensor.__matmul__", "torch.bmm", "torch.Tensor.bmm",
              "torch.mm", "torch.Tensor.mm"):
    @tensorrt_converter(_name)
    def convert_matmul(ctx):
        ctx.method_return._trt = _matmul(ctx, ctx.method_args[0], ctx.method_args[1])


@tensorrt_converter("torch.einsum")
def convert_einsum(ctx):
    operands = ctx.method_args[1:]
    operands = operands[0] if isinstance(operands[0], (list, tuple)) else operands
    inputs = [trt_(ctx.network, t) for t in operands]
    ctx.method_return._trt = ctx.network.add_einsum(inputs, ctx.method_args[0].replace(" ", "")).get_output(0)
