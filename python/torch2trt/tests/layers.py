"""Convolutions, linear maps, normalizations and dropout."""

import torch
from torch import nn

from ..contrib.qat.layers import IQuantConv2d, IQuantConvBN2d, IQuantReLU
from ._register import C, M, V, X, case, cases, layer

F = torch.nn.functional
for _count, _shape in ((1, C), (2, X), (3, V)):
    _conv, _transposed = getattr(nn, f"Conv{_count}d"), getattr(nn, f"ConvTranspose{_count}d")
    for _name, _arguments in {
            "plain": dict(kernel_size=3), "stride": dict(kernel_size=3, stride=2), "padding": dict(
                kernel_size=3, padding=1), "dilation": dict(kernel_size=2, dilation=2), "one": dict(kernel_size=1),
            "no_bias": dict(kernel_size=3, bias=False), "groups": dict(kernel_size=3, groups=3),
            "same": dict(kernel_size=3, padding="same"), "valid": dict(kernel_size=2, padding="valid")}.items():
        layer(f"Conv{_count}d_{_name}", lambda c=_conv, a=_arguments: c(3, 6, **a), _shape)
    for _name, _arguments in {
            "plain": dict(kernel_size=3), "stride": dict(kernel_size=2, stride=2), "padding": dict(
                kernel_size=3, stride=2, padding=1), "output_padding": dict(
                kernel_size=3, stride=2, padding=1, output_padding=1), "no_bias": dict(kernel_size=3, bias=False),
            "groups": dict(kernel_size=2, stride=2, groups=3), "dilation": dict(kernel_size=2, dilation=2)}.items():
        layer(f"ConvTranspose{_count}d_{_name}", lambda c=_transposed, a=_arguments: c(3, 6, **a), _shape)
layer("Conv2d_uneven", lambda: nn.Conv2d(3, 4, (3, 5), (2, 1), (1, 2)))
KERNEL, BIAS = torch.linspace(-1, 1, 4 * 3 * 9).reshape(4, 3, 3, 3), torch.linspace(0, 1, 4)
cases("conv_functional", {
    "plain": lambda x: F.conv2d(x, KERNEL.to(x.device)), "bias": lambda x: F.conv2d(
        x, KERNEL.to(x.device), BIAS.to(x.device)), "positional": lambda x: F.conv2d(
        x, KERNEL.to(x.device), BIAS.to(x.device), 2, 1), "keywords": lambda x: torch.conv2d(
        x, KERNEL.to(x.device), stride=(2, 1), padding=(1, 0), dilation=1, groups=1),
    "transposed": lambda x: F.conv_transpose2d(x, KERNEL[:3].to(x.device), stride=2)})
for _name, _shape in (("matrix", (3, 8)), ("sequence", (2, 5, 8)), ("image", X), ("volume", (1, 3, 2, 2, 8))):
    layer(f"Linear_{_name}", lambda: nn.Linear(8, 5), _shape)
    layer(f"Linear_no_bias_{_name}", lambda: nn.Linear(8, 5, bias=False), _shape)
cases("matmul", {"tensor": lambda x: x @ x.transpose(-1, -2), "torch": lambda x: torch.matmul(x, x),
                 "constant": lambda x: x @ torch.ones(8, 3, device=x.device), "vector": lambda x: torch.matmul(
                     x, torch.ones(8, device=x.device)), "einsum": lambda x: torch.einsum("bchw,bcwk->bchk", x, x),
                 "einsum_sum": lambda x: torch.einsum("bchw,bdhw->bcd", x, x)})
case("bmm", torch.bmm, (2, 3, 4), (2, 4, 5))
case("mm", torch.mm, (3, 4), (4, 5))
for _name, _module, _shape in (("BatchNorm1d", nn.BatchNorm1d, C), ("BatchNorm2d", nn.BatchNorm2d, X),
                               ("BatchNorm3d", nn.BatchNorm3d, V)):
    layer(f"{_name}", lambda m=_module: m(3), _shape)
    layer(f"{_name}_plain", lambda m=_module: m(3, affine=False), _shape)
    layer(f"{_name}_eps", lambda m=_module: m(3, eps=0.1), _shape)
layer("BatchNorm1d_matrix", lambda: nn.BatchNorm1d(5), M)
for _name, _module, _shape in (("InstanceNorm1d", nn.InstanceNorm1d, (2, 3, 10)),
                               ("InstanceNorm2d", nn.InstanceNorm2d, X), ("InstanceNorm3d", nn.InstanceNorm3d, V)):
    layer(f"{_name}", lambda m=_module: m(3), _shape)
    layer(f"{_name}_affine", lambda m=_module: m(3, affine=True), _shape)
    layer(f"{_name}_stats", lambda m=_module: m(3, affine=True, track_running_stats=True), _shape)
    layer(f"{_name}_stats_plain", lambda m=_module: m(3, track_running_stats=True), _shape)
for _name, _shape, _dims in (("sequence", (2, 5, 8), 8), ("image", X, (8, 8)), ("channels", X, (3, 8, 8)),
                             ("matrix", M, 5)):
    layer(f"LayerNorm_{_name}", lambda d=_dims: nn.LayerNorm(d), _shape)
    layer(f"LayerNorm_plain_{_name}", lambda d=_dims: nn.LayerNorm(d, elementwise_affine=False), _shape)
layer("LayerNorm_eps", lambda: nn.LayerNorm(8, eps=0.1))
layer("GroupNorm", lambda: nn.GroupNorm(3, 3))
layer("GroupNorm_two", lambda: nn.GroupNorm(2, 4), (2, 4, 6, 6))
layer("GroupNorm_plain", lambda: nn.GroupNorm(2, 4, affine=False), (2, 4, 7))
cases("normalize", {"channels": lambda x: F.normalize(x, dim=1), "default": F.normalize,
                    "one": lambda x: F.normalize(x, p=1),
                    "three": lambda x: F.normalize(x, 3.0, 2), "last": lambda x: F.normalize(x, dim=-1, eps=0.5),
                    "keywords": lambda x: F.normalize(x, p=2.0, dim=3, eps=1e-6)})
for _count, _shape in (("", X), ("1d", C), ("2d", X), ("3d", V)):
    layer(f"Dropout{_count}", lambda n=_count: nn.Sequential(getattr(nn, f"Dropout{n}")(), nn.ReLU()), _shape)
layer("QuantConv", lambda: IQuantConv2d(3, 4, 3, padding=1))
layer("QuantConv_stride", lambda: IQuantConv2d(3, 6, 3, stride=2, groups=3, bias=False))
layer("QuantConvBN", lambda: IQuantConvBN2d(3, 4, 3))
layer("QuantRelu", lambda: IQuantReLU())
layer("RMSNorm", lambda: nn.RMSNorm(8))
layer("RMSNorm_image", lambda: nn.RMSNorm((8, 8), eps=0.1))
case("rms_norm_plain", lambda x: F.rms_norm(x, (8,)))
HEADS, KEYS = (2, 3, 5, 8), (2, 3, 7, 8)
ALLOWED = torch.arange(35).reshape(5, 7) % 3 != 1
for _name, _arguments in {
        "plain": lambda x: {}, "scale": lambda x: {"scale": 0.3}, "mask": lambda x: {"attn_mask": ALLOWED.to(x.device)},
        "added": lambda x: {"attn_mask": torch.linspace(-1, 1, 35, device=x.device).reshape(5, 7)},
        "causal": lambda x: {"is_causal": True}}.items():
    case(f"attention_{_name}", lambda q, k, v, a=_arguments: F.scaled_dot_product_attention(q, k, v, **a(q)), HEADS,
         KEYS, KEYS)
case("attention_computed_mask", lambda q, k, m: F.scaled_dot_product_attention(q, k, k, m > 0.3), HEADS, KEYS,
     (2, 1, 5, 7))
case("attention_computed_addend", lambda q, k, m: F.scaled_dot_product_attention(q, k, k, attn_mask=m), HEADS, KEYS,
     (2, 3, 5, 7))
