"""What the stand-ins for CUDA's Python packages share: the runtime through ctypes, the way back to the real package.

With a GPU the runtime is CUDA's own; without one it is Tenon's, on host memory, where a device pointer is an address.
"""

import ctypes
import enum
import functools
import importlib.machinery
import importlib.util
import os
import re
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


def _without_driver():
    """Whether no GPU can be had in this process, as far as that is seen without asking a driver."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


def _load():
    """For all of the process: the engine finds the host-memory runtime among its symbols."""
    count = ctypes.c_int()
    for name in () if _without_driver() else ("libcudart.so.13", "libcudart.so.12", "libcudart.so"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        if library.cudaGetDeviceCount(ctypes.byref(count)) == 0 and count.value > 0:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    try:
        return ctypes.CDLL(_HOST_RUNTIME, mode=ctypes.RTLD_GLOBAL)
    except OSError as e:
        raise ImportError(f"no CUDA runtime: there is no device for NVIDIA's, and Tenon's on host memory: {e}") from e


_library = None


def runtime():
    """The loaded runtime library."""
    global _library
    if _library is None:
        _library = _load()
        _library.cudaGetErrorString.restype = ctypes.c_char_p
        _library.cudaGetErrorName.restype = ctypes.c_char_p
    return _library


_RUNTIME_NAME = re.compile(r"libcudart\.so[.0-9]*")


def serve_ctypes():
    """Without a driver, programs that load CUDA's runtime by ctypes get the one on host memory from now on.

    What is loaded for all of the process (RTLD_GLOBAL) stays: libraries do so with those they are linked to.
    """
    begin = ctypes.CDLL.__init__
    if hasattr(begin, "__wrapped__") or not os.path.exists(_HOST_RUNTIME):
        return

    @functools.wraps(begin)
    def load(self, name, mode=ctypes.DEFAULT_MODE, *rest, **named):
        if mode == ctypes.DEFAULT_MODE and isinstance(name, (str, os.PathLike)):
            if _RUNTIME_NAME.fullmatch(os.path.basename(name)) and _without_driver():
                name = runtime()._name
        begin(self, name, mode, *rest, **named)

    ctypes.CDLL.__init__ = load


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
