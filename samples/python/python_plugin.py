"""A plugin made of Python functions between two layers of a network."""

from typing import Tuple

import numpy as np
import tensorrt as trt
import tensorrt.plugin as trtp
from tenon.samples import common

LOGGER = trt.Logger(trt.Logger.WARNING)


@trtp.register("samples::circular_pad")
def circular_pad(x: trtp.TensorDesc, before: int, after: int) -> trtp.TensorDesc:
    padded = x.like()
    padded.shape_expr[-1] = x.shape_expr[-1] + before + after
    return padded


@trtp.impl("samples::circular_pad")
def circular_pad_impl(x: trtp.Tensor, before: int, after: int, outputs: Tuple[trtp.Tensor], stream: int) -> None:
    if hasattr(x, "__cuda_array_interface__"):  # the engine runs on a GPU
        import torch

        with torch.cuda.stream(torch.cuda.ExternalStream(stream)):
            given, padded = (torch.as_tensor(t, device="cuda") for t in (x, outputs[0]))
            torch.cat([given[..., given.shape[-1] - before:], given, given[..., :after]], -1, out=padded)
        return
    width = [(0, 0)] * (x.ndim - 1) + [(before, after)]
    np.asarray(outputs[0])[...] = np.pad(np.asarray(x), width, mode="wrap")


builder = trt.Builder(LOGGER)
network = builder.create_network()
x = network.add_input("x", trt.float32, (2, 1, 1, 6))
padded = network.add_plugin(trtp.op.samples.circular_pad(x, before=1, after=1))
kernel = np.array([1, -2, 1], np.float32).reshape(1, 1, 1, 3)
curvature = network.add_convolution_nd(padded.get_output(0), 1, (1, 3), kernel)
network.mark_output(curvature.get_output(0))
plan = builder.build_serialized_network(network, builder.create_builder_config())
engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
context = engine.create_execution_context()
inputs, outputs, bindings, stream = common.allocate_buffers(engine)
signal = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
inputs[0].host = signal
found, = common.do_inference(context, engine, bindings, inputs, outputs, stream)
expected = np.roll(signal, 1, 1) - 2 * signal + np.roll(signal, -1, 1)
print(f"error {np.abs(found.reshape(2, 6) - expected).max():.1e}")
