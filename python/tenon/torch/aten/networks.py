"""Matrix products, convolutions, normalizations, pooling, resizing and attention."""

import math

import torch

from .reductions import reduce
from .writer import Unsupported, Value, lowering, number


@lowering("mm.default", "bmm.default", "matmul.default", "mv.default", "dot.default")
def _matmul(w, out, a, b):
    return w.op("MatMul", a, b)


def _scaled(w, value, factor, dtype):
    return value if factor == 1 else w.op("Mul", value, w.scalar(factor, dtype))


@lowering("addmm.default", "baddbmm.default", "addmv.default")
def _addmm(w, out, c, a, b, beta=1, alpha=1):
    product = _scaled(w, w.op("MatMul", a, b), alpha, out.dtype)
    return product if beta == 0 else w.op("Add", product, _scaled(w, c.name, beta, out.dtype))


@lowering("addcmul.default")
def _addcmul(w, out, c, a, b, value=1):
    return w.op("Add", c, _scaled(w, w.op("Mul", a, b), value, out.dtype))


@lowering("addcdiv.default")
def _addcdiv(w, out, c, a, b, value=1):
    return w.op("Add", c, _scaled(w, w.op("Div", a, b), value, out.dtype))


@lowering("linear.default")
def _linear(w, out, x, weight, bias=None):
    product = w.op("MatMul", x, w.op("Transpose", weight, perm=[1, 0]) if weight.rank == 2 else weight.name)
    return product if bias is None else w.op("Add", product, bias)


def _every(values, count):
    values = list(values) if isinstance(values, (list, tuple)) else [values]
    return [int(number(v)) for v in (values * count if len(values) == 1 else values)]


@lowering("convolution.default")
def _convolution(w, out, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    count = weight.rank - 2
    pads = _every(padding, count)
    common = dict(strides=_every(stride, count), pads=pads + pads, dilations=_every(dilation, count), group=int(groups))
    if transposed:
        return w.op("ConvTranspose", x, weight, bias, output_padding=_every(output_padding, count), **common)
    return w.op("Conv", x, weight, bias, **common)


def _or(w, value, fill, size, dtype):
    return value.name if value is not None else w.tensor(torch.full((number(size),), fill, dtype=dtype))


@lowering("_native_batch_norm_legit_no_training.default")
def _batch_norm(w, out, x, weight, bias, mean, variance, momentum, eps):
    channels = x.shape[1]
    return [w.op("BatchNormalization", x, _or(w, weight, 1.0, channels, x.dtype), _or(w, bias, 0.0, channels, x.dtype),
                 mean, variance, epsilon=float(eps)), None, None]


@lowering("native_batch_norm.default")
def _native_batch_norm(w, out, x, weight, bias, mean, variance, training, momentum, eps):
    if training and mean is None and variance is None:
        return _instance_norm(w, out, x, weight, bias, training, momentum, eps)
    if training:
        raise Unsupported("batch normalization in training")
    return _batch_norm(w, out, x, weight, bias, mean, variance, momentum, eps)


@lowering("_native_batch_norm_legit.no_stats")
def _instance_norm(w, out, x, weight, bias, training, momentum, eps):
    axes = [0, *range(2, x.rank)]
    mean = reduce(w, "ReduceMean", x, x.rank, axes, True)
    off = w.op("Sub", x, mean)
    variance = reduce(w, "ReduceMean", w.op("Mul", off, off), x.rank, axes, True)
    made = w.op("Div", off, w.op("Sqrt", w.op("Add", variance, w.scalar(float(eps), x.dtype))))
    shape = w.constant([1, -1] + [1] * (x.rank - 2))
    if weight is not None:
        made = w.op("Mul", made, w.op("Reshape", weight, shape))
    return [made if bias is None else w.op("Add", made, w.op("Reshape", bias, shape)), None, None]


@lowering("native_layer_norm.default")
def _layer_norm(w, out, x, shape, weight, bias, eps):
    sizes = [number(s) for s in shape]
    scale = weight.name if weight is not None else w.tensor(torch.ones(sizes, dtype=x.dtype))
    made = w.op("LayerNormalization", x, scale, bias, axis=x.rank - len(sizes), epsilon=float(eps))
    return [made, None, None]


@lowering("native_group_norm.default")
def _group_norm(w, out, x, weight, bias, n, channels, extent, groups, eps):
    one = w.tensor(torch.ones(groups, dtype=x.dtype))
    zero = w.tensor(torch.zeros(groups, dtype=x.dtype))
    made = w.op("InstanceNormalization", w.op("Reshape", x, w.constant([0, groups, -1])), one, zero, epsilon=float(eps))
    made = w.reshape(made, x.shape)
    shape = w.constant([1, number(channels)] + [1] * (x.rank - 2))
    if weight is not None:
        made = w.op("Mul", made, w.op("Reshape", weight, shape))
    return [made if bias is None else w.op("Add", made, w.op("Reshape", bias, shape)), None, None]


def _pool(w, x, count, write):
    """Pools with a batch dimension, which is added where there is none."""
    if x.rank == count + 2:
        return write(x.name)
    zero = w.constant([0])
    return w.op("Squeeze", write(w.op("Unsqueeze", x, zero)), zero)


def _max_pool(count):
    def write(w, out, x, kernel, stride=(), padding=0, dilation=1, ceil_mode=False):
        sizes, pads = _every(kernel, count), _every(padding, count)
        made = _pool(w, x, count, lambda v: w.op(
            "MaxPool", v, kernel_shape=sizes, strides=_every(stride, count) if stride else sizes, pads=pads + pads,
            dilations=_every(dilation, count), ceil_mode=int(ceil_mode)))
        return [made, None] if isinstance(out, tuple) else made

    lowering(f"max_pool{count}d_with_indices.default", f"max_pool{count}d.default")(write)


def _average_pool(count):
    def write(w, out, x, kernel, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        if divisor_override is not None:
            raise Unsupported("average pooling with divisor_override")
        sizes, pads = _every(kernel, count), _every(padding, count)
        return _pool(w, x, count, lambda v: w.op(
            "AveragePool", v, kernel_shape=sizes, strides=_every(stride, count) if stride else sizes, pads=pads + pads,
            ceil_mode=int(ceil_mode), count_include_pad=int(count_include_pad)))

    lowering(f"avg_pool{count}d.default")(write)


def _averaging(extent, size):
    """A matrix that averages `extent` values into `size` windows, which may overlap."""
    matrix = torch.zeros(size, extent, dtype=torch.float64)
    for row in range(size):
        first, last = row * extent // size, -(-(row + 1) * extent // size)
        matrix[row, first:last] = 1 / (last - first)
    return matrix


def _adaptive(w, x, count, size, kind):
    sizes = _every(size, count)
    if all(s == 1 for s in sizes):
        return _pool(w, x, count, lambda v: w.op(f"Global{kind}Pool", v))
    extents = [number(d) for d in x.shape[-count:]]
    if not all(isinstance(e, int) for e in extents):
        raise Unsupported("adaptive pooling of a dynamic dimension")
    if all(e % s == 0 for e, s in zip(extents, sizes)):
        kernel = [e // s for e, s in zip(extents, sizes)]
        return _pool(w, x, count, lambda v: w.op(f"{kind}Pool", v, kernel_shape=kernel, strides=kernel))
    if kind == "Max" or count != 2:
        raise Unsupported(f"adaptive pooling of {extents} to {sizes}")
    rows, columns = (_averaging(e, s).to(x.dtype) for e, s in zip(extents, sizes))
    return w.op("MatMul", w.tensor(rows), w.op("MatMul", x, w.tensor(columns.t())))


def _adaptive_pool(count):
    lowering(f"_adaptive_avg_pool{count}d.default", f"adaptive_avg_pool{count}d.default")(
        lambda w, out, x, size: _adaptive(w, x, count, size, "Average"))
    lowering(f"adaptive_max_pool{count}d.default")(
        lambda w, out, x, size: [_adaptive(w, x, count, size, "Max"), None])


for _count in (1, 2, 3):
    _max_pool(_count)
    _average_pool(_count)
    _adaptive_pool(_count)


def _resize(w, out, x, scales, **attributes):
    count = x.rank - 2
    if scales and all(isinstance(s, (int, float)) for s in scales):
        return w.op("Resize", x, None, w.tensor(torch.tensor([1.0, 1.0, *scales])), **attributes)
    sizes = w.op("Concat", w.op("Shape", x, start=0, end=2), w.sizes(out.shape[-count:]), axis=0)
    return w.op("Resize", x, None, None, sizes, **attributes)


def _nearest(count):
    def write(w, out, x, size, *scales):
        return _resize(w, out, x, scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                       nearest_mode="floor")

    lowering(f"upsample_nearest{count}d.default")(write)
    lowering(f"upsample_nearest{count}d.vec")(lambda w, out, x, size, scales: write(w, out, x, size, *(scales or ())))


def _linear_resize(name, mode):
    def write(w, out, x, size, align_corners, *scales):
        transformation = "align_corners" if align_corners else "half_pixel"
        return _resize(w, out, x, scales, mode=mode, coordinate_transformation_mode=transformation,
                       cubic_coeff_a=-0.75 if mode == "cubic" else None)

    lowering(f"upsample_{name}.default")(write)
    lowering(f"upsample_{name}.vec")(
        lambda w, out, x, size, align_corners, scales: write(w, out, x, size, align_corners, *(scales or ())))


for _count in (1, 2, 3):
    _nearest(_count)
for _name, _mode in (("linear1d", "linear"), ("bilinear2d", "linear"), ("trilinear3d", "linear"),
                     ("bicubic2d", "cubic")):
    _linear_resize(_name, _mode)


@lowering("grid_sampler_2d.default")
def _grid_sample(w, out, x, grid, mode, padding, align_corners):
    return w.op("GridSample", x, grid, mode=("linear", "nearest", "cubic")[mode],
                padding_mode=("zeros", "border", "reflection")[padding], align_corners=int(align_corners))


def _causal(w, rows, columns, dtype):
    """0 where a key comes no later than the query, else minus infinity."""
    ones = w.op("Expand", w.scalar(1, torch.int32), w.sizes([rows, columns]))
    seen = w.op("Cast", w.op("Trilu", ones, w.scalar(0, torch.int64), upper=0), to=9)
    return w.op("Where", seen, w.scalar(0.0, dtype), w.scalar(-math.inf, dtype))


def _attention(w, q, k, v, mask, causal, scale):
    dtype, width = q.dtype, number(q.shape[-1])
    scale = 1 / math.sqrt(width) if scale is None else float(scale)
    order = [*range(k.rank - 2), k.rank - 1, k.rank - 2]
    scores = w.op("MatMul", w.op("Mul", q, w.scalar(scale, dtype)), w.op("Transpose", k, perm=order))
    if causal:
        scores = w.op("Add", scores, _causal(w, q.shape[-2], k.shape[-2], dtype))
    seen = None if mask is None else _sees_a_key(w, mask)
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = w.op("Where", mask, w.scalar(0.0, dtype), w.scalar(-math.inf, dtype))
        scores = w.op("Add", scores, w.cast(mask, dtype) if isinstance(mask, Value) else mask)
    found = w.op("MatMul", w.op("Softmax", scores, axis=-1), v)
    return found if seen is None else w.op("Where", seen, found, w.scalar(0.0, dtype))


def _sees_a_key(w, mask):
    """Whether a query sees any key, for each row of a mask with one element a key; a row of zeros is the result of one
    that sees none, where Softmax would give NaN."""
    if mask.dtype == torch.bool:
        most = w.op("ReduceMax", w.op("Cast", mask, to=6), w.constant([-1]))
        return w.op("Greater", most, w.scalar(0, torch.int32))
    return w.op("Greater", w.op("ReduceMax", mask, w.constant([-1])), w.scalar(-math.inf, mask.dtype))


@lowering("_scaled_dot_product_flash_attention_for_cpu.default")
def _flash(w, out, q, k, v, dropout_p=0.0, is_causal=False, attn_mask=None, scale=None):
    return [_attention(w, q, k, v, attn_mask, is_causal, scale), None]


@lowering("attention.default")
def _whole(w, out, q, k, v, mask, is_causal, scale):
    return _attention(w, q, k, v, mask, is_causal, scale)


@lowering("scaled_dot_product_attention.default")
def _sdpa(w, out, q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        raise Unsupported("attention with groups of queries")
    return _attention(w, q, k, v, attn_mask, is_causal, scale)


@lowering("_scaled_dot_product_efficient_attention.default")
def _efficient(w, out, q, k, v, attn_bias, compute_log_sumexp, dropout_p=0.0, is_causal=False, scale=None):
    return [_attention(w, q, k, v, attn_bias, is_causal, scale), None, None, None]


@lowering("_scaled_dot_product_flash_attention.default")
def _flash_cuda(w, out, q, k, v, dropout_p=0.0, is_causal=False, return_debug_mask=False, scale=None):
    return [_attention(w, q, k, v, None, is_causal, scale)] + [None] * (len(out) - 1)
