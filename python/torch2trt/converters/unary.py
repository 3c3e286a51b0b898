"""Functions of one value: torch.f, torch.f_, Tensor.f and Tensor.f_."""

import tensorrt as trt

from ..conversion import tensorrt_converter
from ..helpers import trt_

OPERATIONS = {"exp": "EXP", "log": "LOG", "sqrt": "SQRT", "reciprocal": "RECIP", "abs": "ABS", "neg": "NEG",
              "sin": "SIN", "cos": "COS", "tan": "TAN", "sinh": "SINH", "cosh": "COSH", "asin": "ASIN", "acos": "ACOS",
              "atan": "ATAN", "asinh": "ASINH", "acosh": "ACOSH", "atanh": "ATANH", "ceil": "CEIL", "floor": "FLOOR",
              "erf": "ERF", "sign": "SIGN", "round": "ROUND", "logical_not": "NOT"}


def _register(operation, *names):
    def convert(ctx):
        layer = ctx.network.add_unary(trt_(ctx.network, ctx.method_args[0]), operation)
        ctx.method_return._trt = layer.get_output(0)

    for name in names:
        tensorrt_converter(name)(convert)


for _name, _operation in OPERATIONS.items():
    _register(getattr(trt.UnaryOperation, _operation),
              *(f"{owner}.{_name}{end}" for owner in ("torch", "torch.Tensor") for end in ("", "_")))


def _register_two(name, first, second):
    def convert(ctx):
        inner = ctx.network.add_unary(trt_(ctx.network, ctx.method_args[0]), first).get_output(0)
        ctx.method_return._trt = ctx.network.add_unary(inner, second).get_output(0)

    for owner in ("torch", "torch.Tensor"):
        for end in ("", "_"):
            tensorrt_converter(f"{owner}.{name}{end}")(convert)


_register_two("rsqrt", trt.UnaryOperation.SQRT, trt.UnaryOperation.RECIP)
_register(trt.UnaryOperation.NEG, "torch.Tensor.__neg__", "torch.negative")
_register(trt.UnaryOperation.ABS, "torch.Tensor.__abs__", "torch.absolute")
