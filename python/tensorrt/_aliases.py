"""Names that are Python's own: aliases, volume, and attributes of classes."""

from . import _trt
from ._trt import DataType

__all__ = ["float32", "float16", "int8", "int32", "bool", "uint8", "fp8", "bfloat16", "int64", "int4", "fp4", "e8m0",
           "volume", "SliceMode", "ResizeMode", "FallbackString"]

float32, float16, int8, int32, bool = DataType.FLOAT, DataType.HALF, DataType.INT8, DataType.INT32, DataType.BOOL
uint8, fp8, bfloat16, int64 = DataType.UINT8, DataType.FP8, DataType.BF16, DataType.INT64
int4, fp4, e8m0 = DataType.INT4, DataType.FP4, DataType.E8M0
SliceMode, ResizeMode = _trt.SampleMode, _trt.InterpolationMode

_BYTES = {float32: 4, float16: 2, int8: 1, int32: 4, bool: 1, uint8: 1, fp8: 1, bfloat16: 2, int64: 8, int4: 0.5,
          fp4: 0.5, e8m0: 1}
setattr(DataType, "itemsize", property(_BYTES.__getitem__, doc="Bytes of one element; 0.5 where two share a byte."))


setattr(_trt.Severity, "log", lambda self, msg: _trt.log(self, msg))


class FallbackString(bytes):
    """The state of a plugin, from text or bytes."""

    def __new__(cls, value=b""):
        return super().__new__(cls, value.encode() if isinstance(value, str) else value)


def volume(iterable):
    """The product of dimensions; 1 for none, negative where one is dynamic."""
    result = 1
    for dim in iterable:
        result *= dim
    return result


def version_text(number):
    """A release's number as text: 8.6.1 is 8601, 10.13.3 is 101303."""
    step = 1000 if number < 10000 else 10000
    rest = number % step
    return f"{number // step}.{rest // 100}.{rest % 100}"
