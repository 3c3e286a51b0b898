"""Variances, norms and what divides by them."""

import math

import tensorrt as trt
import torch

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, torch_dim_resolve_negative, torch_dim_to_trt_axes, trt_

Op, Reduce, Unary = trt.ElementWiseOperation, trt.ReduceOperation, trt.UnaryOperation


class _Math:
    """Layers of a network over its tensors and numbers of one type and rank."""

    def __init__(self, ctx, value):
        self.network, self.dtype, self.rank = ctx.network, value.dtype, value.dim()

    def number(self, value):
        return trt_(self.network, torch.full((1,) * self.rank, value, dtype=self.dtype))

    def binary(self, a, b, operation):
        b = self.number(b) if isinstance(b, (int, float)) else b
        return self.network.add_elementwise(a, b, operation).get_output(0)

    def unary(self, a, operation):
        return self.network.add_unary(a, operation).get_output(0)

    def reduce(self, a, operation, axes, keep=True):
        return self.network.add_reduce(a, operation, torch_dim_to_trt_axes(axes), bool(keep)).get_output(0)


def _axes(dim, value):
    every = dim is None or isinstance(dim, (tuple, list)) and not len(dim)
    return torch_dim_resolve_negative(range(value.dim()) if every else dim, value.dim())


def _variance(ctx, keep):
    """The variance over the call's axes, and the mean."""
    value, first, named = ctx.method_args[0], get_arg(ctx, "dim", 1, None), ctx.method_kwargs
    old = len(ctx.method_args) > 1 and isinstance(first, bool)  # var(input, unbiased)
    unbiased = first if old else named.get("unbiased", ctx.method_args[2] if len(ctx.method_args) > 2 else True)
    correction = named.get("correction", 1 if unbiased else 0)
    axes = _axes(None if old else first, value)
    if any(trt_(ctx.network, value).shape[a] == -1 for a in axes):
        raise ConversionError(f"{ctx.method_str}: over a dynamic dimension")
    make, count = _Math(ctx, value), math.prod(value.shape[a] for a in axes)
    mean = make.reduce(value._trt, Reduce.AVG, axes)
    apart = make.binary(value._trt, mean, Op.SUB)
    total = make.reduce(make.binary(apart, apart, Op.PROD), Reduce.SUM, axes, keep)
    if not keep:
        make.rank = len(total.shape)
    share = make.binary(total, 1 / max(count - correction, 0) if count > correction else math.inf, Op.PROD)
    return share, lambda: make.reduce(value._trt, Reduce.AVG, axes, keep)


def _keep(ctx):
    return bool(ctx.method_kwargs.get("keepdim", ctx.method_args[3] if len(ctx.method_args) > 3 else False))


for _owner in ("torch", "torch.Tensor"):
    @tensorrt_converter(f"{_owner}.var")
    def convert_var(ctx):
        ctx.method_return._trt = _variance(ctx, _keep(ctx))[0]

    @tensorrt_converter(f"{_owner}.std")
    def convert_std(ctx):
        variance, _ = _variance(ctx, _keep(ctx))
        ctx.method_return._trt = ctx.network.add_unary(variance, Unary.SQRT).get_output(0)


for _name in ("torch.var_mean", "torch.std_mean"):
    @tensorrt_converter(_name)
    def convert_var_mean(ctx):
        variance, mean = _variance(ctx, _keep(ctx))
        if ctx.method_str.endswith("std_mean"):
            variance = ctx.network.add_unary(variance, Unary.SQRT).get_output(0)
        ctx.method_return[0]._trt, ctx.method_return[1]._trt = variance, mean()


def _norm(ctx, p, dim, keep):
    value = ctx.method_args[0]
    make, axes, x = _Math(ctx, value), _axes(dim, value), trt_(ctx.network, ctx.method_args[0])
    if p in ("fro", None, 2):
        return make.unary(make.reduce(make.binary(x, x, Op.PROD), Reduce.SUM, axes, keep), Unary.SQRT)
    size = make.unary(x, Unary.ABS)
    if p == 1:
        return make.reduce(size, Reduce.SUM, axes, keep)
    if p in (math.inf, -math.inf):
        return make.reduce(size, Reduce.MAX if p > 0 else Reduce.MIN, axes, keep)
    if not isinstance(p, (int, float)) or p == 0:
        raise ConversionError(f"{ctx.method_str}: of order {p}")
    total = make.reduce(make.binary(size, float(p), Op.POW), Reduce.SUM, axes, keep)
    make.rank = len(total.shape)
    return make.binary(total, 1 / float(p), Op.POW)


for _name, _order in (("torch.norm", "p"), ("torch.Tensor.norm", "p"), ("torch.linalg.vector_norm", "ord")):
    @tensorrt_converter(_name)
    def convert_norm(ctx, order=_order):
        dim, keep = get_arg(ctx, "dim", 2, None), get_arg(ctx, "keepdim", 3, False)
        ctx.method_return._trt = _norm(ctx, get_arg(ctx, order, 1, 2), dim, keep)


@tensorrt_converter("torch.nn.functional.rms_norm")
@tensorrt_converter("torch.rms_norm")
def convert_rms_norm(ctx):
    value, dims = ctx.method_args[0], get_arg(ctx, "normalized_shape", 1, None)
    weight, eps = get_arg(ctx, "weight", 2, None), get_arg(ctx, "eps", 3, None)
    eps = torch.finfo(value.dtype).eps if eps is None else eps
    make, x = _Math(ctx, value), trt_(ctx.network, value)
    axes = range(value.dim() - len(dims), value.dim())
    power = make.reduce(make.binary(x, x, Op.PROD), Reduce.AVG, axes)
    scaled = make.binary(x, make.unary(make.binary(power, float(eps), Op.SUM), Unary.SQRT), Op.DIV)
    if weight is not None:
        shape = (1,) * (value.dim() - len(dims)) + tuple(weight.shape)
        scaled = make.binary(scaled, trt_(ctx.network, weight.detach().reshape(shape)), Op.PROD)
    ctx.method_return._trt = scaled
