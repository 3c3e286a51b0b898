"""Sums, products, means, extremes."""

import tensorrt as trt

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, reshaped, torch_dim_to_trt_axes, trt_
from ..trt_module import torch_dtype_to_trt
from .elementwise import combine


def _reduce(ctx, operation):
    value = ctx.method_args[0]
    dim = get_arg(ctx, "dim", 1, None)
    keep = get_arg(ctx, "keepdim", 2, False)
    every = dim is None or dim == () or dim == []
    axes = torch_dim_to_trt_axes(range(value.dim()) if every else dim, value.dim())
    tensor, wanted = trt_(ctx.network, value), torch_dtype_to_trt(ctx.method_return.dtype)
    if not value.is_floating_point() and tensor.dtype != wanted:
        tensor = ctx.network.add_cast(tensor, wanted).get_output(0)
    return ctx.network.add_reduce(tensor, operation, axes, bool(keep)).get_output(0)


def _register(name, operation):
    def convert(ctx):
        ctx.method_return._trt = _reduce(ctx, operation)

    for owner in ("torch", "torch.Tensor"):
        tensorrt_converter(f"{owner}.{name}")(convert)


_register("sum", trt.ReduceOperation.SUM)
_register("prod", trt.ReduceOperation.PROD)
_register("mean", trt.ReduceOperation.AVG)
_register("amax", trt.ReduceOperation.MAX)
_register("amin", trt.ReduceOperation.MIN)


def _register_extreme(name, reduction, operation, topk):
    def convert(ctx):
        value, second = ctx.method_args[0], get_arg(ctx, "other", 1, get_arg(ctx, "dim", 1, None))
        if hasattr(second, "dim"):
            ctx.method_return._trt = combine(ctx, value, second, operation)
        elif second is None:
            ctx.method_return._trt = _reduce(ctx, reduction)
        else:
            layer = ctx.network.add_topk(trt_(ctx.network, value), topk, 1, torch_dim_to_trt_axes(second, value.dim()))
            for i, result in enumerate(ctx.method_return):
                output = layer.get_output(i)
                if i == 1:
                    output = ctx.network.add_cast(output, trt.int64).get_output(0)
                keep = result.dim() == value.dim()
                result._trt = output if keep else reshaped(ctx.network, output, result.shape, value)

    for owner in ("torch", "torch.Tensor"):
        tensorrt_converter(f"{owner}.{name}")(convert)


_register_extreme("max", trt.ReduceOperation.MAX, trt.ElementWiseOperation.MAX, trt.TopKOperation.MAX)
_register_extreme("min", trt.ReduceOperation.MIN, trt.ElementWiseOperation.MIN, trt.TopKOperation.MIN)
