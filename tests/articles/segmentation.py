"""Runs a segmentation engine with dynamic height and width as programs for TensorRT 8 do: bindings by name, pycuda."""

import sys

import numpy as np
import pycuda.autoinit  # noqa: F401
import pycuda.driver as cuda
import tensorrt as trt

LOGGER = trt.Logger()


def normalized(pixels):
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return np.moveaxis((pixels.astype(np.float32) / 255 - mean) / deviation, 2, 0)


def load(path):
    with open(path, "rb") as plan, trt.Runtime(LOGGER) as runtime:
        return runtime.deserialize_cuda_engine(plan.read())


def infer(engine, pixels):
    image = normalized(pixels)
    with engine.create_execution_context() as context:
        context.set_binding_shape(engine.get_binding_index("input"), (1,) + image.shape)
        bindings = []
        for name in engine:
            index = engine.get_binding_index(name)
            size = trt.volume(context.get_binding_shape(index))
            dtype = trt.nptype(engine.get_binding_dtype(name))
            if engine.binding_is_input(name):
                host_input = np.ascontiguousarray(image)
                device_input = cuda.mem_alloc(image.nbytes)
                bindings.append(int(device_input))
            else:
                host_output = cuda.pagelocked_empty(size, dtype)
                device_output = cuda.mem_alloc(host_output.nbytes)
                bindings.append(int(device_output))
        stream = cuda.Stream()
        cuda.memcpy_htod_async(device_input, host_input, stream)
        context.execute_async_v2(bindings=bindings, stream_handle=stream.handle)
        cuda.memcpy_dtoh_async(host_output, device_output, stream)
        stream.synchronize()
    return np.reshape(host_output, image.shape[1:])


if __name__ == "__main__":
    np.save(sys.argv[3], infer(load(sys.argv[1]), np.load(sys.argv[2])))
