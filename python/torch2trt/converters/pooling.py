"""Pooling, adaptive pooling and interpolation."""

import tensorrt as trt

from ..conversion import ConversionError, tensorrt_converter
from ..helpers import get_arg, pair, reshaped, torch_dim_to_trt_axes, trt_

F = "torch.nn.functional."


def _pool(ctx, count, kind, kernel, stride, padding, ceil_mode, with_padding=True):
    value = get_arg(ctx, "input", 0, None)
    if value.dim() != count + 2:
        raise ConversionError(f"{ctx.method_str}: an input without a batch dimension")
    kernel = pair(kernel, count)
    stride = pair(stride, count) if stride is not None and stride != [] and stride != () else kernel
    padding, tensor = pair(padding, count), trt_(ctx.network, value)
    if count == 1:
        tensor = reshaped(ctx.network, tensor, (*value.shape, 1), value)
        kernel, stride, padding = kernel + (1,), stride + (1,), padding + (0,)
    layer = ctx.network.add_pooling_nd(input=tensor, type=kind, window_size=kernel)
    layer.stride_nd, layer.padding_nd = stride, padding
    if ceil_mode:
        layer.padding_mode = trt.PaddingMode.EXPLICIT_ROUND_UP
    if kind == trt.PoolingType.AVERAGE:
        layer.average_count_excludes_padding = not with_padding
    output, result = layer.get_output(0), ctx.method_return
    result = result[0] if isinstance(result, tuple) else result
    result._trt = reshaped(ctx.network, output, result.shape, value) if count == 1 else output


def _register_max(count):
    names = [f"torch.max_pool{count}d", f"{F}max_pool{count}d"]

    def convert(ctx):
        get = lambda name, pos, default: get_arg(ctx, name, pos, default)
        dilation = pair(get("dilation", 4, 1), count)
        if any(d != 1 for d in dilation) or isinstance(ctx.method_return, tuple):
            raise ConversionError(f"{ctx.method_str}: dilation {dilation} or indices")
        # torch.max_pool*d ends in ceil_mode, torch.nn.functional's in ceil_mode and return_indices.
        _pool(ctx, count, trt.PoolingType.MAX, get("kernel_size", 1, None), get("stride", 2, None),
              get("padding", 3, 0), get("ceil_mode", 5, False))

    for name in names:
        tensorrt_converter(name)(convert)


def _register_average(count):
    def convert(ctx):
        get = lambda name, pos, default: get_arg(ctx, name, pos, default)
        if get("divisor_override", 6, None) is not None:
            raise ConversionError(f"{ctx.method_str}: divisor_override")
        _pool(ctx, count, trt.PoolingType.AVERAGE, get("kernel_size", 1, None), get("stride", 2, None),
              get("padding", 3, 0), get("ceil_mode", 4, False), get("count_include_pad", 5, True))

    for name in (f"torch.avg_pool{count}d", f"{F}avg_pool{count}d"):
        tensorrt_converter(name)(convert)


def _register_adaptive(count, kind, reduction, name):
    def convert(ctx):
        value = ctx.method_args[0]
        size, spatial = ctx.method_return.shape[-count:], value.shape[-count:]
        if all(s == 1 for s in size):
            axes = torch_dim_to_trt_axes(range(value.dim() - count, value.dim()))
            layer = ctx.network.add_reduce(trt_(ctx.network, value), reduction, axes, True)
            ctx.method_return._trt = layer.get_output(0)
            return
        if any(n % s for n, s in zip(spatial, size)):
            raise ConversionError(f"{ctx.method_str}: {tuple(spatial)} is no multiple of {tuple(size)}")
        kernel = tuple(n // s for n, s in zip(spatial, size))
        _pool(ctx, count, kind, kernel, kernel, 0, False)

    tensorrt_converter(F + name)(convert)


for _count in (1, 2, 3):
    _register_max(_count)
    _register_average(_count)
    _register_adaptive(_count, trt.PoolingType.AVERAGE, trt.ReduceOperation.AVG, f"adaptive_avg_pool{_count}d")
    _register_adaptive(_count, trt.PoolingType.MAX, trt.ReduceOperation.MAX, f"adaptive_max_pool{_count}d")


@tensorrt_converter(F + "interpolate")
def convert_interpolate(ctx):
    value, result = ctx.method_args[0], ctx.method_return
    mode, align = get_arg(ctx, "mode", 3, "nearest"), get_arg(ctx, "align_corners", 4, None)
    kinds = {"nearest": "NEAREST", "linear": "LINEAR", "bilinear": "LINEAR", "trilinear": "LINEAR", "bicubic": "CUBIC"}
    if mode not in kinds:
        raise ConversionError(f"interpolate: mode '{mode}'")
    tensor = trt_(ctx.network, value)
    dynamic, layer = tensor.shape[0] == -1, ctx.network.add_resize(tensor)
    layer.resize_mode = getattr(trt.InterpolationMode, kinds[mode])
    if dynamic:
        layer.scales = [1.0, 1.0] + [float(b) / float(a) for a, b in zip(value.shape[2:], result.shape[2:])]
    else:
        layer.shape = tuple(result.shape)
    transformation = trt.ResizeCoordinateTransformation
    if mode == "nearest":
        layer.coordinate_transformation = transformation.ASYMMETRIC
        layer.nearest_rounding = trt.ResizeRoundMode.FLOOR
    else:
        layer.coordinate_transformation = transformation.ALIGN_CORNERS if align else transformation.HALF_PIXEL
        layer.cubic_coeff = -0.75
    result._trt = layer.get_output(0)
