"""Picking by indices and masks."""

import tensorrt as trt
import torch

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, torch_dim_resolve_negative, trt_

F = "torch.nn.functional."


@tensorrt_converter(F + "embedding")
def convert_embedding(ctx):
    indices, weight = get_arg(ctx, "input", 0, None), get_arg(ctx, "weight", 1, None)
    if get_arg(ctx, "max_norm", 3, None) is not None:
        raise ConversionError("embedding: max_norm changes the weights")
    layer = ctx.network.add_gather(trt_(ctx.network, weight.detach()), trt_(ctx.network, indices), 0)
    ctx.method_return._trt = layer.get_output(0)


for _owner in ("torch", "torch.Tensor"):
    @tensorrt_converter(f"{_owner}.index_select")
    def convert_index_select(ctx):
        value, index = ctx.method_args[0], get_arg(ctx, "index", 2, None)
        axis = torch_dim_resolve_negative(get_arg(ctx, "dim", 1, 0), value.dim())[0]
        layer = ctx.network.add_gather(trt_(ctx.network, value), trt_(ctx.network, index), axis)
        ctx.method_return._trt = layer.get_output(0)

    @tensorrt_converter(f"{_owner}.masked_fill")
    def convert_masked_fill(ctx):
        value, mask, fill = ctx.method_args[0], get_arg(ctx, "mask", 1, None), get_arg(ctx, "value", 2, None)
        fill = fill if isinstance(fill, torch.Tensor) else torch.tensor(float(fill), dtype=value.dtype)
        given = trt_(ctx.network, value, fill.to(value.dtype))
        rank = len(given[0].shape)
        mask = mask if mask.dim() == rank else mask.reshape((1,) * (rank - mask.dim()) + tuple(mask.shape))
        ctx.method_return._trt = ctx.network.add_select(trt_(ctx.network, mask), given[1], given[0]).get_output(0)

    @tensorrt_converter(f"{_owner}.flip")
    def convert_flip(ctx):
        value, dims = ctx.method_args[0], ctx.method_kwargs.get("dims", ctx.method_args[1:])
        dims = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
        dims = torch_dim_resolve_negative(tuple(dims), value.dim())
        tensor, size = trt_(ctx.network, value), tuple(value.shape)
        if -1 in tuple(tensor.shape):
            raise ConversionError("flip: with dynamic dimensions")
        start, stride = [size[d] - 1 if d in dims else 0 for d in range(value.dim())], [1] * value.dim()
        for d in dims:
            stride[d] = -1
        layer = ctx.network.add_slice(tensor, tuple(start), size, tuple(stride))
        layer.mode = trt.SampleMode.STRICT_BOUNDS
        ctx.method_return._trt = layer.get_output(0)
