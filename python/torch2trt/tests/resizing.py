"""Pooling and interpolation."""

import torch
from torch import nn

from ._register import C, V, X, case, cases, layer

F = torch.nn.functional
for _count, _shape in ((1, C), (2, X), (3, V)):
    _max, _avg = getattr(nn, f"MaxPool{_count}d"), getattr(nn, f"AvgPool{_count}d")
    for _name, _arguments in {"two": (2,), "stride": (3, 2), "padding": (3, 2, 1), "one": (2, 1)}.items():
        layer(f"MaxPool{_count}d_{_name}", lambda m=_max, a=_arguments: m(*a), _shape)
        layer(f"AvgPool{_count}d_{_name}", lambda m=_avg, a=_arguments: m(*a), _shape)
    layer(f"MaxPool{_count}d_ceil", lambda m=_max: m(3, 2, ceil_mode=True), _shape)
    layer(f"AvgPool{_count}d_ceil", lambda m=_avg: m(3, 2, ceil_mode=True), _shape)
    layer(f"AvgPool{_count}d_exclude", lambda m=_avg: m(3, 2, 1, count_include_pad=False), _shape)
    _functional, _torch = getattr(F, f"max_pool{_count}d"), getattr(torch, f"max_pool{_count}d")
    case(f"max_pool{_count}d_keywords", lambda x, f=_functional: f(x, kernel_size=3, stride=2, padding=1), _shape)
    case(f"torch_max_pool{_count}d", lambda x, f=_torch: f(x, 2), _shape)
    _average = getattr(F, f"avg_pool{_count}d")
    case(f"avg_pool{_count}d_keywords", lambda x, f=_average: f(x, kernel_size=2, stride=1), _shape)
    for _kind in ("Avg", "Max"):
        _module = getattr(nn, f"Adaptive{_kind}Pool{_count}d")
        layer(f"Adaptive{_kind}Pool{_count}d_one", lambda m=_module: m(1), _shape)
        layer(f"Adaptive{_kind}Pool{_count}d_two", lambda m=_module: m(2), _shape)
case("max_pool2d_uneven", lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0)))
layer("AdaptiveAvgPool2d_uneven", lambda: nn.AdaptiveAvgPool2d((2, 4)))
layer("AdaptiveAvgPool2d_none", lambda: nn.AdaptiveAvgPool2d((4, None)))
for _mode, _shape in (("nearest", X), ("bilinear", X), ("bicubic", X), ("linear", C), ("trilinear", V)):
    _rank = len(_shape) - 2
    case(f"interpolate_{_mode}_twice", lambda x, m=_mode: F.interpolate(x, scale_factor=2, mode=m), _shape)
    case(f"interpolate_{_mode}_size", lambda x, m=_mode, r=_rank: F.interpolate(x, size=(12, 9, 7)[:r], mode=m), _shape)
    layer(f"Upsample_{_mode}", lambda m=_mode: nn.Upsample(scale_factor=3, mode=m), _shape)
    if _mode != "nearest":
        case(f"interpolate_{_mode}_aligned", lambda x, m=_mode: F.interpolate(
            x, scale_factor=2, mode=m, align_corners=True), _shape)
cases("interpolate", {"half": lambda x: F.interpolate(x, scale_factor=0.5), "uneven": lambda x: F.interpolate(
    x, scale_factor=(2, 3)), "shape": lambda x: F.interpolate(x[:, :, ::2], size=x.shape[2:], mode="bilinear")})
case("interpolate_nearest_sequence", lambda x: F.interpolate(x, scale_factor=2), C)
case("interpolate_nearest_volume", lambda x: F.interpolate(x, scale_factor=2), V)
