"""Unary and binary functions, comparisons, clamps and reductions."""

import torch

from ._register import M, X, V, case, cases

UNARY = ("exp log sqrt reciprocal abs neg sin cos tan sinh cosh asin acos atan ceil floor asinh acosh atanh erf sign "
         "round").split()


def _in_place(name):
    def function(x):
        y = x * 1
        return getattr(y, name + "_")()

    return function


def _in_place_function(name):
    def function(x):
        y = x * 1
        return getattr(torch, name + "_")(y)

    return function


for _name in UNARY:
    _shift = (lambda x: x + 1) if _name == "acosh" else (lambda x: x)
    case(f"torch_{_name}", lambda x, f=getattr(torch, _name), s=_shift: f(s(x)))
    case(f"tensor_{_name}", lambda x, n=_name, s=_shift: getattr(s(x), n)(), M)
    if _name not in ("acosh", "erf", "sign", "round", "asinh", "atanh"):
        case(f"tensor_{_name}_in_place", _in_place(_name), V)
        case(f"torch_{_name}_in_place", _in_place_function(_name), (1, 3, 3))


def _changed(operation, value=2.0):
    def function(x):
        y = x + 0
        return operation(y, value)

    return function


def _iadd(x, y):
    x = x + 0
    x += y
    return x


def _isub(x, y):
    x = x + 0
    x -= y
    return x


def _imul(x, y):
    x = x + 0
    x *= y
    return x


def _ipow(x, y):
    x = x + 0
    x **= y
    return x


def _idiv(x, y):
    x = x + 0
    x /= y
    return x


def _ifloordiv(x, y):
    x = x + 0
    x //= y
    return x


ROW = torch.linspace(0.2, 0.8, 8)
for _name, _function, _dunder, _assign in (
        ("add", torch.add, "__add__", _iadd), ("sub", torch.sub, "__sub__", _isub),
        ("mul", torch.mul, "__mul__", _imul), ("div", torch.div, "__truediv__", _idiv),
        ("pow", torch.pow, "__pow__", _ipow), ("floordiv", torch.floor_divide, "__floordiv__", _ifloordiv)):
    case(f"torch_{_name}", lambda x, y, f=_function: f(x, y), X, X)
    case(f"{_name}_tensors", lambda x, y, d=_dunder: getattr(x, d)(y), X, X)
    case(f"{_name}_in_place", lambda x, y, f=_assign: f(x, y), X, X)
    case(f"{_name}_in_place_number", lambda x, f=_assign: f(x, 0.3))
    case(f"{_name}_number", lambda x, d=_dunder: getattr(x, d)(0.3))
    case(f"{_name}_integer", lambda x, d=_dunder: getattr(x, d)(2))
    case(f"{_name}_broadcast", lambda x, y, d=_dunder: getattr(x, d)(y), X, (3, 1, 8))
    case(f"{_name}_constant", lambda x, d=_dunder: getattr(x, d)(ROW.to(x.device)))
cases("swapped", {"add": lambda x: 1 + x, "sub": lambda x: 2 - x, "mul": lambda x: 3 * x, "div": lambda x: 1 / x,
                  "pow": lambda x: 2 ** x, "constant_sub": lambda x: ROW.to(x.device) - x,
                  "constant_div": lambda x: ROW.to(x.device) / x, "integers": lambda x: 100 / x})
cases("keyword", {
    "add_alpha": lambda x: torch.add(x, x, alpha=2), "sub_alpha": lambda x: torch.sub(x, 0.5, alpha=3),
    "add_alpha_in_place": _changed(lambda y, v: y.add_(y * 2, alpha=v)), "div_floor": lambda x: torch.div(
        x, 0.3, rounding_mode="floor"), "div_trunc": lambda x: torch.div(x - 0.5, 0.1, rounding_mode="trunc"),
    "mul_in_place": lambda x: (x + 1).mul_(3), "mod": lambda x: x % 0.3, "fmod": lambda x: torch.fmod(x - 0.5, 0.3),
    "mod_constant": lambda x: x % ROW.to(x.device), "remainder": lambda x: torch.remainder(x, 0.3),
    "add_other": lambda x: torch.add(x, other=1.5), "mul_other": lambda x: torch.mul(x, other=x)})
for _name, _function in {"eq": torch.eq, "ne": torch.ne, "gt": torch.gt, "lt": torch.lt, "ge": torch.ge,
                         "le": torch.le}.items():
    case(f"torch_{_name}", lambda x, y, f=_function: f(x, y), X, X)
    case(f"{_name}_number", lambda x, n=_name: getattr(x, f"__{n}__")(0.5).float())
    case(f"{_name}_itself", lambda x, n=_name: getattr(x, n)(x * 1))
cases("select", {"maximum": lambda x: torch.max(x, 1 - x), "minimum": lambda x: torch.min(x, 1 - x),
                 "torch_maximum": lambda x: torch.maximum(x, 1 - x), "where": lambda x: torch.where(x > 0.5, x, -x),
                 "and": lambda x: (x > 0.2) & (x < 0.7), "or": lambda x: (x < 0.2) | (x > 0.7),
                 "not": lambda x: torch.logical_not(x > 0.5)})


def _clamp_in_place(x, **bounds):
    y = x * 1
    return y.clamp_(**bounds)


cases("clamp", {
    "both": lambda x: x.clamp(0.2, 0.7), "keywords": lambda x: torch.clamp(x, min=0.3, max=0.6),
    "only_min": lambda x: torch.clamp(x, min=0.4), "only_max": lambda x: x.clamp(max=0.4),
    "min": lambda x: torch.clamp_min(x, 0.4), "max": lambda x: x.clamp_max(0.4),
    "tensor_min": lambda x: x.clamp_min(0.4), "torch_max": lambda x: torch.clamp_max(x, 0.4),
    "in_place": lambda x: _clamp_in_place(x, min=0.2, max=0.5), "in_place_min": lambda x: _clamp_in_place(x, min=0.5)})


for _name in ("sum", "mean", "prod", "amax", "amin", "max", "min"):
    _first = (lambda y: y[0]) if _name in ("max", "min") else (lambda y: y)
    _function = getattr(torch, _name)
    case(f"{_name}_dim", lambda x, f=_function, g=_first: g(f(x, 1)))
    case(f"{_name}_last_keep", lambda x, n=_name, g=_first: g(getattr(x, n)(-1, keepdim=True)))
    case(f"{_name}_keyword", lambda x, f=_function, g=_first: g(f(x, dim=2, keepdim=False)))
    if _name not in ("amax", "amin"):
        case(f"{_name}_all", lambda x, f=_function: f(x))
        case(f"tensor_{_name}_all", lambda x, n=_name: getattr(x, n)(), M)
    if _name in ("sum", "mean", "amax", "amin"):
        case(f"{_name}_dims", lambda x, f=_function: f(x, (1, -1)))
        case(f"{_name}_dims_keep", lambda x, n=_name: getattr(x, n)(dim=(2, 3), keepdim=True))
case("max_indices", lambda x: torch.max(x, 1)[1])
case("min_both", lambda x: x.min(2, keepdim=True))
case("sum_comparison", lambda x: (x > 0.5).sum(1))
cases("more", {
    "square": torch.square, "rsqrt": torch.rsqrt, "tensor_rsqrt": lambda x: x.rsqrt(),
    "addcmul": lambda x: torch.addcmul(x, x, x + 1, value=0.5), "addcdiv": lambda x: x.addcdiv(x, x + 1),
    "addcmul_row": lambda x: torch.addcmul(ROW.to(x.device), x, ROW.to(x.device))})
cases("variance", {
    "dim": lambda x: x.var(1), "keep": lambda x: torch.var(x, dim=(2, 3), keepdim=True), "all": torch.var,
    "biased": lambda x: torch.var(x, 1, unbiased=False), "positional": lambda x: x.var(-1, False, True),
    "correction": lambda x: torch.var(x, dim=-1, correction=0, keepdim=True), "std": lambda x: x.std(1),
    "std_all": lambda x: torch.std(x, False), "var_mean": lambda x: torch.var_mean(x, dim=1, keepdim=True),
    "std_mean": lambda x: torch.std_mean(x, dim=(1, 2))})
cases("norm", {
    "all": lambda x: x.norm(), "dims": lambda x: x.norm(p=2, dim=(2, 3), keepdim=True), "one": lambda x: torch.norm(
        x, 1, -1), "three": lambda x: torch.norm(x, p=3, dim=1), "greatest": lambda x: torch.linalg.vector_norm(
        x, float("inf"), dim=1), "vector": lambda x: torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)})
