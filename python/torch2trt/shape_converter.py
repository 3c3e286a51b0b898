"""Sizes as numbers that know where they come from, so that shapes computed from them stay dynamic."""

import tensorrt as trt
import torch


def _of(value):
    """A size's tensor in the network, a list of one integer; None for a plain number."""
    return getattr(value, "_trt", None)


class IntWrapper(int):
    """An int with `_trt`, the integer in the network that it is a sample of."""

    def __new__(cls, value, tensor=None):
        made = int.__new__(cls, value)
        made._trt = tensor
        return made


def _arithmetic(name, operation):
    plain, swapped = getattr(int, f"__{name}__"), getattr(int, f"__r{name}__")

    def combine(a, b, value):
        from .conversion import get_conversion_context

        ctx = get_conversion_context()
        if value is NotImplemented or ctx is None or not isinstance(a, int) or not isinstance(b, int):
            return value
        left, right = (_of(v) if _of(v) is not None else _constant(ctx.network, v) for v in (a, b))
        return IntWrapper(value, ctx.network.add_elementwise(left, right, operation).get_output(0))

    setattr(IntWrapper, f"__{name}__", lambda a, b: combine(a, b, plain(a, b)))
    setattr(IntWrapper, f"__r{name}__", lambda a, b: combine(b, a, swapped(a, b)))


for _name, _operation in (("add", "SUM"), ("sub", "SUB"), ("mul", "PROD"), ("floordiv", "FLOOR_DIV")):
    _arithmetic(_name, getattr(trt.ElementWiseOperation, _operation))


def _constant(network, value):
    from .helpers import add_trt_constant

    return add_trt_constant(network, torch.tensor([int(value)], dtype=torch.int64))


class SizeWrapper(tuple):
    """A shape of IntWrappers."""

    def numel(self):
        total = 1
        for d in self:
            total = total * d
        return total


def make_int_wrapper(value):
    return value if isinstance(value, IntWrapper) else IntWrapper(value)


def wrap_ints(value):
    """The ints in a nested structure as IntWrappers."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(wrap_ints, value))
    return make_int_wrapper(value) if isinstance(value, int) and not isinstance(value, bool) else value


def make_size_wrapper(args):
    return SizeWrapper(map(make_int_wrapper, args))


def _size_wrapper(input, dim=None):
    """A traced tensor's shape, or one size of it: dynamic ones come from the network."""
    from .conversion import get_conversion_context

    shape, tensor, ctx = tuple(torch._C.TensorBase.size(input)), getattr(input, "_trt", None), get_conversion_context()
    if tensor is not None and ctx is not None and -1 in tuple(tensor.shape):
        whole = ctx.network.add_shape(tensor).get_output(0)
        if whole.dtype != trt.int64:
            whole = ctx.network.add_cast(whole, trt.int64).get_output(0)
        known = tuple(tensor.shape)
        sizes = [IntWrapper(d, ctx.network.add_slice(whole, (i,), (1,), (1,)).get_output(0)) if known[i] == -1 else d
                 for i, d in enumerate(shape)]
        shape = SizeWrapper(sizes)
    else:
        shape = torch.Size(shape)
    return shape if dim is None else shape[dim]


def _new_getattr(self, name):
    """`shape` as _size_wrapper gives it; other attributes as they are."""
    return _size_wrapper(self) if name == "shape" else object.__getattribute__(self, name)


class use_shape_wrapping:  # noqa: N801
    """While open, a conversion's tensors tell their dynamic sizes as IntWrappers (the default in a conversion)."""

    enabled = True

    def __init__(self, enabled=True):
        self._wanted = enabled

    def __enter__(self):
        self._before, use_shape_wrapping.enabled = use_shape_wrapping.enabled, self._wanted
        return self

    def __exit__(self, *_):
        use_shape_wrapping.enabled = self._before


def shape_tensor(network, sizes):
    """Sizes as one list of integers in the network."""
    parts = [_of(s) if _of(s) is not None else _constant(network, s) for s in sizes]
    return parts[0] if len(parts) == 1 else network.add_concatenation(parts).get_output(0)


def any_dynamic(sizes):
    return any(_of(s) is not None for s in sizes)
