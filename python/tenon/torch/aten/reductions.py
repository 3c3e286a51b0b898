"""Reductions, softmax, and what orders elements."""

import math

import torch

from .writer import Unsupported, Value, lowering, number


def _axes(dims, rank):
    """None for every axis."""
    if dims is None or dims == [] or dims == ():
        return None
    dims = [dims] if isinstance(dims, int) else list(dims)
    return [d % rank if rank else 0 for d in dims] if rank else None


def reduce(w, kind, x, rank, dims, keep):
    axes = _axes(dims, rank)
    return w.op(kind, x, None if axes is None else w.constant(axes), keepdims=int(bool(keep)))


def _register(kind, name, with_dims, without=None):
    def write(w, out, x, dims=None, keepdim=False, dtype=None):
        return reduce(w, kind, w.cast(x, out.dtype), x.rank, dims, keepdim)

    lowering(f"{name}.{with_dims}")(write)
    if without:
        lowering(f"{name}.{without}")(lambda w, out, x, dtype=None: write(w, out, x))


_register("ReduceSum", "sum", "dim_IntList", "default")
_register("ReduceMean", "mean", "dim", "default")
_register("ReduceProd", "prod", "dim_int", "default")
_register("ReduceMax", "amax", "default")
_register("ReduceMin", "amin", "default")
_register("ReduceLogSumExp", "logsumexp", "default")


@lowering("max.default")
def _max(w, out, x):
    return reduce(w, "ReduceMax", x, x.rank, None, False)


@lowering("min.default")
def _min(w, out, x):
    return reduce(w, "ReduceMin", x, x.rank, None, False)


def _extreme(name, values, indices):
    def write(w, out, x, dim, keepdim=False):
        return [reduce(w, values, x, x.rank, [dim], keepdim),
                w.op(indices, x, axis=dim, keepdims=int(bool(keepdim)))]

    lowering(f"{name}.dim")(write)


_extreme("max", "ReduceMax", "ArgMax")
_extreme("min", "ReduceMin", "ArgMin")


def _position(name, kind):
    def write(w, out, x, dim=None, keepdim=False):
        if dim is None:
            if keepdim:
                raise Unsupported(f"{name} of everything with keepdim")
            return w.op(kind, w.op("Reshape", x, w.constant([-1])), axis=0, keepdims=0)
        return w.op(kind, x, axis=dim, keepdims=int(bool(keepdim)))

    lowering(f"{name}.default")(write)


_position("argmax", "ArgMax")
_position("argmin", "ArgMin")


def _boolean(name, kind):
    def write(w, out, x, dims=None, keepdim=False):
        ones = w.op("Cast", w.cast(x, torch.bool), to=6)
        return w.op("Cast", reduce(w, kind, ones, x.rank, dims, keepdim), to=9)

    lowering(f"{name}.default", f"{name}.dim", f"{name}.dims")(write)


_boolean("any", "ReduceMax")
_boolean("all", "ReduceMin")


def _count(w, x, dims, dtype, correction):
    axes = _axes(dims, x.rank)
    sizes = [number(x.shape[a]) for a in (range(x.rank) if axes is None else axes)]
    if all(isinstance(s, int) for s in sizes):
        return w.scalar(float(max(math.prod(sizes) - correction, 0)), dtype)
    total = w.op("ReduceProd", w.sizes(sizes), keepdims=0)
    total = w.op("Cast", total, to=1)
    return w.cast(Value(w.op("Sub", total, w.scalar(float(correction), torch.float32)), torch.empty(())), dtype)


def _variance(w, x, dtype, dims, correction, keepdim):
    mean = reduce(w, "ReduceMean", x, x.rank, dims, True)
    off = w.op("Sub", x, mean)
    total = reduce(w, "ReduceSum", w.op("Mul", off, off), x.rank, dims, keepdim)
    return w.op("Div", total, _count(w, x, dims, dtype, 1 if correction is None else correction))


@lowering("var.correction")
def _var(w, out, x, dims=None, correction=None, keepdim=False):
    return _variance(w, x, out.dtype, dims, correction, keepdim)


@lowering("std.correction")
def _std(w, out, x, dims=None, correction=None, keepdim=False):
    return w.op("Sqrt", _variance(w, x, out.dtype, dims, correction, keepdim))


@lowering("var_mean.correction")
def _var_mean(w, out, x, dims=None, correction=None, keepdim=False):
    return [_variance(w, x, out[0].dtype, dims, correction, keepdim), reduce(w, "ReduceMean", x, x.rank, dims, keepdim)]


@lowering("linalg_vector_norm.default")
def _norm(w, out, x, order=2, dims=None, keepdim=False, dtype=None):
    value = w.cast(x, out.dtype)
    if order in (1, 2):
        return reduce(w, f"ReduceL{int(order)}", value, x.rank, dims, keepdim)
    size = w.op("Abs", value)
    if order in (float("inf"), float("-inf")):
        return reduce(w, "ReduceMax" if order > 0 else "ReduceMin", size, x.rank, dims, keepdim)
    total = reduce(w, "ReduceSum", w.op("Pow", size, w.scalar(float(order), out.dtype)), x.rank, dims, keepdim)
    return w.op("Pow", total, w.scalar(1 / float(order), out.dtype))


@lowering("_softmax.default", "softmax.int")
def _softmax(w, out, x, dim, *_, **__):
    return w.op("Softmax", w.cast(x, out.dtype), axis=dim)


@lowering("_log_softmax.default", "log_softmax.int")
def _log_softmax(w, out, x, dim, *_, **__):
    return w.op("LogSoftmax", w.cast(x, out.dtype), axis=dim)


@lowering("cumsum.default")
def _cumsum(w, out, x, dim, dtype=None):
    return w.op("CumSum", w.cast(x, out.dtype), w.scalar(dim, torch.int64))


@lowering("topk.default")
def _topk(w, out, x, k, dim=-1, largest=True, sorted=True):
    return w.op("TopK", x, w.sizes([k]), axis=dim, largest=int(largest), sorted=1, outputs=2)


@lowering("sort.default", "sort.stable")
def _sort(w, out, x, dim=-1, descending=False, stable=None):
    return w.op("TopK", x, w.sizes([x.shape[dim]]), axis=dim, largest=int(descending), sorted=1, outputs=2)
