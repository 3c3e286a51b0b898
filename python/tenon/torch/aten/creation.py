"""Tensors made from nothing but sizes and numbers."""

import torch

from .writer import Unsupported, Value, lowering, number


def filled(w, out, value):
    if not out.dim():
        return w.cast(value, out.dtype)
    return w.op("Expand", w.cast(value, out.dtype), w.sizes(out.shape))


def _register(value, *names):
    lowering(*names)(lambda w, out, *_, **__: filled(w, out, value))


# What `empty` holds is never read; zeros are as good.
_register(0, "zeros.default", "zeros_like.default", "new_zeros.default", "empty.memory_format", "empty_like.default",
          "new_empty.default")
_register(1, "ones.default", "ones_like.default", "new_ones.default")


@lowering("full.default", "full_like.default", "new_full.default", "fill.Scalar", "fill.Tensor")
def _full(w, out, *args, **_):
    return filled(w, out, args[-1])


@lowering("scalar_tensor.default")
def _scalar(w, out, value, **_):
    return w.cast(value, out.dtype)


@lowering("arange.start_step")
def _arange(w, out, start, end, step=1, **_):
    start, end, step = number(start), number(end), number(step)
    if all(isinstance(v, (int, float)) for v in (start, end, step)):
        return w.tensor(torch.arange(start, end, step, dtype=out.dtype))
    if not all(isinstance(v, (int, torch.SymInt)) for v in (start, end, step)):
        raise Unsupported("arange of dynamic length with fractions")
    made = w.op("Range", *(w.cast(v, torch.int64) for v in (start, end, step)))
    return w.cast(Value(made, torch.empty(0, dtype=torch.int64)), out.dtype)


@lowering("arange.start")
def _arange_start(w, out, start, end, **_):
    return _arange(w, out, start, end)


@lowering("arange.default")
def _arange_end(w, out, end, **_):
    return _arange(w, out, 0, end)


@lowering("linspace.default")
def _linspace(w, out, start, end, steps, **_):
    if not all(isinstance(number(v), (int, float)) for v in (start, end, steps)):
        raise Unsupported("linspace of dynamic length")
    return w.tensor(torch.linspace(start, end, steps, dtype=out.dtype))


@lowering("eye.default", "eye.m")
def _eye(w, out, n, m=None, **_):
    n, m = number(n), number(n if m is None else m)
    if not isinstance(n, int) or not isinstance(m, int):
        raise Unsupported("eye of dynamic size")
    return w.tensor(torch.eye(n, m, dtype=out.dtype))
