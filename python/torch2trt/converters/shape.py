"""Shapes: reshaping, transposing, joining, splitting, indexing and assignment to slices."""

import tensorrt as trt
import torch

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, reshaped, torch_dim_resolve_negative, traced, trt_
from ..shape_converter import any_dynamic, shape_tensor

F = "torch.nn.functional."


def _reshape(ctx):
    value = ctx.method_args[0]
    sizes = ctx.method_args[1:]
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    sizes = ctx.method_kwargs.get("shape", ctx.method_kwargs.get("size", sizes))
    if ctx.method_str.endswith(("view", "reshape")) and any_dynamic(sizes):
        layer = ctx.network.add_shuffle(trt_(ctx.network, value))
        layer.set_input(1, shape_tensor(ctx.network, sizes))
        ctx.method_return._trt = layer.get_output(0)
        return
    ctx.method_return._trt = reshaped(ctx.network, trt_(ctx.network, value), ctx.method_return.shape, value)


for _name in ("view", "reshape", "flatten", "squeeze", "unsqueeze", "unflatten"):
    for _owner in ("torch", "torch.Tensor"):
        tensorrt_converter(f"{_owner}.{_name}")(_reshape)


def _same(ctx):
    value = ctx.method_args[0] if ctx.method_args else ctx.method_kwargs["input"]
    if not isinstance(value, torch.Tensor):  # a module's forward
        value = ctx.method_args[1]
    if ctx.method_return is value:
        return
    output = trt_(ctx.network, value)
    if ctx.method_return.dtype != value.dtype:
        from ..trt_module import torch_dtype_to_trt

        output = ctx.network.add_cast(output, torch_dtype_to_trt(ctx.method_return.dtype)).get_output(0)
    ctx.method_return._trt = output


for _name in ("contiguous", "clone", "detach", "float", "half", "double", "int", "long", "bool", "to", "type_as", "cpu",
              "cuda", "type"):
    tensorrt_converter(f"torch.Tensor.{_name}")(_same)
for _name in ("torch.clone", F + "dropout", F + "dropout1d", F + "dropout2d", F + "dropout3d", "torch.dropout"):
    tensorrt_converter(_name)(_same)


def _permute(ctx, order):
    layer = ctx.network.add_shuffle(trt_(ctx.network, ctx.method_args[0]))
    layer.first_transpose = tuple(order)
    ctx.method_return._trt = layer.get_output(0)


for _name in ("torch.permute", "torch.Tensor.permute"):
    @tensorrt_converter(_name)
    def convert_permute(ctx):
        dims = ctx.method_kwargs.get("dims", ctx.method_args[1:])
        dims = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
        _permute(ctx, torch_dim_resolve_negative(tuple(dims), ctx.method_args[0].dim()))


for _name in ("torch.transpose", "torch.Tensor.transpose", "torch.swapaxes"):
    @tensorrt_converter(_name)
    def convert_transpose(ctx):
        rank = ctx.method_args[0].dim()
        a, b = torch_dim_resolve_negative((get_arg(ctx, "dim0", 1, 0), get_arg(ctx, "dim1", 2, 1)), rank)
        order = list(range(rank))
        order[a], order[b] = order[b], order[a]
        _permute(ctx, order)


for _name in ("torch.t", "torch.Tensor.t"):
    @tensorrt_converter(_name)
    def convert_t(ctx):
        _permute(ctx, (1, 0)) if ctx.method_args[0].dim() == 2 else _same(ctx)


def _sequence(ctx):
    tensors = get_arg(ctx, "tensors", 0, None)
    dim = get_arg(ctx, "dim", 1, ctx.method_kwargs.get("axis", 0))
    return list(tensors), dim


def _typed(ctx, tensor):
    """A tensor of the network in the result's type."""
    return tensor if traced(tensor) else tensor.to(ctx.method_return.dtype)


for _name in ("torch.cat", "torch.concat"):
    @tensorrt_converter(_name)
    def convert_cat(ctx):
        tensors, dim = _sequence(ctx)
        tensors = [t for t in tensors if t.numel() or t.dim() > 1]
        layer = ctx.network.add_concatenation([trt_(ctx.network, _typed(ctx, t)) for t in tensors])
        layer.axis = torch_dim_resolve_negative(dim, ctx.method_return.dim())[0]
        ctx.method_return._trt = layer.get_output(0)


@tensorrt_converter("torch.stack")
def convert_stack(ctx):
    tensors, dim = _sequence(ctx)
    axis = torch_dim_resolve_negative(dim, ctx.method_return.dim())[0]
    parts = [reshaped(ctx.network, trt_(ctx.network, _typed(ctx, t)), (*t.shape[:axis], 1, *t.shape[axis:]),
                      t if axis else None) for t in tensors]
    layer = ctx.network.add_concatenation(parts)
    layer.axis = axis
    ctx.method_return._trt = layer.get_output(0)


def _slice(ctx, value, start, size, stride):
    """A slice of a tensor whose first dimension may be dynamic, when all of it is taken."""
    tensor = trt_(ctx.network, value)
    layer = ctx.network.add_slice(tensor, tuple(start), tuple(size), tuple(stride))
    if tensor.shape[0] == -1:
        if start[0] != 0 or stride[0] != 1 or size[0] != value.shape[0]:
            raise ConversionError(f"{ctx.method_str}: a part of a dynamic dimension")
        shape = ctx.network.add_shape(tensor).get_output(0)
        batch = ctx.network.add_slice(shape, (0,), (1,), (1,)).get_output(0)
        parts = [batch]
        if len(size) > 1:
            rest = trt_(ctx.network, torch.tensor(list(size[1:]), dtype=torch.int64))
            parts.append(rest if shape.dtype == trt.int64 else ctx.network.add_cast(rest, shape.dtype).get_output(0))
        layer.set_input(2, ctx.network.add_concatenation(parts).get_output(0))
    return layer.get_output(0)


def _narrow(ctx, value, dim, start, length):
    rank = value.dim()
    starts, size = [0] * rank, list(value.shape)
    starts[dim], size[dim] = start, length
    return _slice(ctx, value, starts, size, [1] * rank)


def _pieces(ctx):
    value = ctx.method_args[0]
    dim = torch_dim_resolve_negative(get_arg(ctx, "dim", 2, 0), value.dim())[0]
    start = 0
    for piece in ctx.method_return:
        piece._trt = _narrow(ctx, value, dim, start, piece.shape[dim])
        start += piece.shape[dim]


for _name in ("split", "chunk"):
    for _owner in ("torch", "torch.Tensor"):
        tensorrt_converter(f"{_owner}.{_name}")(_pieces)


for _name in ("torch.unbind", "torch.Tensor.unbind"):
    @tensorrt_converter(_name)
    def convert_unbind(ctx):
        value = ctx.method_args[0]
        dim = torch_dim_resolve_negative(get_arg(ctx, "dim", 1, 0), value.dim())[0]
        for i, piece in enumerate(ctx.method_return):
            part = torch.empty_like(value.narrow(dim, i, 1))
            piece._trt = reshaped(ctx.network, _narrow(ctx, value, dim, i, 1), piece.shape, part)


for _name in ("torch.narrow", "torch.Tensor.narrow"):
    @tensorrt_converter(_name)
    def convert_narrow(ctx):
        value, dim = ctx.method_args[0], get_arg(ctx, "dim", 1, 0)
        dim = torch_dim_resolve_negative(dim, value.dim())[0]
        start = int(get_arg(ctx, "start", 2, 0))
        start = start + value.shape[dim] if start < 0 else start
        ctx.method_return._trt = _narrow(ctx, value, dim, start, ctx.method_return.shape[dim])


@tensorrt_converter("torch.Tensor.__getitem__")
def convert_getitem(ctx):
    value, key = ctx.method_args[0], ctx.method_args[1]
    key = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(k, (int, slice, type(None), type(Ellipsis))) and not isinstance(k, bool) for k in key):
        raise ConversionError(f"indexing with {[type(k).__name__ for k in key]}")
    used = sum(k is not None and k is not Ellipsis for k in key)
    if Ellipsis not in key:
        key += (Ellipsis,)
    at = key.index(Ellipsis)
    key = key[:at] + (slice(None),) * (value.dim() - used) + key[at + 1:]
    start, size, stride = [], [], []
    for k, extent in zip([k for k in key if k is not None], value.shape):
        first, last, step = k.indices(extent) if isinstance(k, slice) else (k + extent if k < 0 else k, None, 1)
        start.append(int(first))
        stride.append(int(step))
        size.append(1 if last is None else max(0, (last - first + step - 1) // step))
    output = _slice(ctx, value, start, size, stride)
    if tuple(size) != tuple(ctx.method_return.shape):
        output = reshaped(ctx.network, output, ctx.method_return.shape, value)
    ctx.method_return._trt = output


@tensorrt_converter("torch.Tensor.__setitem__")
def convert_setitem(ctx):
    target, key, value = ctx.method_args
    rows = torch.arange(target.numel()).reshape(target.shape)[key]
    if rows.numel() == 0:
        return
    value = value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=target.dtype)
    network = ctx.network
    if value.shape != rows.shape:
        if traced(value) and value.numel() != rows.numel():
            raise ConversionError("assigning a tensor that broadcasts")
        value = value if traced(value) else value.to(target.dtype).expand(rows.shape)
    before = ctx.before if ctx.before is not None else target._trt
    data = reshaped(network, before, (target.numel(),))
    updates = reshaped(network, trt_(network, value), (rows.numel(),))
    indices = trt_(network, rows.reshape(-1, 1).to(torch.int32))
    result = network.add_scatter(data, indices, updates, trt.ScatterMode.ND).get_output(0)
    target._trt = reshaped(network, result, target.shape)


def _before_assignment(ctx):
    """The target's values before they change, if the network does not compute them."""
    target = ctx.method_args[0]
    ctx.before = None if traced(target) else trt_(ctx.network, target.detach().clone())


convert_setitem.prepare = _before_assignment


for _name in ("torch.Tensor.expand", "torch.Tensor.expand_as"):
    @tensorrt_converter(_name)
    def convert_expand(ctx):
        value, shape = ctx.method_args[0], ctx.method_return.shape
        tensor = trt_(ctx.network, value)
        own = (1,) * (len(shape) - value.dim()) + tuple(value.shape)
        if len(own) != value.dim():
            tensor = reshaped(ctx.network, tensor, own)
        stride = [0 if a == 1 and b != 1 else 1 for a, b in zip(own, shape)]
        layer = ctx.network.add_slice(tensor, (0,) * len(shape), tuple(shape), tuple(stride))
        ctx.method_return._trt = layer.get_output(0)


for _name in ("torch.Tensor.repeat", "torch.tile"):
    @tensorrt_converter(_name)
    def convert_repeat(ctx):
        value, shape = ctx.method_args[0], ctx.method_return.shape
        own = (1,) * (len(shape) - value.dim()) + tuple(value.shape)
        tensor = reshaped(ctx.network, trt_(ctx.network, value), own)
        layer = ctx.network.add_slice(tensor, (0,) * len(shape), tuple(shape), (1,) * len(shape))
        layer.mode = trt.SampleMode.WRAP
        ctx.method_return._trt = layer.get_output(0)


for _name in ("torch.roll", "torch.Tensor.roll"):
    @tensorrt_converter(_name)
    def convert_roll(ctx):
        value = ctx.method_args[0]
        shifts, dims = get_arg(ctx, "shifts", 1, None), get_arg(ctx, "dims", 2, None)
        if dims is None or dims == ():
            raise ConversionError("torch.roll: without dims")
        shifts, dims = (shifts,) if isinstance(shifts, int) else shifts, torch_dim_resolve_negative(dims, value.dim())
        start = [0] * value.dim()
        for shift, dim in zip(shifts, dims):
            start[dim] = (start[dim] - shift) % value.shape[dim]
        layer = ctx.network.add_slice(trt_(ctx.network, value), tuple(start), tuple(value.shape), (1,) * value.dim())
        layer.mode = trt.SampleMode.WRAP
        ctx.method_return._trt = layer.get_output(0)


@tensorrt_converter(F + "pad")
def convert_pad(ctx):
    value, pad = ctx.method_args[0], list(get_arg(ctx, "pad", 1, None))
    mode, fill, rank = get_arg(ctx, "mode", 2, "constant"), get_arg(ctx, "value", 3, None), value.dim()
    modes = {"constant": trt.SampleMode.FILL, "reflect": trt.SampleMode.REFLECT, "replicate": trt.SampleMode.CLAMP,
             "circular": trt.SampleMode.WRAP}
    pad = pad + [0] * (2 * rank - len(pad))
    before = [pad[2 * (rank - 1 - d)] for d in range(rank)]
    layer = ctx.network.add_slice(trt_(ctx.network, value), tuple(-b for b in before), tuple(ctx.method_return.shape),
                                  (1,) * rank)
    layer.mode = modes[mode]
    if mode == "constant" and fill:
        layer.set_input(4, trt_(ctx.network, torch.tensor(fill, dtype=value.dtype)))
    ctx.method_return._trt = layer.get_output(0)
