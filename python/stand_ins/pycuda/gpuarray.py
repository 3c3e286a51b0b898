"""Arrays in device memory."""

import numpy as np

import pycuda.driver as cuda


class GPUArray:
    """Memory on the device with a shape and a data type."""

    def __init__(self, shape, dtype, allocator=cuda.mem_alloc):
        self.shape = tuple(shape) if hasattr(shape, "__len__") else (int(shape),)
        self.dtype = np.dtype(dtype)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.nbytes = self.size * self.dtype.itemsize
        self.gpudata = allocator(max(self.nbytes, 1))

    @property
    def ptr(self):
        return int(self.gpudata)

    def __len__(self):
        return self.shape[0]

    def set(self, array):
        self.set_async(array)

    def set_async(self, array, stream=None):
        if array.nbytes != self.nbytes:
            raise ValueError(f"the array has {array.nbytes} bytes, the GPUArray {self.nbytes}")
        cuda.memcpy_htod_async(self.gpudata, np.ascontiguousarray(array), stream)

    def get(self, ary=None):
        return self.get_async(ary=ary)

    def get_async(self, stream=None, ary=None):
        result = np.empty(self.shape, self.dtype) if ary is None else ary
        cuda.memcpy_dtoh_async(result, self.gpudata, stream)
        return result

    def fill(self, value, stream=None):
        self.set_async(np.full(self.shape, value, self.dtype), stream)
        return self

    def reshape(self, *shape):
        view = object.__new__(GPUArray)
        view.__dict__.update(self.__dict__)
        dims = shape[0] if len(shape) == 1 and hasattr(shape[0], "__len__") else shape
        view.shape = np.empty(self.shape, np.bool_).reshape(dims).shape
        return view


def empty(shape, dtype, allocator=cuda.mem_alloc, order="C"):
    return GPUArray(shape, dtype, allocator)


def zeros(shape, dtype=np.float64, allocator=cuda.mem_alloc, order="C"):
    return GPUArray(shape, dtype, allocator).fill(0)


def empty_like(array):
    return GPUArray(array.shape, array.dtype)


def to_gpu(array, allocator=cuda.mem_alloc):
    result = GPUArray(array.shape, array.dtype, allocator)
    result.set(array)
    return result
