"""The base class of TensorRT's enumerations."""

import enum


class Number(enum.IntEnum):
    """An enumeration that prints as `Class.NAME` and equals integers and members of its own class only."""

    def __eq__(self, other):
        if isinstance(other, Number) and type(other) is not type(self):
            return False
        return int.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = int.__hash__

    def __str__(self):
        return f"{type(self).__name__}.{self.name}"

    __format__ = lambda self, spec: format(str(self), spec)
