"""Scaled dot-product attention, as products around a softmax."""

import math

import tensorrt as trt
import torch

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, torch_dim_to_trt_axes, traced, trt_

Op, Matrix = trt.ElementWiseOperation, trt.MatrixOperation


def _causal(ctx, query, key):
    """The lower triangle as a mask of what is attended to."""
    rows, columns = query.shape[-2], key.shape[-2]
    if any(traced(t) and t._trt.shape[-2] == -1 for t in (query, key)):
        raise ConversionError("scaled_dot_product_attention: is_causal with a dynamic length")
    return torch.ones(rows, columns, dtype=torch.bool).tril()


def _masked(ctx, scores, mask, dtype):
    """Scores with the mask added, or with minus infinity where a mask of booleans is false."""
    network, lowest = ctx.network, float("-inf")
    rank = len(scores.shape)
    if not traced(mask):
        if mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, lowest)
        addend = trt_(network, mask.detach().to(dtype).reshape((1,) * (rank - mask.dim()) + tuple(mask.shape)))
        return network.add_elementwise(scores, addend, Op.SUM).get_output(0)
    if mask.dim() != rank:
        raise ConversionError(f"scaled_dot_product_attention: a mask of {mask.dim()} dimensions for {rank}")
    if mask.dtype != torch.bool:
        return network.add_elementwise(scores, trt_(network, mask), Op.SUM).get_output(0)
    closed = trt_(network, torch.full((1,) * rank, lowest, dtype=dtype))
    return network.add_select(trt_(network, mask), scores, closed).get_output(0)


@tensorrt_converter("torch.nn.functional.scaled_dot_product_attention")
def convert_attention(ctx):
    get = lambda name, pos, default: get_arg(ctx, name, pos, default)
    query, key, value = get("query", 0, None), get("key", 1, None), get("value", 2, None)
    mask, scale = get("attn_mask", 3, None), get("scale", 6, None)
    if get("dropout_p", 4, 0.0) or get("enable_gqa", 7, False):
        raise ConversionError("scaled_dot_product_attention: with dropout or shared keys")
    network = ctx.network
    left, factor = trt_(network, query, 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale))
    left = network.add_elementwise(left, factor, Op.PROD).get_output(0)
    scores = network.add_matrix_multiply(left, Matrix.NONE, trt_(network, key), Matrix.TRANSPOSE).get_output(0)
    mask = _causal(ctx, query, key) if get("is_causal", 5, False) else mask
    if mask is not None:
        scores = _masked(ctx, scores, mask, query.dtype)
    layer = network.add_softmax(scores)
    layer.axes = torch_dim_to_trt_axes(-1, query.dim())
    product = network.add_matrix_multiply(layer.get_output(0), Matrix.NONE, trt_(network, value), Matrix.NONE)
    ctx.method_return._trt = product.get_output(0)
