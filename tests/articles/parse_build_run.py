"""Parses ONNX, builds with the builder itself, saves, loads and runs with host and device buffers, as programs for
TensorRT 7 do. With `implicit` the network is made without a flag: parsing and building fail, and the log says why."""

import sys

import numpy as np
import tensorrt as trt

import pycuda.driver as cuda  # isort: skip
import pycuda.autoinit  # noqa: F401 isort: skip

LOGGER = trt.Logger(trt.Logger.WARNING)
EXPLICIT_BATCH = 1 << (int)(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


class HostDeviceMem(object):
    def __init__(self, host, device):
        self.host, self.device = host, device


def build(onnx_path, plan_path, flags):
    with trt.Builder(LOGGER) as builder, builder.create_network(*flags) as network, \
            trt.OnnxParser(network, LOGGER) as parser:
        builder.max_workspace_size = 1 << 28
        builder.max_batch_size = 1
        with open(onnx_path, "rb") as model:
            if not parser.parse(model.read()):
                for i in range(parser.num_errors):
                    print("parser:", parser.get_error(i))
        engine = builder.build_cuda_engine(network)
    with open(plan_path, "wb") as plan:
        plan.write(engine.serialize())


def allocate_buffers(engine):
    inputs, outputs, bindings, stream = [], [], [], cuda.Stream()
    for binding in engine:
        size = trt.volume(engine.get_binding_shape(binding)) * engine.max_batch_size
        host = cuda.pagelocked_empty(size, trt.nptype(engine.get_binding_dtype(binding)))
        device = cuda.mem_alloc(host.nbytes)
        bindings.append(int(device))
        (inputs if engine.binding_is_input(binding) else outputs).append(HostDeviceMem(host, device))
    return inputs, outputs, bindings, stream


def do_inference(context, bindings, inputs, outputs, stream, batch_size=1):
    [cuda.memcpy_htod_async(i.device, i.host, stream) for i in inputs]
    context.execute_async(batch_size=batch_size, bindings=bindings, stream_handle=stream.handle)
    [cuda.memcpy_dtoh_async(o.host, o.device, stream) for o in outputs]
    stream.synchronize()
    return [o.host for o in outputs]


if __name__ == "__main__":
    model, plan, given, result = sys.argv[1:5]
    build(model, plan, () if "implicit" in sys.argv else (EXPLICIT_BATCH,))
    with open(plan, "rb") as f, trt.Runtime(LOGGER) as runtime:
        engine = runtime.deserialize_cuda_engine(f.read())
    context = engine.create_execution_context()
    inputs, outputs, bindings, stream = allocate_buffers(engine)
    inputs[0].host = np.load(given).ravel()
    np.save(result, do_inference(context, bindings, inputs, outputs, stream)[0])
