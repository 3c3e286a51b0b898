"""The CUDA driver's functions that TensorRT programs call, over the runtime; each returns a tuple that begins with the
error."""

import enum

from cuda.bindings import runtime as _runtime


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NOT_INITIALIZED = 3
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_DEVICE = 101
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_INVALID_HANDLE = 400
    CUDA_ERROR_NOT_READY = 600
    CUDA_ERROR_UNKNOWN = 999


class CUstream(int):
    def getPtr(self):
        return int(self)


class CUdeviceptr(int):
    pass


class CUcontext(int):
    pass


def _result(error):
    try:
        return CUresult(int(error))
    except ValueError:
        return CUresult.CUDA_ERROR_UNKNOWN


def _forward(values):
    return (_result(values[0]),) + tuple(values[1:])


_contexts = []


def cuInit(flags):
    return (CUresult.CUDA_SUCCESS,)


def cuDeviceGet(ordinal):
    error, count = _runtime.cudaGetDeviceCount()
    if ordinal < 0 or ordinal >= count:
        return CUresult.CUDA_ERROR_INVALID_DEVICE, 0
    return _result(error), ordinal


def cuDeviceGetCount():
    return _forward(_runtime.cudaGetDeviceCount())


def cuCtxCreate(*arguments):
    _contexts.append(CUcontext(len(_contexts) + 1))
    return CUresult.CUDA_SUCCESS, _contexts[-1]


def cuCtxDestroy(context):
    if context in _contexts:
        _contexts.remove(context)
        return (CUresult.CUDA_SUCCESS,)
    return (CUresult.CUDA_ERROR_INVALID_CONTEXT,)


def cuCtxPushCurrent(context):
    _contexts.append(context)
    return (CUresult.CUDA_SUCCESS,)


def cuCtxPopCurrent():
    if not _contexts:
        return CUresult.CUDA_ERROR_INVALID_CONTEXT, CUcontext(0)
    return CUresult.CUDA_SUCCESS, _contexts.pop()


def cuMemAlloc(size):
    error, address = _runtime.cudaMalloc(size)
    return _result(error), CUdeviceptr(address)


def cuMemFree(address):
    return _forward(_runtime.cudaFree(address))


def cuMemcpyHtoD(target, source, size):
    return _forward(_runtime.cudaMemcpy(target, source, size, _runtime.cudaMemcpyKind.cudaMemcpyHostToDevice))


def cuMemcpyDtoH(target, source, size):
    return _forward(_runtime.cudaMemcpy(target, source, size, _runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost))


def cuMemcpyHtoDAsync(target, source, size, stream):
    kind = _runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    return _forward(_runtime.cudaMemcpyAsync(target, source, size, kind, stream))


def cuMemcpyDtoHAsync(target, source, size, stream):
    kind = _runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
    return _forward(_runtime.cudaMemcpyAsync(target, source, size, kind, stream))


def cuStreamCreate(flags):
    error, stream = _runtime.cudaStreamCreateWithFlags(flags)
    return _result(error), CUstream(stream)


def cuStreamSynchronize(stream):
    return _forward(_runtime.cudaStreamSynchronize(stream))


def cuStreamDestroy(stream):
    return _forward(_runtime.cudaStreamDestroy(stream))


def cuGetErrorName(error):
    return CUresult.CUDA_SUCCESS, CUresult(error).name.encode()


def cuGetErrorString(error):
    return CUresult.CUDA_SUCCESS, CUresult(error).name.lower().replace("_", " ").encode()
