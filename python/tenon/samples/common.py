"""Buffers and runs, as the samples of TensorRT's releases write them, on a GPU or on the host.

    inputs, outputs, bindings, stream = allocate_buffers(engine)
    inputs[0].host = image
    scores, = do_inference(context, engine, bindings, inputs, outputs, stream)
"""

import numpy as np

try:
    from cuda.bindings import runtime as cudart
    import tensorrt as trt
except ImportError:
    from tenon import tensorrt as _packages

    _packages.install()
    from cuda.bindings import runtime as cudart
    import tensorrt as trt

__all__ = ["GiB", "HostDeviceMem", "ONNXClassifierWrapper", "Stream", "allocate_buffers", "check_cuda_err", "cuda_call",
           "do_inference", "do_inference_v2", "free_buffers", "load_engine", "memcpy_device_to_host",
           "memcpy_host_to_device"]


def GiB(val):
    """Bytes of `val` gibibytes."""
    return val * 1 << 30


def check_cuda_err(err):
    """Raises RuntimeError for a failed call of the CUDA runtime."""
    if int(err) != 0:
        name = cudart.cudaGetErrorString(err)[1]
        raise RuntimeError(f"CUDA runtime: {name.decode() if isinstance(name, bytes) else name}")


def cuda_call(call):
    """What a call of cuda-python returned, without its error, which raises RuntimeError."""
    check_cuda_err(call[0])
    return call[1] if len(call) == 2 else call[1:]


class Stream:
    """A CUDA stream."""

    def __init__(self):
        self.handle = int(cuda_call(cudart.cudaStreamCreate()))

    def synchronize(self):
        """Waits for the stream's work."""
        cuda_call(cudart.cudaStreamSynchronize(self.handle))

    def __int__(self):
        return self.handle

    def free(self):
        if self.handle:
            cuda_call(cudart.cudaStreamDestroy(self.handle))
        self.handle = 0


class HostDeviceMem:
    """An array and device memory of its size: HostDeviceMem(elements, dtype), or HostDeviceMem(host, device) of what
    the caller has allocated."""

    def __init__(self, size, dtype=None):
        self._owned = not isinstance(size, np.ndarray)
        if self._owned:
            self._host = np.zeros(size, dtype or np.float32)
            self._device = int(cuda_call(cudart.cudaMalloc(max(self._host.nbytes, 1))))
        else:
            self._host, self._device = size, dtype

    @property
    def host(self):
        return self._host

    @host.setter
    def host(self, data):
        """Copies values, converted to the array's type; fewer leave the rest as it was."""
        values = np.asarray(data).reshape(-1)
        if values.size > self._host.size:
            raise ValueError(f"{values.size} elements are given, the buffer has {self._host.size}")
        np.copyto(self._host.reshape(-1)[:values.size], values, casting="unsafe")

    @property
    def device(self):
        return self._device

    @property
    def nbytes(self):
        return self._host.nbytes

    def free(self):
        """Frees device memory that this object allocated."""
        if self._owned and self._device:
            cuda_call(cudart.cudaFree(self._device))
            self._device = 0

    def __repr__(self):
        return f"Host:\n{self._host}\nDevice:\n{self._device}\n"


def memcpy_host_to_device(device_ptr, host_arr):
    """Copies an array to an address."""
    host_arr = np.ascontiguousarray(host_arr)
    cuda_call(cudart.cudaMemcpy(int(device_ptr), host_arr.ctypes.data, host_arr.nbytes,
                                cudart.cudaMemcpyKind.cudaMemcpyHostToDevice))


def memcpy_device_to_host(host_arr, device_ptr):
    """Fills an array from an address."""
    cuda_call(cudart.cudaMemcpy(host_arr.ctypes.data, int(device_ptr), host_arr.nbytes,
                                cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost))


def load_engine(path, logger=None):
    """The engine of a plan's file. Raises RuntimeError if it can't be read; the reason is in the log."""
    runtime = trt.Runtime(logger or trt.Logger(trt.Logger.WARNING))
    with open(path, "rb") as plan:
        engine = runtime.deserialize_cuda_engine(plan.read())
    if engine is None:
        raise RuntimeError(f"{path} is no plan that this release reads")
    return engine


def _elements(engine, name, profile_idx):
    """Elements of a tensor at the profile's largest input shapes."""
    shape = engine.get_tensor_shape(name)
    if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT and min(shape, default=0) < 0:
        if profile_idx is None:
            raise ValueError(f"input '{name}' has dimensions that vary, {tuple(shape)}: give profile_idx")
        shape = engine.get_tensor_profile_shape(name, profile_idx)[-1]
    return trt.volume(shape)


def _output_elements(engine, profile_idx):
    """Elements of outputs whose dimensions vary, by name."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    context = engine.create_execution_context()
    for name in names:
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT and min(engine.get_tensor_shape(name), default=0) < 0:
            context.set_input_shape(name, engine.get_tensor_profile_shape(name, profile_idx)[-1])
    return {name: trt.volume(context.get_tensor_shape(name)) for name in names
            if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT}


def allocate_buffers(engine, profile_idx=None):
    """(inputs, outputs, bindings, stream): HostDeviceMem of every tensor, at the largest shapes of a profile where they
    vary; the device addresses in the engine's order."""
    inputs, outputs, bindings, stream = [], [], [], Stream()
    largest = _output_elements(engine, profile_idx) if profile_idx is not None else {}
    batch = max(engine.max_batch_size, 1) if engine.has_implicit_batch_dimension else 1
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        size = largest.get(name) or _elements(engine, name, profile_idx)
        if size < 0:
            raise ValueError(f"output '{name}' has dimensions that vary: give profile_idx")
        memory = HostDeviceMem(size * batch, np.dtype(trt.nptype(engine.get_tensor_dtype(name))))
        bindings.append(memory.device)
        (inputs if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else outputs).append(memory)
    return inputs, outputs, bindings, stream


def free_buffers(inputs, outputs, stream):
    """Frees what allocate_buffers() made."""
    for memory in [*inputs, *outputs]:
        memory.free()
    stream.free()


def _run(inputs, outputs, stream, execute):
    handle, kind = int(getattr(stream, "handle", stream)), cudart.cudaMemcpyKind
    for memory in inputs:
        cuda_call(cudart.cudaMemcpyAsync(int(memory.device), memory.host.ctypes.data, memory.host.nbytes,
                                         kind.cudaMemcpyHostToDevice, handle))
    if not execute(handle):
        raise RuntimeError("the run failed; the log has the reason")
    for memory in outputs:
        cuda_call(cudart.cudaMemcpyAsync(memory.host.ctypes.data, int(memory.device), memory.host.nbytes,
                                         kind.cudaMemcpyDeviceToHost, handle))
    cuda_call(cudart.cudaStreamSynchronize(handle))
    return [memory.host for memory in outputs]


def do_inference(context, engine=None, bindings=None, inputs=None, outputs=None, stream=None, batch_size=1):
    """Copies inputs, runs, copies outputs, waits; the outputs' arrays. Without `engine` (programs for releases until 9)
    an engine of implicit batch runs `batch_size` rows. Raises RuntimeError if the run fails."""
    if isinstance(engine, (list, tuple)):  # do_inference(context, bindings, inputs, outputs, stream[, batch_size])
        batch_size = batch_size if stream is None else stream
        engine, bindings, inputs, outputs, stream = None, engine, bindings, inputs, outputs
    engine = engine or context.engine
    if engine.has_implicit_batch_dimension:
        return _run(inputs, outputs, stream, lambda handle: context.execute_async(batch_size, bindings, handle))
    for i in range(engine.num_io_tensors):
        context.set_tensor_address(engine.get_tensor_name(i), bindings[i])
    return _run(inputs, outputs, stream, lambda handle: context.execute_async_v3(stream_handle=handle))


def do_inference_v2(context, bindings, inputs, outputs, stream):
    """The same through a list of bindings."""
    return _run(inputs, outputs, stream,
                lambda handle: context.execute_async_v2(bindings=bindings, stream_handle=handle))


class ONNXClassifierWrapper:
    """A classifier from a plan's file: ONNXClassifierWrapper("classifier.plan", [batch, classes]).predict(images).

    `num_classes` is the output's shape; images are converted to the input's type. Where the input's dimensions are
    fixed, only the number of values has to agree. Memory is allocated once, for the first batch.
    """

    def __init__(self, file, num_classes, target_dtype=np.float32):
        self.target_dtype = target_dtype
        self.num_classes = num_classes
        self.stream = None
        self.load(file)

    def load(self, file):
        self.engine = load_engine(file)
        self.context = self.engine.create_execution_context()
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        self.input_name = next(n for n in names if self.engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT)
        self.output_name = next(n for n in names if n != self.input_name)

    def allocate_memory(self, batch):
        shape = tuple(self.engine.get_tensor_shape(self.input_name))
        if min(shape, default=0) < 0:
            taken = self.context.set_input_shape(self.input_name, batch.shape)
        else:
            taken = trt.volume(shape) == batch.size
        if not taken:
            raise ValueError(f"images are {batch.shape}, accepted are {shape}")
        dtype = np.dtype(trt.nptype(self.engine.get_tensor_dtype(self.output_name)))
        self.input = HostDeviceMem(batch.size, np.dtype(trt.nptype(self.engine.get_tensor_dtype(self.input_name))))
        self.result = HostDeviceMem(trt.volume(self.context.get_tensor_shape(self.output_name)), dtype)
        self.output = np.empty(self.num_classes, dtype=self.target_dtype)
        self.context.set_tensor_address(self.input_name, self.input.device)
        self.context.set_tensor_address(self.output_name, self.result.device)
        self.stream = Stream()

    def predict(self, batch):
        """Scores of a batch, as the shape that `num_classes` tells."""
        batch = np.asarray(batch)
        if self.stream is None:
            self.allocate_memory(batch)
        self.input.host = batch
        found, = _run([self.input], [self.result], self.stream,
                      lambda handle: self.context.execute_async_v3(stream_handle=handle))
        np.copyto(self.output, found.reshape(self.output.shape), casting="unsafe")
        return self.output
