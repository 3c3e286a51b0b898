"""torch2trt: each converter against PyTorch, and the conversion's settings."""

import warnings

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

import tenon.tensorrt  # noqa: E402

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402
from torch2trt import TRTModule, torch2trt  # noqa: E402
from torch2trt.conversion import CONVERTERS  # noqa: E402
from torch2trt.trt_module import FallbackModule  # noqa: E402

X, V, C = (2, 3, 8, 8), (1, 3, 4, 6, 6), (1, 3, 10)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


def assign(x):
    y = torch.zeros(2, 3, 8, 8)
    y[:, :, 0::2, 1::2] = x[:, :, ::2, ::2]
    y[0, 1] = x[0, 0] * 2
    y[..., 3] = 5.0
    return y


def in_place(x):
    y = x * 2
    y += 1
    y.mul_(3)
    return F.relu(y, inplace=True)


def haar(x):
    a, b = x[:, :, 0::2, :] / 2, x[:, :, 1::2, :] / 2
    p, q, r, s = a[..., 0::2], b[..., 0::2], a[..., 1::2], b[..., 1::2]
    return torch.cat((p + q + r + s, -p - q + r + s, -p + q - r + s, p - q - r + s), 1)


UNARY = ["exp", "sqrt", "reciprocal", "abs", "neg", "sin", "cos", "tan", "sinh", "cosh", "asin", "acos", "atan", "ceil",
         "floor", "log", "erf", "sign", "round"]
CASES = {f"torch.{name}": (lambda x, f=getattr(torch, name): f(x), X) for name in UNARY}
CASES.update({f"Tensor.{name}": (lambda x, n=name: getattr(x, n)(), X) for name in UNARY[:10]})
CASES.update({
    "add": (lambda x: x + 1, X), "radd": (lambda x: 1 + x, X), "sub": (lambda x: x - 2, X),
    "rsub": (lambda x: 2 - x, X),
    "mul": (lambda x: x * x, X), "rmul": (lambda x: 3 * x, X), "div": (lambda x: x / 3, X),
    "rdiv": (lambda x: 1 / x, X),
    "pow": (lambda x: x ** 2, X), "rpow": (lambda x: 2 ** x, X), "floordiv": (lambda x: x // 0.3, X),
    "mod": (lambda x: x % 0.3, X), "fmod": (lambda x: torch.fmod(x - 0.5, 0.3), X),
    "alpha": (lambda x: torch.add(x, x, alpha=2), X),
    "in_place": (in_place, X), "maximum": (lambda x: torch.max(x, 1 - x), X),
    "minimum": (lambda x: torch.min(x, 1 - x), X),
    "gt": (lambda x: (x > 0.5).float(), X), "lt": (lambda x: (x < 0.5).float(), X),
    "eq": (lambda x: (x == x).float(), X),
    "ne": (lambda x: (x != 0.5).float(), X), "where": (lambda x: torch.where(x > 0.5, x, -x), X),
    "clamp": (lambda x: x.clamp(0.2, 0.7), X), "clamp_min": (lambda x: torch.clamp_min(x, 0.4), X),
    "clamp_max": (lambda x: x.clamp_max(0.4), X), "broadcast": (lambda x: x + torch.ones(8), X),
    "relu": (F.relu, X), "relu6": (lambda x: F.relu6(x * 10), X), "sigmoid": (torch.sigmoid, X),
    "tanh": (torch.tanh, X),
    "elu": (lambda x: F.elu(x - 1), X), "selu": (lambda x: F.selu(x - 1), X), "gelu": (lambda x: F.gelu(x - 1), X),
    "leaky_relu": (lambda x: F.leaky_relu(x - 1, 0.2), X), "softplus": (lambda x: F.softplus(x, beta=2), X),
    "softsign": (F.softsign, X), "silu": (F.silu, X), "hardswish": (lambda x: F.hardswish(x * 8 - 4), X),
    "hardtanh": (lambda x: F.hardtanh(x, 0.2, 0.6), X), "softmax": (lambda x: F.softmax(x, 1), X),
    "softmax_last": (lambda x: x.softmax(-1), X), "log_softmax": (lambda x: F.log_softmax(x, 1), X),
    "sum": (lambda x: x.sum(1), X), "sum_keep": (lambda x: torch.sum(x, (2, 3), keepdim=True), X),
    "mean": (lambda x: x.mean((-1, -2)), X), "prod": (lambda x: x.prod(1), X), "max_dim": (lambda x: x.max(1)[0], X),
    "min_dim": (lambda x: torch.min(x, 2, keepdim=True)[0], X), "max_all": (lambda x: x.max(), X),
    "view": (lambda x: x.view(2, -1), X), "reshape": (lambda x: x.reshape(x.size(0), 24, 8), X),
    "flatten": (lambda x: torch.flatten(x, 1), X), "squeeze": (lambda x: x[:, :1].squeeze(1), X),
    "unsqueeze": (lambda x: x.unsqueeze(-1), X), "permute": (lambda x: x.permute(0, 2, 3, 1), X),
    "transpose": (lambda x: x.transpose(1, -1), X), "cat": (lambda x: torch.cat([x, x * 2], 1), X),
    "cat_last": (lambda x: torch.cat((x, torch.ones(2, 3, 8, 1)), dim=-1), X),
    "stack": (lambda x: torch.stack([x, -x], 1), X),
    "split": (lambda x: torch.split(x, 3, 2)[2], X), "chunk": (lambda x: x.chunk(2, 3)[1], X),
    "narrow": (lambda x: torch.narrow(x, 2, 1, 4), X), "getitem": (lambda x: x[:, 1:, ::2, -3], X),
    "getitem_none": (lambda x: x[..., None, 2:5], X), "roll": (lambda x: torch.roll(x, (1, -2), (2, 3)), X),
    "expand": (lambda x: x[:, :1].expand(2, 5, 8, 8), X), "repeat": (lambda x: x.repeat(1, 2, 1, 1), X),
    "pad": (lambda x: F.pad(x, (1, 2, 0, 1)), X), "pad_value": (lambda x: F.pad(x, (1, 1), value=3.0), X),
    "pad_reflect": (lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect"), X), "assign": (assign, X), "haar": (haar, X),
    "matmul": (lambda x: x @ x.transpose(-1, -2), X), "einsum": (lambda x: torch.einsum("bchw,bcwk->bchk", x, x), X),
    "normalize": (lambda x: F.normalize(x, dim=1), X), "dropout": (lambda x: F.dropout(x, 0.5, training=False) + 1, X),
    "clone": (lambda x: x.clone().contiguous() + 1, X), "adaptive_max": (lambda x: F.adaptive_max_pool2d(x, 4), X),
    "max_pool2d_ceil": (lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), X),
    "avg_pool2d_exclude": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), X),
})
MODULES = {
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3, padding=1), C), "Conv2d": (lambda: nn.Conv2d(3, 6, 3, 2, 1, groups=3), X),
    "Conv2d_dilated": (lambda: nn.Conv2d(3, 6, 3, dilation=2, bias=False), X),
    "Conv3d": (lambda: nn.Conv3d(3, 4, 3), V),
    "Conv2d_same": (lambda: nn.Conv2d(3, 4, 3, padding="same"), X),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 4, 3, 2), C),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1), X),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(3, 4, 2, 2), V), "Linear": (lambda: nn.Linear(8, 5), X),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), C), "BatchNorm2d": (lambda: nn.BatchNorm2d(3), X),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(3), V), "LayerNorm": (lambda: nn.LayerNorm((8, 8)), X),
    "GroupNorm": (lambda: nn.GroupNorm(3, 3), X), "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3, affine=True), X),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(3), C), "PReLU": (lambda: nn.PReLU(3), X),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), C), "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1), X),
    "MaxPool3d": (lambda: nn.MaxPool3d(3, 2, 1), V), "AvgPool1d": (lambda: nn.AvgPool1d(2), C),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), X), "AvgPool3d": (lambda: nn.AvgPool3d(2), V),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(5), C),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), X),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(1), V), "Upsample": (lambda: nn.Upsample(scale_factor=2), X),
    "Bilinear": (lambda: nn.Upsample(size=(12, 20), mode="bilinear"), X),
    "Aligned": (lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), X),
}


def positive(shape):
    return torch.rand(shape) * 0.8 + 0.1


def converted(module, inputs, **settings):
    """Converts by hooks alone: a warning that something else was needed is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = torch2trt(module, inputs, **settings)
    assert isinstance(result, TRTModule)
    return result


@pytest.mark.parametrize("name", [*CASES, *MODULES])
def test_converter(name):
    torch.manual_seed(1)
    module, shape = (Call(CASES[name][0]), CASES[name][1]) if name in CASES else (MODULES[name][0](), MODULES[name][1])
    module, x = module.eval(), positive(shape)
    for parameter in module.buffers():
        if parameter.is_floating_point():
            parameter.uniform_(0.5, 1.5)
    with torch.no_grad():
        y = module(x.clone())
        torch.testing.assert_close(converted(module, [x.clone()])(x), y, rtol=1e-4, atol=1e-5)


def network():
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 5)).eval()


def test_batches_up_to_max_batch_size():
    module = network()
    result = converted(module, [torch.rand(1, 3, 8, 8)], max_batch_size=8)
    for rows in (1, 3, 8):
        x = torch.rand(rows, 3, 8, 8)
        torch.testing.assert_close(result(x), module(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="input_0"):
        result(torch.rand(9, 3, 8, 8))


def test_state_dict_goes_through_torch_save(tmp_path):
    module, x = network(), torch.rand(1, 3, 8, 8)
    torch.save(converted(module, [x]).state_dict(), tmp_path / "engine.pth")
    loaded = TRTModule()
    loaded.load_state_dict(torch.load(tmp_path / "engine.pth", weights_only=True))
    torch.testing.assert_close(loaded(x), module(x), rtol=1e-4, atol=1e-5)


def test_nested_inputs_and_outputs():
    class Nested(nn.Module):
        def forward(self, pair, named):
            return {"sum": pair[0] + named["c"], "both": [pair[1] * 2, pair[0] - 1]}

    a, b, c = torch.rand(2, 3), torch.rand(2, 3), torch.rand(2, 3)
    result = converted(Nested(), [(a, b), {"c": c}])((a, b), {"c": c})
    torch.testing.assert_close(result, Nested()((a, b), {"c": c}))


def test_fp16_is_close():
    module, x = network(), torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(converted(module, [x], fp16_mode=True)(x), module(x), rtol=2e-2, atol=2e-2)


def test_a_function_without_a_converter_goes_through_onnx():
    module, x = Call(lambda x: torch.cumsum(x, 1)), torch.rand(2, 3, 4)
    with pytest.warns(UserWarning, match="torch.cumsum"):
        result = torch2trt(module, [x])
    assert isinstance(result, TRTModule)
    torch.testing.assert_close(result(x), module(x))


def test_what_nothing_converts_runs_in_pytorch():
    module, x = Call(lambda x: torch.linalg.svdvals(x)), torch.rand(4, 4)
    with pytest.warns(UserWarning, match="in PyTorch"):
        result = torch2trt(module, [x])
    assert isinstance(result, FallbackModule) and result.reason
    torch.testing.assert_close(result(x), module(x))


def test_a_converter_of_ones_own_takes_the_place():
    from torch2trt.torch2trt import add_missing_trt_tensors, get_arg, tensorrt_converter, trt_version

    calls, before = [], CONVERTERS["torch.nn.functional.max_pool3d"]

    @tensorrt_converter("torch.nn.functional.max_pool3d", enabled=trt_version() >= "0")
    def convert(ctx):
        value = get_arg(ctx, "input", pos=0, default=None)
        size, stride = get_arg(ctx, "kernel_size", pos=1, default=None), get_arg(ctx, "stride", pos=2, default=None)
        tensor = add_missing_trt_tensors(ctx.network, [value])[0]
        layer = ctx.network.add_pooling_nd(input=tensor, type=trt.PoolingType.MAX, window_size=(size,) * 3)
        layer.stride_nd, layer.padding_nd = (stride,) * 3, (0,) * 3
        ctx.method_return._trt = layer.get_output(0)
        calls.append(layer)

    try:
        x = torch.rand(1, 2, 4, 4, 4)
        torch.testing.assert_close(converted(nn.MaxPool3d(2), [x])(x), F.max_pool3d(x, 2))
    finally:
        CONVERTERS["torch.nn.functional.max_pool3d"] = before
    assert len(calls) == 1


def test_torch_is_as_before_after_a_conversion():
    before = torch.Tensor.__add__, torch.relu, F.conv2d, "view" in vars(torch.Tensor)
    converted(network(), [torch.rand(1, 3, 8, 8)])
    assert before == (torch.Tensor.__add__, torch.relu, F.conv2d, "view" in vars(torch.Tensor))
