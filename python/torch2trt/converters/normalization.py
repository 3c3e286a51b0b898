"""Normalizations."""

import tensorrt as trt
import torch

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, torch_dim_to_trt_axes, trt_, values

F = "torch.nn.functional."


def _channels(tensor, rank):
    return tensor.detach().reshape((1, -1) + (1,) * (rank - 2))


def _affine(ctx, value, scale, shift):
    """value * scale + shift with constants that broadcast."""
    network = ctx.network
    value = network.add_elementwise(value, trt_(network, scale), trt.ElementWiseOperation.PROD).get_output(0)
    return network.add_elementwise(value, trt_(network, shift), trt.ElementWiseOperation.SUM).get_output(0)


@tensorrt_converter(F + "batch_norm")
def convert_batch_norm(ctx):
    get = lambda name, pos, default: get_arg(ctx, name, pos, default)
    value, mean, variance = ctx.method_args[0], get("running_mean", 1, None), get("running_var", 2, None)
    weight, bias = get("weight", 3, None), get("bias", 4, None)
    if get("training", 5, False) or mean is None:
        raise ConversionError("batch_norm: in training mode")
    scale = torch.rsqrt(variance.detach() + get("eps", 7, 1e-5))
    scale = scale * weight.detach() if weight is not None else scale
    shift = -mean.detach() * scale
    shift = shift + bias.detach() if bias is not None else shift
    if value.dim() >= 4:
        layer = ctx.network.add_scale_nd(value._trt, trt.ScaleMode.CHANNEL, values(shift), values(scale),
                                         values(torch.ones_like(scale)), 1)
        ctx.method_return._trt = layer.get_output(0)
        return
    ctx.method_return._trt = _affine(ctx, value._trt, _channels(scale, value.dim()), _channels(shift, value.dim()))


def _normalize(ctx, value, scale, shift, axes, eps, groups=1):
    layer = ctx.network.add_normalization(trt_(ctx.network, value), trt_(ctx.network, scale), trt_(ctx.network, shift),
                                          torch_dim_to_trt_axes(axes))
    layer.epsilon, layer.num_groups = eps, groups
    return layer.get_output(0)


def _or(tensor, fill, shape, like):
    return tensor.detach().reshape(shape) if tensor is not None else torch.full(
        shape, fill, dtype=like.dtype, device=like.device)


@tensorrt_converter(F + "layer_norm")
def convert_layer_norm(ctx):
    value, dims = ctx.method_args[0], tuple(get_arg(ctx, "normalized_shape", 1, None))
    rank = value.dim()
    shape = (1,) * (rank - len(dims)) + dims
    scale = _or(get_arg(ctx, "weight", 2, None), 1.0, shape, value)
    shift = _or(get_arg(ctx, "bias", 3, None), 0.0, shape, value)
    eps = get_arg(ctx, "eps", 4, 1e-5)
    ctx.method_return._trt = _normalize(ctx, value, scale, shift, range(rank - len(dims), rank), eps)


@tensorrt_converter(F + "group_norm")
def convert_group_norm(ctx):
    value, groups = ctx.method_args[0], get_arg(ctx, "num_groups", 1, None)
    weight, bias = get_arg(ctx, "weight", 2, None), get_arg(ctx, "bias", 3, None)
    rank, shape = value.dim(), (1, groups) + (1,) * (value.dim() - 2)
    one, zero = torch.ones(shape), torch.zeros(shape)
    plain = _normalize(ctx, value, one, zero, range(2, rank), get_arg(ctx, "eps", 4, 1e-5), groups)
    every = (1, value.shape[1]) + (1,) * (rank - 2)
    ctx.method_return._trt = _affine(ctx, plain, _or(weight, 1.0, every, value), _or(bias, 0.0, every, value))


@tensorrt_converter("torch.instance_norm")
@tensorrt_converter(F + "instance_norm")
def convert_instance_norm(ctx):
    get = lambda name, pos, default: get_arg(ctx, name, pos, default)
    value, weight, bias = ctx.method_args[0], get("weight", 3, None), get("bias", 4, None)
    eps, rank = get("eps", 7, 1e-5), value.dim()
    shape = (1, value.shape[1]) + (1,) * (rank - 2)
    if not get("use_input_stats", 5, True):
        scale = torch.rsqrt(get("running_var", 2, None).detach() + eps).reshape(shape) * _or(weight, 1.0, shape, value)
        shift = _or(bias, 0.0, shape, value) - get("running_mean", 1, None).detach().reshape(shape) * scale
        ctx.method_return._trt = _affine(ctx, value._trt, scale, shift)
        return
    ctx.method_return._trt = _normalize(ctx, value, _or(weight, 1.0, shape, value), _or(bias, 0.0, shape, value),
                                        range(2, rank), eps)


@tensorrt_converter(F + "normalize")
def convert_normalize(ctx):
    value, network, op = ctx.method_args[0], ctx.network, trt.ElementWiseOperation
    p, dim, eps = get_arg(ctx, "p", 1, 2), get_arg(ctx, "dim", 2, 1), get_arg(ctx, "eps", 3, 1e-12)
    binary = lambda x, y, o: network.add_elementwise(x, y, o).get_output(0)
    size, power = trt_(network, value, float(p))
    size = network.add_unary(size, trt.UnaryOperation.ABS).get_output(0)
    total = network.add_reduce(binary(size, power, op.POW), trt.ReduceOperation.SUM,
                               torch_dim_to_trt_axes(dim, value.dim()), True).get_output(0)
    norm = binary(total, trt_(network, value, 1.0 / float(p))[1], op.POW)
    norm = binary(norm, trt_(network, value, eps)[1], op.MAX)
    ctx.method_return._trt = binary(value._trt, norm, op.DIV)
