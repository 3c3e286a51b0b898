"""Activations."""

import tensorrt as trt
import torch

from ..conversion import tensorrt_converter
from ..helpers import get_arg, torch_dim_to_trt_axes, trt_

Type, Op = trt.ActivationType, trt.ElementWiseOperation


def _activate(ctx, kind, alpha=None, beta=None, value=None):
    layer = ctx.network.add_activation(trt_(ctx.network, ctx.method_args[0]) if value is None else value, kind)
    if alpha is not None:
        layer.alpha = float(alpha)
    if beta is not None:
        layer.beta = float(beta)
    return layer.get_output(0)


def _register(kind, names, alpha=None, default=None, beta=None):
    """alpha: the name of the argument after the input, or a number."""
    def convert(ctx):
        value = get_arg(ctx, alpha, 1, default) if isinstance(alpha, str) else alpha
        ctx.method_return._trt = _activate(ctx, kind, value, beta)

    for name in names:
        tensorrt_converter(name)(convert)


F = "torch.nn.functional."
_register(Type.RELU, ["torch.relu", "torch.relu_", "torch.Tensor.relu", "torch.Tensor.relu_", F + "relu", F + "relu_"])
_register(Type.SIGMOID, ["torch.sigmoid", "torch.sigmoid_", "torch.Tensor.sigmoid", F + "sigmoid"])
_register(Type.TANH, ["torch.tanh", "torch.tanh_", "torch.Tensor.tanh", F + "tanh"])
_register(Type.SOFTSIGN, [F + "softsign"])
_register(Type.SELU, ["torch.selu", "torch.selu_", F + "selu", F + "selu_"], 1.6732632423543772,
          beta=1.0507009873554805)
_register(Type.LEAKY_RELU, [F + "leaky_relu", F + "leaky_relu_"], "negative_slope", 0.01)
_register(Type.ELU, [F + "elu", F + "elu_"], "alpha", 1.0)
_register(Type.CLIP, [F + "relu6"], 0.0, beta=6.0)
_register(Type.HARD_SIGMOID, [F + "hardsigmoid"], 1 / 6, beta=0.5)


@tensorrt_converter(F + "softplus")
def convert_softplus(ctx):
    beta = float(get_arg(ctx, "beta", 1, 1))
    value = trt_(ctx.network, ctx.method_args[0])
    if beta == 1:
        ctx.method_return._trt = _activate(ctx, Type.SOFTPLUS, 1, 1)
        return
    scaled, factor = trt_(ctx.network, ctx.method_args[0], beta)
    inner = ctx.network.add_elementwise(scaled, factor, Op.PROD).get_output(0)
    ctx.method_return._trt = ctx.network.add_elementwise(_activate(ctx, Type.SOFTPLUS, 1, 1, inner), factor,
                                                         Op.DIV).get_output(0)


@tensorrt_converter(F + "hardtanh")
def convert_hardtanh(ctx):
    low, high = get_arg(ctx, "min_val", 1, -1.0), get_arg(ctx, "max_val", 2, 1.0)
    ctx.method_return._trt = _activate(ctx, Type.CLIP, low, high)


@tensorrt_converter(F + "silu")
def convert_silu(ctx):
    value = trt_(ctx.network, ctx.method_args[0])
    ctx.method_return._trt = ctx.network.add_elementwise(value, _activate(ctx, Type.SIGMOID), Op.PROD).get_output(0)


@tensorrt_converter(F + "hardswish")
def convert_hardswish(ctx):
    value, gate = trt_(ctx.network, ctx.method_args[0]), _activate(ctx, Type.HARD_SIGMOID, 1 / 6, 0.5)
    ctx.method_return._trt = ctx.network.add_elementwise(value, gate, Op.PROD).get_output(0)


@tensorrt_converter(F + "gelu")
def convert_gelu(ctx):
    tanh = get_arg(ctx, "approximate", 1, "none") == "tanh"
    ctx.method_return._trt = _activate(ctx, Type.GELU_TANH if tanh else Type.GELU_ERF)


@tensorrt_converter(F + "prelu")
@tensorrt_converter("torch.prelu")
def convert_prelu(ctx):
    value, weight = ctx.method_args[0], get_arg(ctx, "weight", 1, None)
    shape = [1] * value.dim()
    shape[1 if value.dim() > 1 else 0] = weight.numel()
    slope = trt_(ctx.network, weight.detach().reshape(shape))
    ctx.method_return._trt = ctx.network.add_parametric_relu(value._trt, slope).get_output(0)


def _softmax(ctx):
    value = ctx.method_args[0]
    dim = get_arg(ctx, "dim", 1, None)
    dim = (0 if value.dim() in (0, 1, 3) else 1) if dim is None else dim
    layer = ctx.network.add_softmax(trt_(ctx.network, value))
    layer.axes = torch_dim_to_trt_axes(dim, value.dim())
    return layer.get_output(0)


for _name in ("torch.softmax", "torch.Tensor.softmax", F + "softmax"):
    @tensorrt_converter(_name)
    def convert_softmax(ctx):
        ctx.method_return._trt = _softmax(ctx)


for _name in ("torch.log_softmax", "torch.Tensor.log_softmax", F + "log_softmax"):
    @tensorrt_converter(_name)
    def convert_log_softmax(ctx):
        ctx.method_return._trt = ctx.network.add_unary(_softmax(ctx), trt.UnaryOperation.LOG).get_output(0)
