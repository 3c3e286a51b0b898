"""Functions of each element, with broadcasting."""

import torch

from .writer import Unsupported, Value, lowering

INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


def _type_of(a, b):
    """The type in which two operands are compared."""
    of = lambda v: v.fake if isinstance(v, Value) else v
    return torch.result_type(of(a), of(b))


def _binary(kind, *names, boolean=None):
    def write(w, out, a, b):
        if out.dtype == torch.bool and boolean:
            return w.op(boolean, w.cast(a, torch.bool), w.cast(b, torch.bool))
        if out.dtype == torch.bool:
            raise Unsupported(f"{kind} of booleans")
        return w.op(kind, w.cast(a, out.dtype), w.cast(b, out.dtype))

    lowering(*names)(write)


_binary("Mul", "mul.Tensor", "mul.Scalar", boolean="And")
_binary("Max", "maximum.default", boolean="Or")
_binary("Min", "minimum.default", boolean="And")
_binary("BitwiseAnd", "bitwise_and.Tensor", "bitwise_and.Scalar", boolean="And")
_binary("BitwiseOr", "bitwise_or.Tensor", "bitwise_or.Scalar", boolean="Or")
_binary("BitwiseXor", "bitwise_xor.Tensor", "bitwise_xor.Scalar", boolean="Xor")
_binary("And", "logical_and.default", boolean="And")
_binary("Or", "logical_or.default", boolean="Or")
_binary("Xor", "logical_xor.default", boolean="Xor")


def _sum(kind, *names, swapped=False):
    def write(w, out, a, b, alpha=1):
        if out.dtype == torch.bool:
            raise Unsupported("a sum of booleans")
        a, b = (b, a) if swapped and alpha == 1 else (a, b)
        left, right = w.cast(a, out.dtype), w.cast(b, out.dtype)
        if alpha != 1:
            right = w.op("Mul", right, w.scalar(alpha, out.dtype)) if not swapped else right
            left = w.op("Mul", left, w.scalar(alpha, out.dtype)) if swapped else left
            left, right = (right, left) if swapped else (left, right)
        return w.op(kind, left, right)

    lowering(*names)(write)


_sum("Add", "add.Tensor", "add.Scalar")
_sum("Sub", "sub.Tensor", "sub.Scalar")
_sum("Sub", "rsub.Tensor", "rsub.Scalar", swapped=True)


def _floor_divide(w, a, b, dtype):
    if dtype in INTEGERS:
        return w.op("Div", w.op("Sub", a, w.op("Mod", a, b)), b)
    return w.op("Floor", w.op("Div", a, b))


@lowering("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode")
def _divide(w, out, a, b, rounding_mode=None):
    left, right = w.cast(a, out.dtype), w.cast(b, out.dtype)
    if rounding_mode == "floor":
        return _floor_divide(w, left, right, out.dtype)
    quotient = w.op("Div", left, right)
    if rounding_mode is None or out.dtype in INTEGERS:
        return quotient
    return w.op("Mul", w.op("Sign", quotient), w.op("Floor", w.op("Abs", quotient)))


@lowering("floor_divide.default")
def _floordiv(w, out, a, b):
    return _floor_divide(w, w.cast(a, out.dtype), w.cast(b, out.dtype), out.dtype)


@lowering("remainder.Tensor", "remainder.Scalar")
def _remainder(w, out, a, b):
    left, right = w.cast(a, out.dtype), w.cast(b, out.dtype)
    if out.dtype in INTEGERS:
        return w.op("Mod", left, right)
    return w.op("Sub", left, w.op("Mul", w.op("Floor", w.op("Div", left, right)), right))


@lowering("fmod.Tensor", "fmod.Scalar")
def _fmod(w, out, a, b):
    return w.op("Mod", w.cast(a, out.dtype), w.cast(b, out.dtype), fmod=1)


@lowering("pow.Tensor_Tensor", "pow.Tensor_Scalar", "pow.Scalar")
def _pow(w, out, a, b):
    base = w.cast(a, out.dtype)
    if b == 2 and not isinstance(b, Value):
        return w.op("Mul", base, base)
    if b == 0.5 and not isinstance(b, Value):
        return w.op("Sqrt", base)
    return w.op("Pow", base, w.cast(b, out.dtype))


def _comparison(kind, name, negated=False):
    def write(w, out, a, b):
        dtype = _type_of(a, b)
        if dtype == torch.bool and kind != "Equal":
            dtype = torch.int32
        found = w.op(kind, w.cast(a, dtype), w.cast(b, dtype))
        return w.op("Not", found) if negated else found

    lowering(f"{name}.Tensor", f"{name}.Scalar")(write)


_comparison("Equal", "eq")
_comparison("Equal", "ne", negated=True)
for _kind, _name in (("Less", "lt"), ("LessOrEqual", "le"), ("Greater", "gt"), ("GreaterOrEqual", "ge")):
    _comparison(_kind, _name)


def _unary(kind, *names, **attributes):
    def write(w, out, x):
        return w.op(kind, w.cast(x, out.dtype), **attributes)

    lowering(*(f"{name}.default" for name in names))(write)


for _kind, _names in {"Abs": "abs", "Neg": "neg", "Exp": "exp", "Log": "log", "Sqrt": "sqrt",
                      "Reciprocal": "reciprocal", "Sin": "sin", "Cos": "cos", "Tan": "tan", "Sinh": "sinh",
                      "Cosh": "cosh", "Asin": "asin", "Acos": "acos", "Atan": "atan", "Asinh": "asinh",
                      "Acosh": "acosh", "Atanh": "atanh",
                      "Floor": "floor", "Ceil": "ceil", "Round": "round", "Sign": "sign sgn", "Erf": "erf",
                      "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hardswish",
                      "Mish": "mish"}.items():
    _unary(_kind, *_names.split())
_unary("HardSigmoid", "hardsigmoid", alpha=1 / 6, beta=0.5)


def _composed(name, write):
    """A function of one value in terms of others: write(w, x, scalar)."""
    def lower(w, out, x):
        return write(w, w.cast(x, out.dtype), lambda value: w.scalar(value, out.dtype))

    lowering(f"{name}.default")(lower)


_composed("rsqrt", lambda w, x, c: w.op("Reciprocal", w.op("Sqrt", x)))
_composed("square", lambda w, x, c: w.op("Mul", x, x))
_composed("silu", lambda w, x, c: w.op("Mul", x, w.op("Sigmoid", x)))
_composed("expm1", lambda w, x, c: w.op("Sub", w.op("Exp", x), c(1)))
_composed("log1p", lambda w, x, c: w.op("Log", w.op("Add", x, c(1))))
_composed("log2", lambda w, x, c: w.op("Mul", w.op("Log", x), c(1.4426950408889634)))
_composed("log10", lambda w, x, c: w.op("Mul", w.op("Log", x), c(0.4342944819032518)))
_composed("exp2", lambda w, x, c: w.op("Exp", w.op("Mul", x, c(0.6931471805599453))))
_composed("trunc", lambda w, x, c: w.op("Mul", w.op("Sign", x), w.op("Floor", w.op("Abs", x))))
_composed("log_sigmoid", lambda w, x, c: w.op("Neg", w.op("Softplus", w.op("Neg", x))))


@lowering("gelu.default")
def _gelu(w, out, x, approximate="none"):
    return w.op("Gelu", x, approximate=approximate)


@lowering("leaky_relu.default")
def _leaky_relu(w, out, x, negative_slope=0.01):
    return w.op("LeakyRelu", x, alpha=float(negative_slope))


@lowering("elu.default")
def _elu(w, out, x, alpha=1, scale=1, input_scale=1):
    if input_scale != 1:
        raise Unsupported("elu with input_scale")
    if scale == 1:
        return w.op("Elu", x, alpha=float(alpha))
    return w.op("Selu", x, alpha=float(alpha), gamma=float(scale))


@lowering("celu.default")
def _celu(w, out, x, alpha=1.0):
    return w.op("Celu", x, alpha=float(alpha))


@lowering("softplus.default")
def _softplus(w, out, x, beta=1, threshold=20):
    factor = w.scalar(float(beta), out.dtype)
    soft = w.op("Div", w.op("Softplus", w.op("Mul", x, factor)), factor)
    return soft if beta == 1 else w.op("Where", w.op("Greater", w.op("Mul", x, factor),
                                                     w.scalar(float(threshold), out.dtype)), x, soft)


@lowering("_prelu_kernel.default")
def _prelu(w, out, x, slope):
    return w.op("PRelu", x, slope)


@lowering("threshold.default")
def _threshold(w, out, x, threshold, value):
    return w.op("Where", w.op("Greater", x, w.scalar(threshold, out.dtype)), x, w.scalar(value, out.dtype))


@lowering("clamp.default", "clamp.Tensor", "hardtanh.default")
def _clamp(w, out, x, low=None, high=None):
    made = w.cast(x, out.dtype)
    if low is not None and high is not None and not isinstance(low, Value) and not isinstance(high, Value):
        return w.op("Clip", made, w.cast(low, out.dtype), w.cast(high, out.dtype))
    if low is not None:
        made = w.op("Max", made, w.cast(low, out.dtype))
    return made if high is None else w.op("Min", made, w.cast(high, out.dtype))


@lowering("clamp_min.default", "clamp_min.Tensor")
def _clamp_min(w, out, x, low):
    return _clamp(w, out, x, low)


@lowering("clamp_max.default", "clamp_max.Tensor")
def _clamp_max(w, out, x, high):
    return _clamp(w, out, x, None, high)


@lowering("logical_not.default", "bitwise_not.default")
def _not(w, out, x):
    if out.dtype != torch.bool:
        return w.op("BitwiseNot", x)
    return w.op("Not", w.cast(x, torch.bool))


@lowering("isnan.default")
def _isnan(w, out, x):
    return w.op("IsNaN", x)


@lowering("isinf.default")
def _isinf(w, out, x):
    return w.op("IsInf", x)


@lowering("where.self", "where.ScalarOther", "where.ScalarSelf")
def _where(w, out, condition, a, b):
    return w.op("Where", w.cast(condition, torch.bool), w.cast(a, out.dtype), w.cast(b, out.dtype))


@lowering("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(w, out, x, mask, value):
    return w.op("Where", mask, w.cast(value, out.dtype), x)


@lowering("_to_copy.default", "to.dtype")
def _to(w, out, x, *_, **__):
    if out.device.type != x.fake.device.type:
        raise Unsupported("a copy to another device")
    return w.cast(x, out.dtype)


@lowering("clone.default", "alias.default", "detach.default", "lift_fresh_copy.default", "lift_fresh.default",
          "contiguous.default")
def _same(w, out, x, *_, **__):
    return x.name


@lowering("glu.default")
def _glu(w, out, x, dim=-1):
    value, gate = w.op("Split", x, axis=dim, num_outputs=2, outputs=2)
    return w.op("Mul", value, w.op("Sigmoid", gate))
