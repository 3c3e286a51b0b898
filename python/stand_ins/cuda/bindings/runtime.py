"""The CUDA runtime's functions as cuda-python has them: each returns a tuple that begins with the error."""

import ctypes
import enum

from _tenon_cuda import call, cudaError_t, error, pointer, runtime  # noqa: F401

cudaMemAttachGlobal, cudaMemAttachHost = 1, 2
cudaHostAllocDefault, cudaHostAllocPortable, cudaHostAllocMapped, cudaHostAllocWriteCombined = 0, 1, 2, 4
cudaStreamDefault, cudaStreamNonBlocking = 0, 1
cudaEventDefault, cudaEventBlockingSync, cudaEventDisableTiming = 0, 1, 2


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToHost = 0
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3
    cudaMemcpyDefault = 4


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


class cudaStreamCaptureStatus(enum.IntEnum):
    cudaStreamCaptureStatusNone = 0
    cudaStreamCaptureStatusActive = 1
    cudaStreamCaptureStatusInvalidated = 2


class cudaDeviceAttr(enum.IntEnum):
    cudaDevAttrMaxThreadsPerBlock = 1
    cudaDevAttrMaxSharedMemoryPerBlock = 8
    cudaDevAttrWarpSize = 10
    cudaDevAttrClockRate = 13
    cudaDevAttrMultiProcessorCount = 16
    cudaDevAttrIntegrated = 18
    cudaDevAttrMemoryClockRate = 36
    cudaDevAttrGlobalMemoryBusWidth = 37
    cudaDevAttrL2CacheSize = 38
    cudaDevAttrUnifiedAddressing = 41
    cudaDevAttrComputeCapabilityMajor = 75
    cudaDevAttrComputeCapabilityMinor = 76


class _Handle(int):
    """A stream, event or graph: an integer with the ways in which programs ask for it."""

    def getPtr(self):
        return int(self)


class cudaStream_t(_Handle):
    pass


class cudaEvent_t(_Handle):
    pass


class cudaGraph_t(_Handle):
    pass


class cudaGraphExec_t(_Handle):
    pass


def _made(name, kind, *arguments):
    """Calls a function whose first parameter receives a handle."""
    out = ctypes.c_void_p()
    code = call(name, ctypes.byref(out), *arguments)
    return code, kind(out.value or 0)


def _number(name, ctype, *arguments):
    out = ctype()
    code = call(name, ctypes.byref(out), *arguments)
    return code, out.value


def _size(value):
    return ctypes.c_size_t(int(value))


def cudaMalloc(size):
    return _made("cudaMalloc", int, _size(size))


def cudaMallocManaged(size, flags):
    return _made("cudaMallocManaged", int, _size(size), ctypes.c_uint(flags))


def cudaMallocHost(size):
    return _made("cudaMallocHost", int, _size(size))


def cudaHostAlloc(size, flags):
    return _made("cudaHostAlloc", int, _size(size), ctypes.c_uint(flags))


def cudaHostRegister(address, size, flags):
    return (call("cudaHostRegister", pointer(address), _size(size), ctypes.c_uint(flags)),)


def cudaHostUnregister(address):
    return (call("cudaHostUnregister", pointer(address)),)


def cudaMallocAsync(size, stream):
    return _made("cudaMallocAsync", int, _size(size), pointer(stream))


def cudaFree(address):
    return (call("cudaFree", pointer(address)),)


def cudaFreeAsync(address, stream):
    return (call("cudaFreeAsync", pointer(address), pointer(stream)),)


def cudaFreeHost(address):
    return (call("cudaFreeHost", pointer(address)),)


def cudaMemcpy(target, source, count, kind):
    return (call("cudaMemcpy", pointer(target), pointer(source), _size(count), int(kind)),)


def cudaMemcpyAsync(target, source, count, kind, stream):
    return (call("cudaMemcpyAsync", pointer(target), pointer(source), _size(count), int(kind), pointer(stream)),)


def cudaMemset(address, value, count):
    return (call("cudaMemset", pointer(address), int(value), _size(count)),)


def cudaMemsetAsync(address, value, count, stream):
    return (call("cudaMemsetAsync", pointer(address), int(value), _size(count), pointer(stream)),)


def cudaMemGetInfo():
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    return call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total)), free.value, total.value


def cudaStreamCreate():
    return _made("cudaStreamCreate", cudaStream_t)


def cudaStreamCreateWithFlags(flags):
    return _made("cudaStreamCreateWithFlags", cudaStream_t, ctypes.c_uint(flags))


def cudaStreamCreateWithPriority(flags, priority):
    return _made("cudaStreamCreateWithPriority", cudaStream_t, ctypes.c_uint(flags), int(priority))


def cudaStreamWaitEvent(stream, event, flags=0):
    return (call("cudaStreamWaitEvent", pointer(stream), pointer(event), ctypes.c_uint(flags)),)


def cudaStreamBeginCapture(stream, mode):
    return (call("cudaStreamBeginCapture", pointer(stream), int(mode)),)


def cudaStreamEndCapture(stream):
    out = ctypes.c_void_p()
    return call("cudaStreamEndCapture", pointer(stream), ctypes.byref(out)), cudaGraph_t(out.value or 0)


def cudaStreamIsCapturing(stream):
    out = ctypes.c_int()
    return call("cudaStreamIsCapturing", pointer(stream), ctypes.byref(out)), cudaStreamCaptureStatus(out.value)


def cudaGraphInstantiate(graph, flags=0, *_):
    return _made("cudaGraphInstantiate", cudaGraphExec_t, pointer(graph), ctypes.c_ulonglong(int(flags)))


def cudaGraphLaunch(graph, stream):
    return (call("cudaGraphLaunch", pointer(graph), pointer(stream)),)


def cudaEventCreate():
    return _made("cudaEventCreate", cudaEvent_t)


def cudaEventCreateWithFlags(flags):
    return _made("cudaEventCreateWithFlags", cudaEvent_t, ctypes.c_uint(flags))


def cudaEventRecord(event, stream):
    return (call("cudaEventRecord", pointer(event), pointer(stream)),)


def cudaEventElapsedTime(start, end):
    return _number("cudaEventElapsedTime", ctypes.c_float, pointer(start), pointer(end))


def _of_handle(name):
    def function(handle):
        return (call(name, pointer(handle)),)

    function.__name__ = name
    return function


for _name in ("cudaStreamDestroy", "cudaStreamSynchronize", "cudaStreamQuery", "cudaEventDestroy", "cudaEventQuery",
              "cudaEventSynchronize", "cudaGraphDestroy", "cudaGraphExecDestroy"):
    globals()[_name] = _of_handle(_name)


def _of_nothing(name):
    def function():
        return (call(name),)

    function.__name__ = name
    return function


for _name in ("cudaDeviceSynchronize", "cudaDeviceReset", "cudaGetLastError", "cudaPeekAtLastError",
              "cudaProfilerStart", "cudaProfilerStop"):
    globals()[_name] = _of_nothing(_name)


def cudaGetDevice():
    return _number("cudaGetDevice", ctypes.c_int)


def cudaGetDeviceCount():
    return _number("cudaGetDeviceCount", ctypes.c_int)


def cudaSetDevice(device):
    return (call("cudaSetDevice", int(device)),)


def cudaDeviceGetAttribute(attribute, device):
    return _number("cudaDeviceGetAttribute", ctypes.c_int, int(attribute), int(device))


def cudaDriverGetVersion():
    return _number("cudaDriverGetVersion", ctypes.c_int)


def cudaRuntimeGetVersion():
    return _number("cudaRuntimeGetVersion", ctypes.c_int)


class cudaDeviceProp:
    """The properties that programs print: name, memory, processors, compute capability."""

    def __init__(self, device):
        # Every release's structure begins with the name.
        raw = ctypes.create_string_buffer(8192)
        self.error = call("cudaGetDeviceProperties", raw, int(device))
        self.name = raw.raw[:256].split(b"\0")[0]
        self.totalGlobalMem = cudaMemGetInfo()[2]
        attribute = lambda which: cudaDeviceGetAttribute(which, device)[1]
        self.major = attribute(cudaDeviceAttr.cudaDevAttrComputeCapabilityMajor)
        self.minor = attribute(cudaDeviceAttr.cudaDevAttrComputeCapabilityMinor)
        self.multiProcessorCount = attribute(cudaDeviceAttr.cudaDevAttrMultiProcessorCount)
        self.warpSize = attribute(cudaDeviceAttr.cudaDevAttrWarpSize)
        self.clockRate = attribute(cudaDeviceAttr.cudaDevAttrClockRate)
        self.sharedMemPerBlock = attribute(cudaDeviceAttr.cudaDevAttrMaxSharedMemoryPerBlock)
        self.maxThreadsPerBlock = attribute(cudaDeviceAttr.cudaDevAttrMaxThreadsPerBlock)


def cudaGetDeviceProperties(device):
    properties = cudaDeviceProp(device)
    return properties.error, properties


def cudaGetErrorName(code):
    return cudaError_t.cudaSuccess, runtime().cudaGetErrorName(int(code))


def cudaGetErrorString(code):
    return cudaError_t.cudaSuccess, runtime().cudaGetErrorString(int(code))
