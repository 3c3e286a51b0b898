"""What functions of plugins receive: descriptions of tensors, and tensors."""

import ctypes
import os

import ml_dtypes
import numpy as np

from .._trt import DataType, TensorFormat
from ._shapes import Shape, ShapeExpr, ShapeExprs

_NUMPY = {DataType.FLOAT: np.float32, DataType.HALF: np.float16, DataType.BF16: ml_dtypes.bfloat16,
          DataType.INT8: np.int8, DataType.UINT8: np.uint8, DataType.INT32: np.int32, DataType.INT64: np.int64,
          DataType.BOOL: np.bool_, DataType.FP8: ml_dtypes.float8_e4m3fn}
_MEMORY_TYPE, _IS_MANAGED, _ORDINAL = 2, 8, 9  # attributes of CUpointer_attribute
_DEVICE = 2  # of CUmemorytype
_DLPACK_CUDA = 2


def _gpu_of(address):
    """The number of the GPU whose memory the host cannot read at an address; None for what it can read. A driver is
    asked only where the process has one."""
    try:
        ask = ctypes.CDLL("libcuda.so.1", mode=os.RTLD_NOW | os.RTLD_NOLOAD).cuPointerGetAttribute
    except OSError:
        return None

    def attribute(which):
        value = ctypes.c_uint(0)
        failed = ask(ctypes.byref(value), which, ctypes.c_uint64(address))
        return None if failed else value.value

    return attribute(_ORDINAL) if attribute(_MEMORY_TYPE) == _DEVICE and not attribute(_IS_MANAGED) else None


class TensorDesc:
    """A tensor's dimensions and type; in autotune functions and later, its shape and format too."""

    is_size_tensor = False

    def __init__(self, shape_expr=None, dtype=None, format=TensorFormat.LINEAR, scale=1.0):
        self._shape_expr, self._shape, self._aliased = None, None, None
        self._dtype, self.format, self.scale = dtype, format, scale
        if shape_expr is not None:
            self.shape_expr = shape_expr

    @property
    def dtype(self):
        """A trt.DataType."""
        return self._dtype

    @dtype.setter
    def dtype(self, value):
        if not isinstance(value, DataType):
            raise TypeError(f"dtype is a trt.DataType, not {value!r}")
        self._dtype = value

    @property
    def shape_expr(self):
        """ShapeExprs."""
        if self._shape_expr is None:
            raise AttributeError("the tensor has no dimensions yet; set shape_expr")
        return self._shape_expr

    @shape_expr.setter
    def shape_expr(self, value):
        self._shape_expr = value if isinstance(value, ShapeExprs) else ShapeExprs.from_tuple(tuple(value))

    @property
    def shape(self):
        """A Shape; only where an engine is built, not in register functions."""
        if self._shape is None:
            raise AttributeError("shapes are expressions here; use shape_expr")
        return self._shape

    @property
    def ndim(self):
        return len(self._shape if self._shape is not None else self.shape_expr)

    @property
    def has_shape(self):
        return self._shape is not None

    @property
    def has_shape_expr(self):
        return self._shape_expr is not None

    @property
    def is_aliased(self):
        return self._aliased is not None

    def get_aliased(self):
        """The input whose memory the tensor uses, or None."""
        return self._aliased

    def like(self):
        """A description with the same dimensions and type."""
        return TensorDesc(self.shape_expr.clone(), self.dtype, self.format, self.scale)

    def aliased(self):
        """The same, of an output that overwrites this input."""
        made = self.like()
        made._aliased = self
        return made

    @classmethod
    def _of(cls, desc, bounds=None):
        """The description that a build or a run tells."""
        made = cls(None, desc.type, desc.format, desc.scale)
        made._shape = Shape(desc.dims, bounds)
        made._shape_expr = ShapeExprs.from_tuple(
            [ShapeExpr(d) if d >= 0 else ShapeExpr() for d in made._shape])
        return made


class SizeTensorDesc(TensorDesc):
    """An output without dimensions that holds a size which only the data tells."""

    is_size_tensor = True

    def __init__(self, opt, upper_bound, expression):
        TensorDesc.__init__(self, (), DataType.INT32)
        self.opt, self.upper_bound, self._expression = opt, upper_bound, expression

    def expr(self):
        """The size as a dimension of other outputs."""
        return self._expression


class _Sizes:
    """The size tensors that a register function is making; `places` tells each one's output once that is known."""

    current = None

    def __init__(self, builder=None, places=()):
        self.builder, self.places, self.made = builder, places, []

    def __enter__(self):
        self.before, _Sizes.current = _Sizes.current, self
        return self

    def __exit__(self, *error):
        _Sizes.current = self.before

    def add(self, opt, upper_bound):
        opt, upper_bound, expression = ShapeExpr(opt), ShapeExpr(upper_bound), ShapeExpr()
        if self.builder is not None and len(self.made) < len(self.places):
            native = self.builder.declare_size_tensor(self.places[len(self.made)], opt._native(self.builder),
                                                      upper_bound._native(self.builder))
            expression = ShapeExpr(native, self.builder)
        self.made.append(SizeTensorDesc(opt, upper_bound, expression))
        return self.made[-1]


def size_tensor(opt, upper_bound):
    """An output that tells a size: `opt` to plan with, never above `upper_bound`."""
    if _Sizes.current is None:
        raise RuntimeError("size_tensor() is called by functions that trt.plugin.register decorates")
    return _Sizes.current.add(opt, upper_bound)


def from_shape_expr(shape_expr, dtype):
    """A TensorDesc of dimensions and a type."""
    return TensorDesc(shape_expr, dtype)


class Tensor:
    """A tensor of one run, whose memory others see without a copy: on the processor numpy.asarray(),
    numpy.from_dlpack() and torch.as_tensor(); on a GPU, by __cuda_array_interface__, torch.as_tensor(t, device="cuda")
    and cupy.asarray(). Work on a GPU belongs into the stream that the function was given."""

    def __init__(self, address, desc, stream=0):
        self._address, self._dims = int(address), tuple(int(d) for d in desc.dims)
        self._stream, self._gpu = int(stream), _gpu_of(self._address)
        self.dtype, self.format, self.scale = desc.type, desc.format, desc.scale
        self._aliased = None

    @property
    def data_ptr(self):
        """The address, in the memory of the device that the engine runs on."""
        return self._address

    @property
    def shape(self):
        return self._dims

    @property
    def ndim(self):
        return len(self._dims)

    @property
    def strides(self):
        """In elements."""
        steps, step = [], 1
        for dim in reversed(self._dims):
            steps.append(step)
            step *= dim
        return tuple(reversed(steps))

    @property
    def is_aliased(self):
        return self._aliased is not None

    def get_aliased(self):
        return self._aliased

    def numel(self):
        return int(np.prod(self._dims, dtype=np.int64))

    def numpy(self):
        """The memory as an array. TypeError where it is a GPU's."""
        if self._gpu is not None:
            raise TypeError("the tensor lies in the memory of a GPU, which numpy cannot read; torch.as_tensor(t, "
                            'device="cuda") and cupy.asarray(t) can')
        dtype = self._numpy_type()
        if self.numel() == 0:
            return np.empty(self._dims, dtype)
        memory = (ctypes.c_char * (self.numel() * dtype.itemsize)).from_address(self._address)
        return np.frombuffer(memory, dtype).reshape(self._dims)

    def _numpy_type(self):
        if self.dtype not in _NUMPY:
            raise TypeError(f"numpy has no data type for {self.dtype}")
        return np.dtype(_NUMPY[self.dtype])

    @property
    def __cuda_array_interface__(self):
        if self._gpu is None:
            raise AttributeError("the tensor lies in host memory, where it has __array__")
        legacy_default = 1
        return {"shape": self._dims, "typestr": self._numpy_type().str, "data": (self._address, False),
                "strides": None, "stream": self._stream or legacy_default, "version": 3}

    def __array__(self, dtype=None, copy=None):
        array = self.numpy() if dtype is None else self.numpy().astype(dtype, copy=False)
        return array.copy() if copy else array

    def __dlpack__(self, **keywords):
        if self._gpu is None:
            return self.numpy().__dlpack__(**keywords)
        try:
            import torch  # type: ignore[import-not-found]
        except ImportError:
            raise BufferError("DLPack of a GPU's memory needs torch; cupy.asarray(t) does not") from None
        return torch.as_tensor(self, device=f"cuda:{self._gpu}").__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.numpy().__dlpack_device__() if self._gpu is None else (_DLPACK_CUDA, self._gpu)
