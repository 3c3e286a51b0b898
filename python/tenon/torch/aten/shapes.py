"""Reshaping, transposing, joining, splitting and padding."""

import torch

from .writer import Unsupported, Value, lowering, number


@lowering("getitem")
def _getitem(w, out, values, index):
    if values[index] is None:
        raise Unsupported(f"output {index} of its function")
    return values[index]


@lowering("view.default", "_unsafe_view.default", "reshape.default", "unflatten.int")
def _view(w, out, x, *_):
    return w.reshape(x, out.shape)


@lowering("flatten.using_ints")
def _flatten(w, out, x, *_):
    return w.reshape(x, out.shape)


@lowering("as_strided.default")
def _as_strided(w, out, x, size, stride, offset=None):
    sizes, strides = [number(s) for s in size], [number(s) for s in stride]
    step = 1
    for extent, own in zip(reversed(sizes), reversed(strides)):
        if extent != 1 and own != step:
            raise Unsupported("as_strided that is no reshape")
        step *= extent
    whole = x.fake.is_contiguous() and number(x.fake.numel()) == number(out.numel())
    if offset not in (None, 0) or not whole:
        raise Unsupported("as_strided that is no reshape")
    return w.reshape(x, out.shape)


def transpose(w, x, order):
    return w.op("Transpose", x, perm=[int(d) for d in order])


@lowering("permute.default")
def _permute(w, out, x, dims):
    return transpose(w, x, [d % x.rank for d in dims])


@lowering("transpose.int")
def _transpose(w, out, x, a, b):
    order = list(range(x.rank))
    if order:
        order[a], order[b] = order[b], order[a]
    return transpose(w, x, order) if order else x.name


@lowering("t.default")
def _t(w, out, x):
    return transpose(w, x, [1, 0]) if x.rank == 2 else x.name


@lowering("unsqueeze.default")
def _unsqueeze(w, out, x, dim):
    return w.op("Unsqueeze", x, w.constant([dim % (x.rank + 1)]))


@lowering("squeeze.default", "squeeze.dim", "squeeze.dims")
def _squeeze(w, out, x, dims=None):
    dims = range(x.rank) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = [d % x.rank for d in dims if x.rank and number(x.shape[d]) == 1]
    return w.op("Squeeze", x, w.constant(gone)) if gone else x.name


@lowering("expand.default")
def _expand(w, out, x, size, implicit=False):
    if [number(d) for d in x.shape] == [number(d) for d in out.shape]:
        return x.name
    return w.op("Expand", x, w.sizes(out.shape))


@lowering("repeat.default")
def _repeat(w, out, x, repeats):
    missing = len(repeats) - x.rank
    value = w.op("Unsqueeze", x, w.constant(list(range(missing)))) if missing else x.name
    return w.op("Tile", value, w.sizes(repeats))


@lowering("cat.default", "concat.default")
def _cat(w, out, tensors, dim=0):
    parts = [w.cast(t, out.dtype) for t in tensors if t.rank == out.dim()]
    return parts[0] if len(parts) == 1 else w.op("Concat", *parts, axis=dim % out.dim())


@lowering("stack.default")
def _stack(w, out, tensors, dim=0):
    at = dim % out.dim()
    parts = [w.op("Unsqueeze", w.cast(t, out.dtype), w.constant([at])) for t in tensors]
    return w.op("Concat", *parts, axis=at)


def take(w, value, dim, start, end, step=1):
    return w.op("Slice", value, w.sizes([start]), w.sizes([end]), w.constant([dim]), w.sizes([step]))


@lowering("slice.Tensor")
def _slice(w, out, x, dim=0, start=None, end=None, step=1):
    start, end = 0 if start is None else number(start), (1 << 63) - 1 if end is None else number(end)
    if start == 0 and step == 1 and isinstance(end, int) and end >= (1 << 62):
        return x.name
    return take(w, x, dim % x.rank, start, end, step)


@lowering("narrow.default")
def _narrow(w, out, x, dim, start, length):
    return take(w, x, dim % x.rank, start, start + length)


@lowering("select.int")
def _select(w, out, x, dim, index):
    return w.op("Gather", x, w.cast(index, torch.int64), axis=dim % x.rank)


@lowering("split.Tensor", "split_with_sizes.default", "split_with_sizes_copy.default", "split_copy.Tensor",
          "chunk.default", "split.sizes")
def _split(w, out, x, _, dim=0):
    dim %= x.rank
    sizes = [number(o.shape[dim]) for o in out]
    if len(out) == 1:
        return [x.name]
    return w.op("Split", x, w.sizes(sizes), axis=dim, outputs=len(out))


@lowering("unbind.int")
def _unbind(w, out, x, dim=0):
    return [w.op("Gather", x, w.scalar(i, torch.int64), axis=dim % x.rank) for i in range(len(out))]


def _pads(pad, rank):
    pad = list(pad) + [0] * (2 * rank - len(pad))
    before = [pad[2 * (rank - 1 - d)] for d in range(rank)]
    return before + [pad[2 * (rank - 1 - d) + 1] for d in range(rank)]


@lowering("constant_pad_nd.default")
def _constant_pad(w, out, x, pad, value=0):
    return w.op("Pad", x, w.sizes(_pads(pad, x.rank)), w.cast(value, out.dtype), mode="constant")


def _register_pad(name, mode):
    lowering(*(f"{name}{n}d.default" for n in (1, 2, 3)))(
        lambda w, out, x, pad: w.op("Pad", x, w.sizes(_pads(pad, x.rank)), mode=mode))


_register_pad("reflection_pad", "reflect")
_register_pad("replication_pad", "edge")


@lowering("flip.default")
def _flip(w, out, x, dims):
    dims, count = [d % x.rank for d in dims], len(dims)
    return w.op("Slice", x, w.constant([-1] * count), w.constant([-(1 << 63)] * count), w.constant(dims),
                w.constant([-1] * count))


@lowering("roll.default")
def _roll(w, out, x, shifts, dims=()):
    shifts, value = [shifts] if isinstance(shifts, int) else list(shifts), x.name
    flat = not dims
    if flat:
        value, dims = w.op("Reshape", x, w.constant([-1])), [0]
    for shift, dim in zip(shifts, dims):
        extent = number(x.fake.numel() if flat else x.shape[dim])
        if not isinstance(extent, int):
            raise Unsupported("roll of a dynamic dimension")
        at = extent - shift % extent
        if at != extent:
            dim = dim if flat else dim % x.rank
            value = w.op("Concat", take(w, value, dim, at, extent), take(w, value, dim, 0, at), axis=dim)
    return w.reshape(value, out.shape) if flat else value


@lowering("pixel_shuffle.default")
def _pixel_shuffle(w, out, x, factor):
    return w.op("DepthToSpace", x, blocksize=factor, mode="CRD")


@lowering("pixel_unshuffle.default")
def _pixel_unshuffle(w, out, x, factor):
    n, c, height, width = x.shape
    parts = w.reshape(x, [n, c, height // factor, factor, width // factor, factor])
    return w.reshape(transpose(w, parts, [0, 1, 3, 5, 2, 4]), out.shape)


@lowering("tril.default")
def _tril(w, out, x, diagonal=0):
    return w.op("Trilu", x, w.scalar(diagonal, torch.int64), upper=0)


@lowering("triu.default")
def _triu(w, out, x, diagonal=0):
    return w.op("Trilu", x, w.scalar(diagonal, torch.int64), upper=1)


def moved(w, x, rank, dim):
    """With a dimension moved to the front, and the order that moves it back."""
    order = [dim] + [d for d in range(rank) if d != dim]
    back = [order.index(d) for d in range(rank)]
    return (x, None) if dim == 0 else (transpose(w, x, order), back)


def _assign(w, x, source, dim, positions):
    """x with the rows `positions` of a dimension replaced."""
    data, back = moved(w, x, x.rank, dim)
    rows, _ = moved(w, source, x.rank, dim)
    made = w.op("ScatterND", data, w.constant([[p] for p in positions]), rows)
    return made if back is None else transpose(w, made, back)


@lowering("slice_scatter.default")
def _slice_scatter(w, out, x, source, dim=0, start=None, end=None, step=1):
    dim %= x.rank
    extent = number(x.shape[dim])
    if not all(isinstance(number(v), int) for v in (extent, start or 0, end or 0, step)):
        if (start or 0) == 0 and step == 1 and (end is None or number(end) == (1 << 63) - 1):
            return w.cast(source, out.dtype)
        raise Unsupported("assignment to a slice of a dynamic dimension")
    positions = range(extent)[slice(start, end, step)]
    if len(positions) == extent and step == 1:
        return w.cast(source, out.dtype)
    return _assign(w, x, w.cast(source, out.dtype), dim, positions)


@lowering("select_scatter.default")
def _select_scatter(w, out, x, source, dim, index):
    dim, index = dim % x.rank, number(index)
    if not isinstance(index, int) or index < 0 and not isinstance(number(x.shape[dim]), int):
        raise Unsupported("assignment to a row of a dynamic dimension")
    row = w.op("Unsqueeze", w.cast(source, out.dtype), w.constant([dim]))
    return _assign(w, x, row, dim, [index % number(x.shape[dim]) if index < 0 else index])


@lowering("copy.default")
def _copy(w, out, x, source, *_):
    value = w.cast(source, out.dtype)
    same = isinstance(source, Value) and [number(d) for d in source.shape] == [number(d) for d in out.shape]
    return value if same else w.op("Expand", value, w.sizes(out.shape))
