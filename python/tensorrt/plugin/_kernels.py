"""Kernels compiled ahead of time for a GPU, and streams, through its driver."""

import contextlib
import ctypes
import functools
import threading

from ._shapes import SymInt32

_LOG = 4096
_JIT_ERROR_LOG, _JIT_ERROR_LOG_BYTES = 5, 6  # of CUjit_option
_MAX_DYNAMIC_SHARED = 8  # of CUfunction_attribute
_USUAL_SHARED = 48 << 10
_UNTIMED = 2  # of CUevent_flags
_SPARE = 4  # empty arguments after those that are known: compilers add some of their own
_loading = threading.Lock()


def _load_driver():
    """The driver's library, or None where there is no GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int(0)
    counted = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return driver if counted and count.value else None


_driver = functools.cache(_load_driver)


def has_gpu():
    return _driver() is not None


def _call(name, *arguments, more=lambda: ""):
    driver = _driver()
    code = getattr(driver, name)(*arguments)
    if code != 0:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(code, ctypes.byref(text))
        raise RuntimeError(f"{name}: {(text.value or b'unknown error').decode()}{more()}")


def _enter(gpu):
    """The calling thread's context, which becomes the GPU's usual one if there is none."""
    context = ctypes.c_void_p()
    _call("cuCtxGetCurrent", ctypes.byref(context))
    if not context.value:
        _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), ctypes.c_int(gpu))
        _call("cuCtxSetCurrent", context)
    return context.value


def _load_function(context, name, code):
    """A kernel of a module in a context, which keeps it."""
    module, function, log = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(_LOG)
    options = (ctypes.c_int * 2)(_JIT_ERROR_LOG, _JIT_ERROR_LOG_BYTES)
    values = (ctypes.c_void_p * 2)(ctypes.addressof(log), _LOG)
    _call("cuModuleLoadDataEx", ctypes.byref(module), code + b"\0", 2, options, values,
          more=lambda: f": {log.value.decode(errors='replace')}")
    _call("cuModuleGetFunction", ctypes.byref(function), module, name, more=lambda: f" '{name.decode()}'")
    return function.value


_function = functools.lru_cache(maxsize=256)(_load_function)


def _make_beside_default(context):
    """A stream of a context that waits for its default stream, and an event."""
    stream, event = ctypes.c_void_p(), ctypes.c_void_p()
    _call("cuStreamCreate", ctypes.byref(stream), 0)
    _call("cuEventCreate", ctypes.byref(event), _UNTIMED)
    return stream, event


_beside_default = functools.cache(_make_beside_default)


@contextlib.contextmanager
def stream_with_handle(gpu, stream):
    """A stream that others can be given by its handle, in the place of `stream`: the default stream's is 0, in which
    torch.cuda.ExternalStream() sees none and takes one of torch's own."""
    if stream:
        yield stream
        return
    with _loading:
        own, event = _beside_default(_enter(gpu))
    yield own.value
    _call("cuEventRecord", event, own)
    _call("cuStreamWaitEvent", None, event, 0)


def _bytes(text):
    return text.encode() if isinstance(text, str) else bytes(text)


class Launch:
    """One launch, as an aot_impl function tells it: its name, PTX, launch parameters and further arguments."""

    def __init__(self, plugin_id, told):
        if not isinstance(told, tuple) or len(told) != 4:
            raise TypeError(f"{plugin_id}: the aot_impl function returns (name, PTX, KernelLaunchParams, SymIntExprs), "
                            f"not {told!r:.200}")
        name, code, launch, extra = told
        self.name, self.code = _bytes(name), _bytes(code)
        self.grid = [int(launch.grid_x), int(launch.grid_y), int(launch.grid_z)]
        self.block = [int(launch.block_x), int(launch.block_y), int(launch.block_z)]
        self.shared = int(launch.shared_mem)
        self.extra = [(ctypes.c_int32 if isinstance(e, SymInt32) else ctypes.c_int64)(int(e)) for e in extra or ()]

    def run(self, gpu, inputs, outputs, stream):
        """Launches on a stream with the inputs' addresses, the further arguments and the outputs' addresses."""
        with _loading:
            function = ctypes.c_void_p(_function(_enter(gpu), self.name, self.code))
        if self.shared > _USUAL_SHARED:
            _call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, self.shared)
        values = [*map(ctypes.c_uint64, inputs), *self.extra, *map(ctypes.c_uint64, outputs)]
        values += [ctypes.c_uint64(0) for _ in range(_SPARE)]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        if 0 not in self.grid:
            _call("cuLaunchKernel", function, *map(ctypes.c_uint, (*self.grid, *self.block, self.shared)),
                  ctypes.c_void_p(stream), pointers, None, more=lambda: f" '{self.name.decode()}'")
