"""Functions of two values, with broadcasting; `__r*__` have them the other way round."""

import tensorrt as trt
import torch

from ..conversion import tensorrt_converter
from ..helpers import get_arg, trt_

Op = trt.ElementWiseOperation


def combine(ctx, a, b, operation):
    left, right = trt_(ctx.network, a, b)
    return ctx.network.add_elementwise(left, right, operation).get_output(0)


def _register(operation, names, swapped=()):
    def convert(ctx):
        other = get_arg(ctx, "other", 1, None)
        if ctx.method_kwargs.get("alpha", 1) != 1:
            other = other * ctx.method_kwargs["alpha"] if not hasattr(other, "_trt") else other
            if hasattr(other, "_trt"):
                scaled = combine(ctx, other, ctx.method_kwargs["alpha"], Op.PROD)
                other = torch.empty_like(other)
                other._trt = scaled
        ctx.method_return._trt = combine(ctx, ctx.method_args[0], other, operation)

    def convert_swapped(ctx):
        ctx.method_return._trt = combine(ctx, ctx.method_args[1], ctx.method_args[0], operation)

    for name in names:
        tensorrt_converter(name)(convert)
    for name in swapped:
        tensorrt_converter(name)(convert_swapped)


def _names(function, dunder):
    names = [f"torch.{function}", f"torch.Tensor.{function}", f"torch.Tensor.{function}_",
             f"torch.Tensor.__{dunder}__", f"torch.Tensor.__i{dunder}__"]
    return names, [f"torch.Tensor.__r{dunder}__"]


_register(Op.SUM, *_names("add", "add"))
_register(Op.SUB, *_names("sub", "sub"))
_register(Op.PROD, *_names("mul", "mul"))
_register(Op.POW, *_names("pow", "pow"))
_register(Op.FLOOR_DIV, *_names("floor_divide", "floordiv"))
_register(Op.SUB, ["torch.subtract"], ["torch.rsub"])
_register(Op.PROD, ["torch.multiply"])
_register(Op.MAX, ["torch.maximum", "torch.Tensor.maximum"])
_register(Op.MIN, ["torch.minimum", "torch.Tensor.minimum"])
_register(Op.EQUAL, ["torch.eq", "torch.Tensor.eq", "torch.Tensor.__eq__"])
_register(Op.GREATER, ["torch.gt", "torch.Tensor.gt", "torch.Tensor.__gt__"])
_register(Op.LESS, ["torch.lt", "torch.Tensor.lt", "torch.Tensor.__lt__"])
_register(Op.AND, ["torch.logical_and", "torch.Tensor.__and__"])
_register(Op.OR, ["torch.logical_or", "torch.Tensor.__or__"])
_register(Op.XOR, ["torch.logical_xor", "torch.Tensor.__xor__"])


for _name in ("torch.square", "torch.square_", "torch.Tensor.square", "torch.Tensor.square_"):
    @tensorrt_converter(_name)
    def convert_square(ctx):
        ctx.method_return._trt = combine(ctx, ctx.method_args[0], ctx.method_args[0], Op.PROD)


def _register_added(name, operation):
    """input + value * a (operation) b."""
    def convert(ctx):
        tensors = get_arg(ctx, "tensor1", 1, None), get_arg(ctx, "tensor2", 2, None)
        base, a, b, factor = trt_(ctx.network, ctx.method_args[0], *tensors, float(ctx.method_kwargs.get("value", 1)))
        term = ctx.network.add_elementwise(a, b, operation).get_output(0)
        term = ctx.network.add_elementwise(term, factor, Op.PROD).get_output(0)
        ctx.method_return._trt = ctx.network.add_elementwise(base, term, Op.SUM).get_output(0)

    for owner in ("torch", "torch.Tensor"):
        for end in ("", "_"):
            tensorrt_converter(f"{owner}.{name}{end}", enabled=owner != "torch" or not end)(convert)


_register_added("addcmul", Op.PROD)
_register_added("addcdiv", Op.DIV)


def _as_float(value):
    """True division of integers is in the default type."""
    return value.to(torch.get_default_dtype()) if isinstance(value, torch.Tensor) and not hasattr(value, "_trt") and \
        not value.is_floating_point() else value


def _divide(ctx, a, b, mode):
    if mode is None:
        return combine(ctx, _as_float(a), _as_float(b), Op.DIV)
    if mode == "floor":
        return combine(ctx, a, b, Op.FLOOR_DIV)
    quotient = combine(ctx, _as_float(a), _as_float(b), Op.DIV)
    unary = lambda kind, x: ctx.network.add_unary(x, kind).get_output(0)
    size = unary(trt.UnaryOperation.FLOOR, unary(trt.UnaryOperation.ABS, quotient))
    return ctx.network.add_elementwise(size, unary(trt.UnaryOperation.SIGN, quotient), Op.PROD).get_output(0)


for _name in ("torch.div", "torch.divide", "torch.true_divide", "torch.Tensor.div", "torch.Tensor.div_",
              "torch.Tensor.__div__", "torch.Tensor.__truediv__", "torch.Tensor.__idiv__", "torch.Tensor.__itruediv__"):
    @tensorrt_converter(_name)
    def convert_div(ctx):
        mode = ctx.method_kwargs.get("rounding_mode")
        ctx.method_return._trt = _divide(ctx, ctx.method_args[0], get_arg(ctx, "other", 1, None), mode)


for _name in ("torch.Tensor.__rdiv__", "torch.Tensor.__rtruediv__"):
    @tensorrt_converter(_name)
    def convert_rdiv(ctx):
        ctx.method_return._trt = _divide(ctx, ctx.method_args[1], ctx.method_args[0], None)


def _register_or_equal(name, operation):
    def convert(ctx):
        other = get_arg(ctx, "other", 1, None)
        strict = combine(ctx, ctx.method_args[0], other, operation)
        equal = combine(ctx, ctx.method_args[0], other, Op.EQUAL)
        ctx.method_return._trt = ctx.network.add_elementwise(strict, equal, Op.OR).get_output(0)

    for full in (f"torch.{name}", f"torch.Tensor.{name}", f"torch.Tensor.__{name}__"):
        tensorrt_converter(full)(convert)


_register_or_equal("ge", Op.GREATER)
_register_or_equal("le", Op.LESS)


for _name in ("torch.ne", "torch.Tensor.ne", "torch.Tensor.__ne__"):
    @tensorrt_converter(_name)
    def convert_ne(ctx):
        equal = combine(ctx, ctx.method_args[0], get_arg(ctx, "other", 1, None), Op.EQUAL)
        ctx.method_return._trt = ctx.network.add_unary(equal, trt.UnaryOperation.NOT).get_output(0)


for _name in ("torch.fmod", "torch.remainder", "torch.Tensor.__mod__", "torch.Tensor.fmod", "torch.Tensor.remainder"):
    @tensorrt_converter(_name)
    def convert_mod(ctx):
        a, b = trt_(ctx.network, ctx.method_args[0], get_arg(ctx, "other", 1, None))
        add = lambda x, y, op: ctx.network.add_elementwise(x, y, op).get_output(0)
        if ctx.method_str.endswith("fmod"):
            quotient = add(a, b, Op.DIV)
            sign = ctx.network.add_unary(quotient, trt.UnaryOperation.SIGN).get_output(0)
            size = ctx.network.add_unary(quotient, trt.UnaryOperation.ABS).get_output(0)
            quotient = add(sign, ctx.network.add_unary(size, trt.UnaryOperation.FLOOR).get_output(0), Op.PROD)
        else:
            quotient = add(a, b, Op.FLOOR_DIV)
        ctx.method_return._trt = add(a, add(quotient, b, Op.PROD), Op.SUB)


def _clamp(ctx, low, high):
    result = ctx.method_args[0]._trt
    for bound, operation in ((low, Op.MAX), (high, Op.MIN)):
        if bound is not None:
            held = torch.empty_like(ctx.method_args[0])
            held._trt = result
            result = combine(ctx, held, bound, operation)
    ctx.method_return._trt = result


for _owner in ("torch", "torch.Tensor"):
    for _end in ("", "_"):
        @tensorrt_converter(f"{_owner}.clamp{_end}")
        def convert_clamp(ctx):
            _clamp(ctx, get_arg(ctx, "min", 1, None), get_arg(ctx, "max", 2, None))

        @tensorrt_converter(f"{_owner}.clamp_min{_end}")
        def convert_clamp_min(ctx):
            _clamp(ctx, get_arg(ctx, "min", 1, None), None)

        @tensorrt_converter(f"{_owner}.clamp_max{_end}")
        def convert_clamp_max(ctx):
            _clamp(ctx, None, get_arg(ctx, "max", 1, None))


@tensorrt_converter("torch.where")
def convert_where(ctx):
    condition, a, b = trt_(ctx.network, *ctx.method_args[:1]), *trt_(ctx.network, *ctx.method_args[1:3])
    ctx.method_return._trt = ctx.network.add_select(condition, a, b).get_output(0)
