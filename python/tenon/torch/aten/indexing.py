"""Reading and writing by index tensors."""

import torch

from .shapes import transpose
from .writer import Unsupported, lowering


@lowering("embedding.default")
def _embedding(w, out, weight, indices, *_, **__):
    return w.op("Gather", weight, indices, axis=0)


@lowering("index_select.default")
def _index_select(w, out, x, dim, indices):
    return w.op("Gather", x, indices, axis=dim % x.rank)


@lowering("gather.default")
def _gather(w, out, x, dim, indices, **_):
    return w.op("GatherElements", x, indices, axis=dim % x.rank)


def _coordinates(w, indices):
    """Index tensors, broadcast and joined on a last axis; their common shape."""
    if any(i.dtype in (torch.bool, torch.uint8) for i in indices):
        raise Unsupported("indexing with booleans")
    shape = torch.broadcast_shapes(*(i.shape for i in indices))
    parts = []
    for i in indices:
        value = w.cast(i, torch.int64)
        value = value if tuple(i.shape) == tuple(shape) else w.op("Expand", value, w.sizes(shape))
        parts.append(w.op("Unsqueeze", value, w.constant([len(shape)])))
    return (parts[0] if len(parts) == 1 else w.op("Concat", *parts, axis=len(shape))), shape


@lowering("index.Tensor")
def _index(w, out, x, indices):
    at = [d for d, i in enumerate(indices) if i is not None]
    found = [indices[d] for d in at]
    if len(found) == 1 and found[0].dtype in (torch.int32, torch.int64):
        return w.op("Gather", x, found[0], axis=at[0])
    rest = [d for d in range(x.rank) if d not in at]
    coordinates, shape = _coordinates(w, found)
    value = transpose(w, x, at + rest) if at + rest != list(range(x.rank)) else x.name
    made = w.op("GatherND", value, coordinates)
    adjacent, count = at == list(range(at[0], at[-1] + 1)), len(shape)
    if not adjacent or at[0] == 0:
        return made
    # Adjacent indices leave their dimensions where they were; GatherND has put them in front.
    order = list(range(count, count + at[0])) + list(range(count)) + list(range(count + at[0], count + len(rest)))
    return transpose(w, made, order)


@lowering("index_put.default", "_unsafe_index_put.default")
def _index_put(w, out, x, indices, values, accumulate=False):
    if any(i is None for i in indices):
        raise Unsupported("assignment by index after a whole dimension")
    coordinates, shape = _coordinates(w, indices)
    target = [*shape, *x.shape[len(indices):]]
    rows = w.cast(values, out.dtype)
    rows = rows if tuple(values.shape) == tuple(target) else w.op("Expand", rows, w.sizes(target))
    return w.op("ScatterND", x, coordinates, rows, reduction="add" if accumulate else None)


@lowering("scatter.src", "scatter.value")
def _scatter(w, out, x, dim, indices, source):
    rows = w.cast(source, out.dtype)
    if not hasattr(source, "shape"):
        rows = w.op("Expand", rows, w.sizes(indices.shape))
    elif tuple(source.shape) != tuple(indices.shape):
        raise Unsupported("scatter from a larger tensor")
    return w.op("ScatterElements", x, indices, rows, axis=dim % x.rank)


@lowering("scatter_add.default")
def _scatter_add(w, out, x, dim, indices, source):
    if tuple(source.shape) != tuple(indices.shape):
        raise Unsupported("scatter_add from a larger tensor")
    return w.op("ScatterElements", x, indices, source, axis=dim % x.rank, reduction="add")
