"""What the stand-ins for CUDA's Python packages share: the runtime through ctypes, the way back to the real package.

With a GPU the runtime is CUDA's own; without one it is Tenon's, on host memory, where a device pointer is an address.
"""

import ctypes
import enum
import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_HOST_RUNTIME = os.path.join(os.path.dirname(_HERE), "no_cuda", "lib", "libcudart.so.13")


def defer_to_real(name):
    """Puts the real package `name` in place of the stand-in, if one is on the path and can be imported."""
    paths = [p for p in sys.path if os.path.realpath(p or ".") != os.path.realpath(_HERE)]
    spec = importlib.machinery.PathFinder.find_spec(name, paths)
    if spec is None:
        return False
    stand_in = sys.modules.get(name)
    if spec.loader is None:  # a namespace package, as cuda-python's
        stand_in.__path__ = list(spec.submodule_search_locations)
        return True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError:
        sys.modules[name] = stand_in
        return False
    return True


def _candidates():
    for name in ("libcudart.so.13", "libcudart.so.12", "libcudart.so"):
        yield name, True
    yield _HOST_RUNTIME, False


def _load():
    count = ctypes.c_int()
    for path, needs_device in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        if not needs_device or library.cudaGetDeviceCount(ctypes.byref(count)) == 0 and count.value > 0:
            # The engine finds the host-memory runtime among the process's symbols.
            return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    raise ImportError("no CUDA runtime: neither NVIDIA's with a device nor Tenon's on host memory is there")


_library = None


def runtime():
    """The loaded runtime library."""
    global _library
    if _library is None:
        _library = _load()
        _library.cudaGetErrorString.restype = ctypes.c_char_p
        _library.cudaGetErrorName.restype = ctypes.c_char_p
    return _library


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInitializationError = 3
    cudaErrorCudartUnloading = 4
    cudaErrorInvalidConfiguration = 9
    cudaErrorInvalidPitchValue = 12
    cudaErrorInvalidSymbol = 13
    cudaErrorInvalidHostPointer = 16
    cudaErrorInvalidDevicePointer = 17
    cudaErrorInvalidMemcpyDirection = 21
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorInvalidDevice = 101
    cudaErrorPeerAccessUnsupported = 217
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalState = 401
    cudaErrorNotReady = 600
    cudaErrorPeerAccessAlreadyEnabled = 704
    cudaErrorLaunchFailure = 719
    cudaErrorNotPermitted = 800
    cudaErrorNotSupported = 801
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901
    cudaErrorUnknown = 999


def error(code):
    try:
        return cudaError_t(code)
    except ValueError:
        return cudaError_t.cudaErrorUnknown


def call(name, *arguments):
    """Calls a runtime function; returns its error."""
    return error(getattr(runtime(), name)(*arguments))


def error_text(code):
    return runtime().cudaGetErrorString(int(code)).decode()


def pointer(value):
    """An address argument: an integer, None, or an object with __int__; buffers give their memory."""
    if value is None:
        return ctypes.c_void_p(0)
    if isinstance(value, int):
        return ctypes.c_void_p(value)
    if hasattr(value, "__array_interface__"):
        return ctypes.c_void_p(value.__array_interface__["data"][0])
    if hasattr(value, "__int__"):
        return ctypes.c_void_p(int(value))
    view = memoryview(value)
    if view.readonly:
        return ctypes.cast(ctypes.c_char_p(view.tobytes()), ctypes.c_void_p)
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(view)))
