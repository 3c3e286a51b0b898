"""Devices, contexts, memory, streams and events over the CUDA runtime."""

import ctypes
import threading

import numpy as np

from _tenon_cuda import call, error_text, pointer

_H2D, _D2H, _D2D = 1, 2, 3


class Error(Exception):
    pass


class LogicError(Error):
    pass


class MemoryError(Error):
    pass


class RuntimeError(Error):
    pass


class LaunchError(Error):
    pass


_current = threading.local()
_ready = False


def _stack():
    if not hasattr(_current, "stack"):
        _current.stack = []
    return _current.stack


def _need_context(function="explicit_context_dependent"):
    if not _stack():
        raise LogicError(f"{function} failed: invalid device context - no currently active context?")


def _check(name, *arguments):
    error = call(name, *arguments)
    if error == 2:
        raise MemoryError(f"{name} failed: {error_text(error)}")
    if error != 0:
        raise LogicError(f"{name} failed: {error_text(error)}")


def _out(name, ctype, *arguments):
    value = ctype()
    _check(name, ctypes.byref(value), *arguments)
    return value.value or 0


def init(flags=0):
    global _ready
    _ready = True


def get_version():
    return (12, 0, 0)


def get_driver_version():
    return _out("cudaDriverGetVersion", ctypes.c_int)


def mem_get_info():
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _check("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


class device_attribute:
    MAX_THREADS_PER_BLOCK, WARP_SIZE, CLOCK_RATE, MULTIPROCESSOR_COUNT = 1, 10, 13, 16
    COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR = 75, 76


class ctx_flags:
    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, SCHED_BLOCKING_SYNC, MAP_HOST = 0, 1, 2, 4, 8


class host_alloc_flags:
    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class mem_attach_flags:
    GLOBAL, HOST, SINGLE = 1, 2, 4


class Context:
    """A context of a device; a thread uses the one on top of its stack."""

    def __init__(self, device):
        self._device = device

    def push(self):
        _stack().append(self)

    @staticmethod
    def pop():
        if not _stack():
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        _stack().pop()

    def detach(self):
        if self in _stack():
            _stack().remove(self)

    @staticmethod
    def synchronize():
        _need_context("cuCtxSynchronize")
        _check("cudaDeviceSynchronize")

    @staticmethod
    def get_current():
        return _stack()[-1] if _stack() else None

    @staticmethod
    def get_device():
        _need_context("cuCtxGetDevice")
        return _stack()[-1]._device


class Device:
    def __init__(self, number):
        if not _ready:
            raise LogicError("cuDeviceGet failed: initialization error")
        if not 0 <= number < Device.count():
            raise LogicError("cuDeviceGet failed: invalid device ordinal")
        self._number = number

    @staticmethod
    def count():
        return _out("cudaGetDeviceCount", ctypes.c_int)

    def make_context(self, flags=0):
        context = Context(self)
        context.push()
        return context

    def retain_primary_context(self):
        return Context(self)

    def get_attribute(self, attribute):
        return _out("cudaDeviceGetAttribute", ctypes.c_int, int(attribute), self._number)

    def compute_capability(self):
        return (self.get_attribute(device_attribute.COMPUTE_CAPABILITY_MAJOR),
                self.get_attribute(device_attribute.COMPUTE_CAPABILITY_MINOR))

    def total_memory(self):
        return mem_get_info()[1]

    def name(self):
        raw = ctypes.create_string_buffer(8192)
        _check("cudaGetDeviceProperties", raw, self._number)
        return raw.raw[:256].split(b"\0")[0].decode()


class DeviceAllocation:
    """Device memory; int() is its address. Freed with the object."""

    def __init__(self, size):
        _need_context("cuMemAlloc")
        self._address = _out("cudaMalloc", ctypes.c_void_p, ctypes.c_size_t(int(size)))

    def __int__(self):
        return self._address

    __index__ = __int__

    def free(self):
        if self._address:
            address, self._address = self._address, 0
            _check("cudaFree", pointer(address))

    def as_buffer(self, size, offset=0):
        return (ctypes.c_char * size).from_address(self._address + offset)

    def __del__(self):
        try:
            self.free()
        except Exception:
            pass


def mem_alloc(size):
    return DeviceAllocation(size)


def mem_alloc_like(array):
    return DeviceAllocation(array.nbytes)


def to_device(array):
    allocation = DeviceAllocation(array.nbytes)
    memcpy_htod(allocation, array)
    return allocation


class Stream:
    def __init__(self, flags=0):
        _need_context()
        self._handle = _out("cudaStreamCreateWithFlags", ctypes.c_void_p, ctypes.c_uint(flags))

    @property
    def handle(self):
        return self._handle

    def __int__(self):
        return self._handle

    def synchronize(self):
        _check("cudaStreamSynchronize", pointer(self._handle))

    def is_done(self):
        return call("cudaStreamQuery", pointer(self._handle)) == 0

    def wait_for_event(self, event):
        _check("cudaStreamWaitEvent", pointer(self._handle), pointer(event.handle), ctypes.c_uint(0))

    def __del__(self):
        if getattr(self, "_handle", 0):
            call("cudaStreamDestroy", pointer(self._handle))


def _stream(stream):
    return pointer(0 if stream is None else stream.handle)


class event_flags:
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING = 0, 1, 2


class Event:
    def __init__(self, flags=0):
        _need_context("cuEventCreate")
        self.handle = _out("cudaEventCreateWithFlags", ctypes.c_void_p, ctypes.c_uint(flags))

    def record(self, stream=None):
        _check("cudaEventRecord", pointer(self.handle), _stream(stream))
        return self

    def synchronize(self):
        _check("cudaEventSynchronize", pointer(self.handle))
        return self

    def query(self):
        return call("cudaEventQuery", pointer(self.handle)) == 0

    def time_till(self, event):
        return _out("cudaEventElapsedTime", ctypes.c_float, pointer(self.handle), pointer(event.handle))

    def time_since(self, event):
        return event.time_till(self)

    def __del__(self):
        if getattr(self, "handle", 0):
            call("cudaEventDestroy", pointer(self.handle))


class _PinnedMemory:
    """Memory that the runtime allocated; an array over it keeps it alive."""

    def __init__(self, size, flags):
        self._address = _out("cudaHostAlloc", ctypes.c_void_p, ctypes.c_size_t(max(size, 1)), ctypes.c_uint(flags))
        self.__array_interface__ = {"data": (self._address, False), "shape": (size,), "typestr": "|u1", "version": 3}

    def __del__(self):
        if getattr(self, "_address", 0):
            call("cudaFreeHost", pointer(self._address))


def pagelocked_empty(shape, dtype, order="C", mem_flags=0):
    _need_context()
    shape = tuple(int(d) for d in (shape if hasattr(shape, "__len__") else (shape,)))
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.asarray(_PinnedMemory(size, mem_flags))
    return memory.view(dtype).reshape(shape, order=order)


def pagelocked_zeros(shape, dtype, order="C", mem_flags=0):
    array = pagelocked_empty(shape, dtype, order, mem_flags)
    array.fill(0)
    return array


def pagelocked_empty_like(array, mem_flags=0):
    return pagelocked_empty(array.shape, array.dtype, mem_flags=mem_flags)


def register_host_memory(array, flags=0):
    _need_context()
    return array


def _copy(target, source, size, kind, stream, asynchronous):
    _need_context("cuMemcpy")
    if asynchronous:
        _check("cudaMemcpyAsync", pointer(target), pointer(source), ctypes.c_size_t(size), kind, _stream(stream))
    else:
        _check("cudaMemcpy", pointer(target), pointer(source), ctypes.c_size_t(size), kind)


def _contiguous(array, what):
    if isinstance(array, np.ndarray) and not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError(f"{what}: the array is not contiguous")
    return array


def _bytes(value):
    return value.nbytes if hasattr(value, "nbytes") else len(memoryview(value).cast("B"))


def memcpy_htod(dest, src):
    _copy(dest, _contiguous(src, "memcpy_htod"), _bytes(src), _H2D, None, False)


def memcpy_htod_async(dest, src, stream=None):
    _copy(dest, _contiguous(src, "memcpy_htod_async"), _bytes(src), _H2D, stream, True)


def memcpy_dtoh(dest, src):
    _copy(_contiguous(dest, "memcpy_dtoh"), src, _bytes(dest), _D2H, None, False)


def memcpy_dtoh_async(dest, src, stream=None):
    _copy(_contiguous(dest, "memcpy_dtoh_async"), src, _bytes(dest), _D2H, stream, True)


def memcpy_dtod(dest, src, size):
    _copy(dest, src, size, _D2D, None, False)


def memcpy_dtod_async(dest, src, size, stream=None):
    _copy(dest, src, size, _D2D, stream, True)


def memset_d8(dest, data, count):
    _check("cudaMemset", pointer(dest), int(data), ctypes.c_size_t(count))


def memset_d32(dest, data, count):
    memcpy_htod(dest, np.full(count, data, np.uint32))


class ArgumentHandler:
    """An array that a call copies to or from the device."""

    def __init__(self, array):
        self.array = array


class In(ArgumentHandler):
    pass


class Out(ArgumentHandler):
    pass


class InOut(In, Out):
    pass
