"""Dimensions as expressions of the inputs' dimensions."""

import operator

from .._trt import DimensionOperation, DimsExprs, IDimensionExpr

_SMALLEST, _GREATEST = -(2**63), 2**63 - 1


class ShapeExpr:
    """A dimension: an integer, an expression of a network's, or unknown while only types are asked for ("fake")."""

    def __init__(self, value=None, builder=None):
        if isinstance(value, ShapeExpr):
            value, builder = value._value, value._builder
        if isinstance(value, IDimensionExpr) and value.is_constant():
            value = value.get_constant_value()
        if not (value is None or isinstance(value, (int, IDimensionExpr))):
            raise TypeError(f"a dimension is an int or a ShapeExpr, not {type(value).__name__}")
        if isinstance(value, int) and not _SMALLEST <= value <= _GREATEST:
            raise OverflowError(f"{value} does not fit into 64 bits")
        self._value, self._builder = value, builder

    @property
    def is_fake(self):
        return self._value is None

    @property
    def is_constant(self):
        return isinstance(self._value, int)

    @property
    def is_size_tensor(self):
        return isinstance(self._value, IDimensionExpr) and self._value.is_size_tensor()

    def constant_value(self):
        if not self.is_constant:
            raise RuntimeError("a dimension that is no constant has no value before the network runs")
        return self._value

    def clone(self):
        return type(self)(self)

    def _native(self, builder):
        """The expression as the network's."""
        return builder.constant(self._value) if self.is_constant else self._value

    def _combine(self, other, operation, compute, swapped=False):
        if not isinstance(other, (int, ShapeExpr)):
            return NotImplemented
        a, b = (ShapeExpr(other), self) if swapped else (self, ShapeExpr(other))
        if a.is_fake or b.is_fake:
            return type(self)()
        if a.is_constant and b.is_constant:
            return type(self)(int(compute(a._value, b._value)))
        builder = a._builder or b._builder
        return type(self)(builder.operation(operation, a._native(builder), b._native(builder)), builder)

    def __add__(self, other):
        return self._combine(other, DimensionOperation.SUM, operator.add)

    def __radd__(self, other):
        return self._combine(other, DimensionOperation.SUM, operator.add, True)

    def __sub__(self, other):
        return self._combine(other, DimensionOperation.SUB, operator.sub)

    def __rsub__(self, other):
        return self._combine(other, DimensionOperation.SUB, operator.sub, True)

    def __mul__(self, other):
        return self._combine(other, DimensionOperation.PROD, operator.mul)

    __rmul__ = __mul__

    def __floordiv__(self, other):
        return self._combine(other, DimensionOperation.FLOOR_DIV, operator.floordiv)

    def __rfloordiv__(self, other):
        return self._combine(other, DimensionOperation.FLOOR_DIV, operator.floordiv, True)

    def __eq__(self, other):
        return self._combine(other, DimensionOperation.EQUAL, operator.eq)

    def __ne__(self, other):
        equal = self == other
        return equal if equal is NotImplemented else 1 - equal

    def __lt__(self, other):
        return self._combine(other, DimensionOperation.LESS, operator.lt)

    def __gt__(self, other):
        return self._combine(other, DimensionOperation.LESS, operator.lt, True)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self):
        return bool(self.constant_value())

    def __index__(self):
        return self.constant_value()

    def _ceil_div(self, other):
        return self._combine(other, DimensionOperation.CEIL_DIV, lambda a, b: -(-a // b))

    def __repr__(self):
        value = "unknown" if self.is_fake else self._value if self.is_constant else "expression"
        return f"{type(self).__name__}({value})"


class SymIntExpr(ShapeExpr):
    """An integer of a kernel's launch: parameters and arguments that follow from shapes."""


class SymInt32(SymIntExpr):
    """One that is passed as 32 bits."""


SymExpr = SymIntExpr


def cdiv(a, b):
    """a / b, rounded up; an int of ints, else a ShapeExpr."""
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return ShapeExpr(a)._ceil_div(b)


class ShapeExprs:
    """The dimensions of a tensor: at most 8 ShapeExpr."""

    def __init__(self, length=0, _is_dummy=False):
        if not 0 <= length <= 8:
            raise ValueError(f"a tensor has 0 to 8 dimensions, not {length}")
        self._dims = [ShapeExpr() for _ in range(length)]

    @classmethod
    def from_tuple(cls, dims):
        made = cls(len(dims))
        made._dims = [ShapeExpr(d) for d in dims]
        return made

    def clone(self):
        return type(self).from_tuple(self._dims)

    def numel(self):
        """The product of the dimensions."""
        product = ShapeExpr(1)
        for dim in self._dims:
            product = product * dim
        return product

    def __len__(self):
        return len(self._dims)

    def __iter__(self):
        return iter(self._dims)

    def __getitem__(self, index):
        return self._dims[index]

    def __setitem__(self, index, value):
        self._dims[index] = ShapeExpr(value)

    def __repr__(self):
        return f"{type(self).__name__}({self._dims})"

    def _native(self, builder):
        dims = DimsExprs(len(self._dims))
        for i, dim in enumerate(self._dims):
            if dim.is_fake:
                raise ValueError(f"dimension {i} of an output is not set")
            dims[i] = dim._native(builder)
        return dims


class SymIntExprs:
    """Further arguments of a kernel."""

    def __init__(self, length=0):
        self._values = [None] * length

    @classmethod
    def from_tuple(cls, values):
        made = cls(len(values))
        for i, value in enumerate(values):
            made[i] = value
        return made

    def __len__(self):
        return len(self._values)

    def __getitem__(self, index):
        return self._values[index]

    def __setitem__(self, index, value):
        self._values[index] = value if isinstance(value, SymIntExpr) else SymInt32(value)


SymExprs = SymIntExprs


class KernelLaunchParams:
    """Blocks, threads of a block and bytes of shared memory of a kernel's launch; ints or ShapeExpr."""

    def __init__(self, grid_x=1, grid_y=1, grid_z=1, block_x=1, block_y=1, block_z=1, shared_mem=0):
        self.grid_x, self.grid_y, self.grid_z = grid_x, grid_y, grid_z
        self.block_x, self.block_y, self.block_z = block_x, block_y, block_z
        self.shared_mem = shared_mem

    def __setattr__(self, name, value):
        if name not in ("grid_x", "grid_y", "grid_z", "block_x", "block_y", "block_z", "shared_mem"):
            raise AttributeError(f"a launch has no parameter '{name}'")
        super().__setattr__(name, value if isinstance(value, ShapeExpr) else SymInt32(value))


class Shape(tuple):
    """Dimensions of a tensor in one run, or of its optimization profile: `min`, `opt` and `max`."""

    def __new__(cls, dims, bounds=None):
        made = super().__new__(cls, (int(d) for d in dims))
        made._bounds = bounds
        return made

    @property
    def has_dynamic_dims(self):
        return any(d < 0 for d in self)

    @property
    def min(self):
        return self._bound(0)

    @property
    def opt(self):
        return self._bound(1)

    @property
    def max(self):
        return self._bound(2)

    def _bound(self, index):
        return tuple(self) if self._bounds is None else tuple(self._bounds[index])

    def numel(self):
        """Elements; the greatest number where dimensions differ between runs."""
        count = 1
        for dim in self.max:
            count *= dim
        return count
