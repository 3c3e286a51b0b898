"""Activations and softmax."""

import torch
from torch import nn

from ._register import C, M, V, X, case, cases, layer

F = torch.nn.functional
cases("activation", {
    "relu": F.relu, "torch_relu": torch.relu, "tensor_relu": lambda x: (x - 0.5).relu(),
    "relu_in_place": lambda x: F.relu(x - 0.5, inplace=True), "torch_relu_in_place": lambda x: torch.relu_(x - 0.5),
    "relu6": lambda x: F.relu6(x * 10), "relu6_in_place": lambda x: F.relu6(x * 10 - 1, inplace=True),
    "sigmoid": torch.sigmoid, "tensor_sigmoid": lambda x: x.sigmoid(), "functional_sigmoid": F.sigmoid,
    "tanh": torch.tanh, "tensor_tanh": lambda x: x.tanh(), "functional_tanh": F.tanh, "elu": lambda x: F.elu(x - 0.5),
    "elu_alpha": lambda x: F.elu(x - 0.5, 0.3), "elu_keyword": lambda x: F.elu(x - 0.5, alpha=2.0),
    "elu_in_place": lambda x: F.elu(x - 0.5, inplace=True), "selu": lambda x: F.selu(x - 0.5),
    "torch_selu": lambda x: torch.selu(x - 0.5), "selu_in_place": lambda x: torch.selu_(x - 0.5),
    "leaky_relu": lambda x: F.leaky_relu(x - 0.5), "leaky_relu_slope": lambda x: F.leaky_relu(x - 0.5, 0.2),
    "leaky_relu_keyword": lambda x: F.leaky_relu(x - 0.5, negative_slope=0.3),
    "leaky_relu_in_place": lambda x: F.leaky_relu_(x - 0.5, 0.1), "softplus": F.softplus,
    "softplus_beta": lambda x: F.softplus(x, beta=2), "softsign": lambda x: F.softsign(x - 0.5),
    "gelu": lambda x: F.gelu(x - 0.5), "gelu_tanh": lambda x: F.gelu(x - 0.5, approximate="tanh"), "silu": F.silu,
    "silu_in_place": lambda x: F.silu(x - 0.5, inplace=True), "hardswish": lambda x: F.hardswish(x * 8 - 4),
    "hardsigmoid": lambda x: F.hardsigmoid(x * 8 - 4), "hardtanh": lambda x: F.hardtanh(x, 0.2, 0.6),
    "hardtanh_default": lambda x: F.hardtanh(x * 4 - 2)})
cases("softmax", {
    "channels": lambda x: F.softmax(x, 1), "last": lambda x: x.softmax(-1), "keyword": lambda x: F.softmax(x, dim=2),
    "torch": lambda x: torch.softmax(x, 3), "log": lambda x: F.log_softmax(x, 1),
    "log_last": lambda x: torch.log_softmax(x, -1)})
case("softmax_matrix", lambda x: F.softmax(x, 1), M)
case("softmax_volume", lambda x: F.softmax(x, dim=-2), V)
for _shape, _suffix in ((M, "matrix"), (C, "sequence"), (X, "image"), (V, "volume")):
    _channels = _shape[1]
    layer(f"prelu_{_suffix}", lambda n=_channels: nn.PReLU(n), _shape)
    layer(f"prelu_one_{_suffix}", lambda: nn.PReLU(), _shape)
    layer(f"relu_{_suffix}", lambda: nn.ReLU(), _shape)
    layer(f"silu_{_suffix}", lambda: nn.SiLU(), _shape)
    layer(f"gelu_{_suffix}", lambda: nn.GELU(), _shape)
    layer(f"tanh_{_suffix}", lambda: nn.Tanh(), _shape)
layer("LogSoftmax", lambda: nn.LogSoftmax(1), M)
layer("Softmax", lambda: nn.Softmax(1), M)
layer("Softmax2d", lambda: nn.Softmax2d())
layer("ReLU6", lambda: nn.ReLU6())
layer("Hardswish", lambda: nn.Hardswish())
