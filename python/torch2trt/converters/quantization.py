"""The layers of torch2trt.contrib.qat: quantize and dequantize around what they compute."""

import tensorrt as trt
import torch

from ..conversion import tensorrt_converter
from ..helpers import trt_, values

LAYERS = "torch2trt.contrib.qat.layers."


def quantized(network, tensor, scale, axis=None):
    """A tensor rounded to INT8 and back; `scale` holds one number, or one for each index of `axis`."""
    scale = scale.detach().reshape(() if scale.numel() == 1 else (-1,)).float()
    quantize = network.add_quantize(tensor, trt_(network, scale))
    dequantize = network.add_dequantize(quantize.get_output(0), trt_(network, scale))
    if axis is not None and scale.dim():
        quantize.axis = dequantize.axis = axis
    return dequantize.get_output(0)


def _convolution(ctx):
    layer, value = ctx.method_args[:2]
    weight, bias = layer.folded()
    tensor = quantized(ctx.network, trt_(ctx.network, value), layer.input_scale())
    kernel = quantized(ctx.network, trt_(ctx.network, weight), layer.weight_scale(weight), 0)
    made = ctx.network.add_convolution_nd(tensor, weight.shape[0], tuple(weight.shape[2:]), trt.Weights(trt.float32),
                                          values(bias))
    made.set_input(1, kernel)
    made.stride_nd, made.padding_nd = tuple(layer.stride), tuple(layer.padding)
    made.dilation_nd, made.num_groups = tuple(layer.dilation), layer.groups
    ctx.method_return._trt = made.get_output(0)


for _name in ("quant_conv.IQuantConv2d", "quant_conv.IQuantConvBN2d"):
    tensorrt_converter(f"{LAYERS}{_name}.forward")(_convolution)


@tensorrt_converter(LAYERS + "quant_activation.IQuantReLU.forward")
def convert_quantized_relu(ctx):
    layer, value = ctx.method_args[:2]
    made = ctx.network.add_activation(trt_(ctx.network, value), trt.ActivationType.RELU).get_output(0)
    ctx.method_return._trt = quantized(ctx.network, made, layer.input_scale())
