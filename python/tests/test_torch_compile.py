"""torch.compile with Tenon: every lowering against PyTorch, partitions, dynamic shapes, fallbacks."""

import copy
import importlib.metadata
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
nn, F = torch.nn, torch.nn.functional

import tenon.torch  # noqa: E402
from tenon.torch.backend import decompositions  # noqa: E402
from tenon.torch.options import Options  # noqa: E402
from tenon.torch.report import GraphNote  # noqa: E402
from tenon.torch.runner import Runner  # noqa: E402

X, M, V, W = (2, 4, 8, 6), (5, 7), (2, 3, 4, 6, 8), (2, 3, 10)
PLAIN = dict(measure=False, min_nodes=0)


def f(shape=X, low=-1.0, high=1.0):
    return torch.rand(shape) * (high - low) + low


def i(shape, high):
    return torch.randint(0, high, shape)


def _unary():
    names = ("abs neg exp sqrt reciprocal sin cos tan sinh cosh asin acos atan asinh atanh floor ceil round sign erf "
             "relu sigmoid tanh rsqrt square expm1 log1p log2 log10 exp2 trunc log isnan isinf logical_not")
    return {name: (lambda x, n=name: getattr(torch, n)(x), lambda: (f(low=0.1, high=0.9),)) for name in names.split()}


def _assign(x, y):
    z = torch.zeros(2, 4, 8, 6)
    z[:, :, ::2, 1::2] = x[:, :, ::2, 1::2]
    z[0, 1] = y[1, 2] * 2
    z[..., 3] = 5.0
    return z


one, two = (lambda: (f(),)), (lambda: (f(), f()))
ARITHMETIC = {
    "add": (lambda a, b: a + b, two), "add_alpha": (lambda a, b: torch.add(a, b, alpha=2), two),
    "add_number": (lambda a: a + 3, one), "add_types": (lambda a: a + torch.arange(6), one), "sub": (torch.sub, two),
    "sub_alpha": (lambda a, b: torch.sub(a, b, alpha=0.5), two), "rsub": (lambda a: 1 - a, one),
    "rsub_alpha": (lambda a, b: torch.rsub(a, b, alpha=3), two), "mul": (torch.mul, two), "div": (torch.div, two),
    "div_integers": (lambda a: a / 3, lambda: (i(M, 20),)), "pow": (lambda a: a ** 2, one),
    "div_floor": (lambda a, b: torch.div(a, b, rounding_mode="floor"), lambda: (f(), f(low=0.3))),
    "div_trunc": (lambda a, b: torch.div(a, b, rounding_mode="trunc"), lambda: (f(), f(low=0.3))),
    "div_trunc_integers": (lambda a: torch.div(a - 9, 4, rounding_mode="trunc"), lambda: (i(M, 20),)),
    "floor_divide_integers": (lambda a: (a - 9) // 4, lambda: (i(M, 20),)),
    "remainder": (lambda a: a % 0.3, one), "remainder_integers": (lambda a: (a - 9) % 4, lambda: (i(M, 20),)),
    "fmod": (lambda a: torch.fmod(a, 0.3), one), "pow_half": (lambda a: a.abs() ** 0.5, one),
    "pow_tensor": (lambda a, b: a.abs() ** b, two), "pow_number": (lambda a: 2 ** a, one),
    "maximum": (torch.maximum, two), "minimum": (torch.minimum, two), "eq": (lambda a: a == a, one),
    "ne": (lambda a, b: a != b, two), "lt": (lambda a: a < 0.2, one), "le": (torch.le, two), "gt": (torch.gt, two),
    "ge": (lambda a: a >= 0, one), "and": (lambda a: (a > 0) & (a < 0.5), one),
    "or": (lambda a: (a < 0) | (a > 0.5), one), "xor": (lambda a: (a < 0) ^ (a > -0.5), one),
    "bits": (lambda a: (a & 6) | (a ^ 3), lambda: (i(M, 16),)), "not": (lambda a: ~(a > 0), one),
    "logical_and": (torch.logical_and, two), "logical_or": (lambda a, b: torch.logical_or(a > 0, b > 0), two),
    "clamp": (lambda a: a.clamp(-0.2, 0.4), one), "clamp_min": (lambda a: a.clamp(min=0.1), one),
    "clamp_max": (lambda a: torch.clamp_max(a, 0.1), one), "clamp_tensor": (lambda a, b: a.clamp(min=b), two),
    "where": (lambda a, b: torch.where(a > 0, a, b), two), "where_number": (lambda a: torch.where(a > 0, a, 2.0), one),
    "masked_fill": (lambda a: a.masked_fill(a > 0, -1e9), one), "to_int": (lambda a: (a * 9).to(torch.int32), one),
    "to_half": (lambda a: a.half().float(), one), "addcmul": (lambda a, b: torch.addcmul(a, a, b, value=0.5), two),
    "addcdiv": (lambda a, b: torch.addcdiv(a, a, b, value=0.5), lambda: (f(), f(low=0.5))),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.3), two), "gelu": (F.gelu, one), "selu": (F.selu, one),
    "gelu_tanh": (lambda a: F.gelu(a, approximate="tanh"), one), "silu": (F.silu, one), "mish": (F.mish, one),
    "leaky_relu": (lambda a: F.leaky_relu(a, 0.2), one), "elu": (lambda a: F.elu(a, 0.7), one), "celu": (F.celu, one),
    "relu6": (lambda a: F.relu6(a * 9), one), "hardswish": (lambda a: F.hardswish(a * 4), one),
    "hardsigmoid": (lambda a: F.hardsigmoid(a * 4), one), "hardtanh": (lambda a: F.hardtanh(a, -0.5, 0.2), one),
    "softplus": (lambda a: F.softplus(a * 30, 2, 10), one), "logsigmoid": (F.logsigmoid, one), "glu": (F.glu, one),
    "softsign": (F.softsign, one), "prelu": (F.prelu, lambda: (f(), torch.rand(4))), "threshold": (
        lambda a: F.threshold(a, 0.1, -3.0), one), "tanhshrink": (F.tanhshrink, one),
}
REDUCTIONS = {
    "sum": (lambda a: a.sum(), one), "sum_dims": (lambda a: a.sum((1, -1), keepdim=True), one),
    "sum_integers": (lambda a: (a > 0).sum(1), one), "mean": (lambda a: a.mean(), one),
    "mean_dims": (lambda a: a.mean((2, 3)), one), "prod": (lambda a: a.prod(1), one),
    "amax": (lambda a: a.amax(1), one),
    "amin": (lambda a: a.amin((0, 1), keepdim=True), one), "max": (lambda a: a.max(), one), "min": (torch.min, one),
    "max_dim": (lambda a: a.max(1), one), "min_dim": (lambda a: torch.min(a, -1, keepdim=True), one),
    "argmax": (lambda a: a.argmax(2), one), "argmin_all": (lambda a: a.argmin(), one),
    "any": (lambda a: (a > 0.9).any(1), one), "all": (lambda a: (a > -2).all(), one),
    "var": (lambda a: a.var(1), one), "std": (lambda a: a.std((2, 3), unbiased=False), one),
    "var_mean": (lambda a: torch.var_mean(a, 1, keepdim=True), one), "norm": (lambda a: a.norm(dim=1), one),
    "norm_1": (lambda a: a.norm(1, dim=-1), one),
    "norm_inf": (lambda a: torch.linalg.vector_norm(a, float("inf")), one),
    "norm_3": (lambda a: torch.linalg.vector_norm(a, 3, dim=1), one), "logsumexp": (lambda a: a.logsumexp(1), one),
    "softmax": (lambda a: a.softmax(1), one), "log_softmax": (lambda a: F.log_softmax(a, -1), one),
    "cumsum": (lambda a: a.cumsum(2), one), "topk": (lambda a: a.topk(3, 1), one),
    "topk_least": (lambda a: a.topk(2, largest=False), one), "sort": (lambda a: a.sort(2, descending=True), one),
    "normalize": (lambda a: F.normalize(a, dim=1), one),
}
SHAPES = {
    "view": (lambda a: a.view(2, -1), one), "reshape": (lambda a: a.permute(0, 2, 1, 3).reshape(2, 8, -1), one),
    "flatten": (lambda a: a.flatten(1), one), "permute": (lambda a: a.permute(3, 1, 0, 2), one),
    "t": (torch.t, lambda: (f(M),)), "transpose": (lambda a: a.transpose(1, -1), one),
    "unsqueeze": (lambda a: a.unsqueeze(-2), one),
    "squeeze": (lambda a: a[:, :1].squeeze(1), one), "squeeze_all": (lambda a: a[:1, :, :1].squeeze(), one),
    "expand": (lambda a: a[:, :1].expand(-1, 3, -1, -1), one), "repeat": (lambda a: a.repeat(2, 1, 1, 3, 1), one),
    "cat": (lambda a, b: torch.cat([a, b], -1), two), "stack": (lambda a, b: torch.stack([a, b], 2), two),
    "slice": (lambda a: a[:, 1:, ::2, -4:-1], one), "select": (lambda a: a[:, -1], one),
    "split": (lambda a: a.split(3, 2), one), "split_sizes": (lambda a: a.split([1, 5], 3), one),
    "chunk": (lambda a: a.chunk(3, 2), one), "unbind": (lambda a: a.unbind(1), one),
    "narrow": (lambda a: a.narrow(2, 2, 3), one), "pad": (lambda a: F.pad(a, (1, 2, 0, 3), value=2.0), one),
    "pad_crop": (lambda a: F.pad(a, (-1, 2)), one), "pad_reflect": (lambda a: F.pad(a, (1, 2, 3, 1), "reflect"), one),
    "pad_edge": (lambda a: F.pad(a, (1, 2, 3, 1), "replicate"), one), "flip": (lambda a: a.flip(1, 3), one),
    "roll": (lambda a: a.roll((1, -2), (2, 3)), one), "roll_all": (lambda a: a.roll(5), one),
    "pixel_shuffle": (lambda a: F.pixel_shuffle(a, 2), one),
    "pixel_unshuffle": (lambda a: F.pixel_unshuffle(a, 2), one),
    "tril": (lambda a: a.tril(1), one), "triu": (lambda a: torch.triu(a, -1), one), "assign": (_assign, two),
    "zeros": (lambda a: a + torch.zeros(6), one), "ones": (lambda a: a * torch.ones_like(a), one),
    "full": (lambda a: a + torch.full((8, 6), 2.5), one), "arange": (lambda a: a + torch.arange(6), one),
    "linspace": (lambda a: a + torch.linspace(0, 1, 6), one), "eye": (lambda a: a @ torch.eye(6), one),
    "embedding": (F.embedding, lambda: (i((2, 5), 9), f((9, 4)))),
    "index": (lambda a, b: a[:, b], lambda: (f(), i((3, 2), 4))),
    "index_two": (lambda a, b, c: a[:, b, c], lambda: (f(), i((3, 1), 4), i((2,), 8))),
    "index_apart": (lambda a, b, c: a[:, b, :, c], lambda: (f(), i((3,), 4), i((3,), 6))),
    "index_select": (lambda a, b: a.index_select(2, b), lambda: (f(), i((3,), 8))),
    "gather": (lambda a, b: a.gather(1, b), lambda: (f(), i((2, 3, 8, 6), 4))),
    "scatter": (lambda a, b, c: a.scatter(1, b, c), lambda: (f(), torch.argsort(f((2, 4, 8, 6)), 1), f())),
    "scatter_add": (lambda a, b, c: a.scatter_add(1, b, c), lambda: (f(), i(X, 4), f())),
    "index_put": (lambda a, b, c: a.index_put((b,), c, accumulate=True), lambda: (f(), i((3,), 2), f((3, 4, 8, 6)))),
}


def attention(q, k, v, **more):
    return F.scaled_dot_product_attention(q, k, v, **more)


heads = lambda: (f((2, 2, 5, 4)), f((2, 2, 7, 4)), f((2, 2, 7, 4)))
NETWORKS = {
    "matmul": (lambda a, b: a @ b.transpose(-1, -2), two), "mm": (torch.mm, lambda: (f((3, 4)), f((4, 5)))),
    "mv": (torch.mv, lambda: (f((3, 4)), f((4,)))), "dot": (torch.dot, lambda: (f((4,)), f((4,)))),
    "addmm": (lambda a, b, c: torch.addmm(a, b, c, beta=0.5, alpha=2), lambda: (f((5,)), f((3, 4)), f((4, 5)))),
    "baddbmm": (torch.baddbmm, lambda: (f((2, 3, 5)), f((2, 3, 4)), f((2, 4, 5)))),
    "linear": (F.linear, lambda: (f(M), f((3, 7)), f((3,)))),
    "einsum": (lambda a, b: torch.einsum("bchw,bdhw->bcd", a, b), two),
    "conv1d": (lambda a, b: F.conv1d(a, b, padding=1), lambda: (f(W), f((4, 3, 3)))),
    "conv2d": (lambda a, b, c: F.conv2d(a, b, c, 2, 1, groups=2), lambda: (f(), f((6, 2, 3, 3)), f((6,)))),
    "conv3d": (lambda a, b: F.conv3d(a, b, dilation=2), lambda: (f(V), f((4, 3, 2, 2, 3)))),
    "conv_same": (lambda a, b: F.conv2d(a, b, padding="same"), lambda: (f(), f((6, 4, 4, 3)))),
    "conv_transpose2d": (lambda a, b: F.conv_transpose2d(a, b, stride=2, padding=1, output_padding=1),
                         lambda: (f(), f((4, 3, 3, 3)))),
    "batch_norm": (lambda a, m, v, s: F.batch_norm(a, m, v, s, eps=1e-3),
                   lambda: (f(), f((4,)), f((4,), 0.5), f((4,)))),
    "layer_norm": (lambda a, s: F.layer_norm(a, (6,), s), lambda: (f(), f((6,)))),
    "layer_norm_plain": (lambda a: F.layer_norm(a, (8, 6)), one),
    "group_norm": (lambda a, s, b: F.group_norm(a, 2, s, b), lambda: (f(), f((4,)), f((4,)))),
    "instance_norm": (lambda a: F.instance_norm(a), one), "max_pool1d": (lambda a: F.max_pool1d(a, 3, 2, 1), lambda: (
        f(W),)), "max_pool2d": (lambda a: F.max_pool2d(a, 3, 2, 1), one),
    "max_pool2d_ceil": (lambda a: F.max_pool2d(a, 3, 2, ceil_mode=True), one),
    "max_pool2d_dilated": (lambda a: F.max_pool2d(a, 2, 1, dilation=2), one),
    "max_pool3d": (lambda a: F.max_pool3d(a, 2), lambda: (f(V),)),
    "max_pool2d_unbatched": (lambda a: F.max_pool2d(a, 2), lambda: (f((3, 8, 6)),)),
    "avg_pool1d": (lambda a: F.avg_pool1d(a, 2), lambda: (f(W),)),
    "avg_pool2d": (lambda a: F.avg_pool2d(a, 3, 2, 1), one),
    "avg_pool2d_exclude": (lambda a: F.avg_pool2d(a, 3, 2, 1, count_include_pad=False), one),
    "avg_pool3d": (lambda a: F.avg_pool3d(a, 2), lambda: (f(V),)),
    "adaptive_avg": (lambda a: F.adaptive_avg_pool2d(a, (1, 1)), one),
    "adaptive_avg_even": (lambda a: F.adaptive_avg_pool2d(a, (4, 3)), one),
    "adaptive_avg_uneven": (lambda a: F.adaptive_avg_pool2d(a, (5, 4)), one),
    "adaptive_avg3d": (lambda a: F.adaptive_avg_pool3d(a, (2, 3, 2)), lambda: (f(V),)),
    "adaptive_max": (lambda a: F.adaptive_max_pool2d(a, (4, 3)), one),
    "nearest": (lambda a: F.interpolate(a, scale_factor=2), one),
    "nearest_size": (lambda a: F.interpolate(a, size=(5, 9)), one),
    "bilinear": (lambda a: F.interpolate(a, size=(12, 7), mode="bilinear"), one),
    "bilinear_aligned": (lambda a: F.interpolate(a, scale_factor=1.5, mode="bilinear", align_corners=True), one),
    "bicubic": (lambda a: F.interpolate(a, size=(12, 9), mode="bicubic"), one),
    "linear_resize": (lambda a: F.interpolate(a, scale_factor=2.0, mode="linear"), lambda: (f(W),)),
    "trilinear": (lambda a: F.interpolate(a, scale_factor=2, mode="trilinear"), lambda: (f(V),)),
    "grid_sample": (lambda a, g: F.grid_sample(a, g, align_corners=False), lambda: (f(), f((2, 5, 4, 2)))),
    "attention": (attention, heads), "attention_causal": (lambda q, k, v: attention(q, k, v, is_causal=True), heads),
    "attention_mask": (lambda q, k, v, m: attention(q, k, v, attn_mask=m), lambda: (*heads(), f((5, 7)))),
}
CASES = {**_unary(), **ARITHMETIC, **REDUCTIONS, **SHAPES, **NETWORKS}


def run(function, inputs, dynamic=False, **options):
    """The function over engines, and the note of what became of it."""
    from torch.fx.experimental.proxy_tensor import make_fx

    mode = "symbolic" if dynamic else "fake"
    traced = torch.func.functionalize(function, remove="mutations")
    table = decompositions()
    with torch.no_grad():
        graph = make_fx(lambda *values: traced(*values), tracing_mode=mode, decomposition_table=table)(*inputs)
    note = GraphNote("case")
    return Runner(graph, Options.of({**PLAIN, **options}), note), note


@pytest.mark.parametrize("name", list(CASES))
def test_lowering(name):
    torch.manual_seed(1)
    function, make = CASES[name]
    inputs = make()
    runner, note = run(function, inputs)
    with torch.no_grad():
        runner(*inputs)
        found, expected = runner(*inputs), function(*inputs)
    assert not note.in_pytorch and note.engines == 1, str(note)
    torch.testing.assert_close(found, type(found)(expected) if isinstance(found, (list, tuple)) else expected,
                               rtol=1e-4, atol=1e-5)


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    tenon.torch.report(clear=True)
    yield


class Net(nn.Module):
    """Two parts around a function that no engine has."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x):
        y = self.first(x).relu().flatten(2).transpose(1, 2)
        y = y + torch.linalg.svdvals(y[:, :8, :8]).sum() * 0.01
        return {"y": self.second(y), "mean": y.mean(1)}


def compiled(module, dynamic=None, **options):
    return torch.compile(module.eval(), backend="tenon", dynamic=dynamic, options={"measure": False, **options})


def check(module, ours, *inputs, rtol=1e-4, atol=1e-5):
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(ours(*inputs), module(*inputs), rtol=rtol, atol=atol)


def test_an_unsupported_function_stays_in_pytorch():
    module = Net()
    check(module, compiled(module), torch.rand(2, 3, 8, 8))
    graph = tenon.torch.report().graphs[0]
    assert graph.engines == 2 and "svd" in str(graph) and "no lowering" in str(graph)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(12, 36), nn.Linear(12, 5)

    def forward(self, x, mask=None, **more):
        q, k, v = self.first(x).view(*x.shape[:2], 3, 3, 4).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **more)
        return self.last(y.transpose(1, 2).flatten(2))


def hidden_rows():
    """A mask of keys that some queries see none of."""
    mask = f((2, 1, 7, 7)) > 0
    mask[0, 0, 2] = False
    return mask


@pytest.mark.parametrize("mask, more", [
    (None, {}), (None, {"is_causal": True}), (None, {"scale": 0.3}), (hidden_rows, {}),
    (lambda: torch.where(hidden_rows(), 0.5, -torch.inf), {"scale": 2.0}), (lambda: f((2, 1, 1, 7)) > -9, {})])
@pytest.mark.parametrize("dynamic", [None, True])
def test_attention_stays_whole(mask, more, dynamic):
    module, x = Attention(), f((2, 7, 12))
    if dynamic and "scale" in more:
        pytest.skip("numbers of a closure are dynamic too")
    given = (x,) if mask is None else (x, mask())
    ours = torch.compile(lambda *given: module(*given, **more), backend="tenon", dynamic=dynamic,
                         options={"measure": False})
    check(lambda *given: module(*given, **more), ours, *given)
    graph, = tenon.torch.report().graphs
    assert graph.engines == 1 and not graph.in_pytorch, str(graph)


def test_attention_can_be_left_out():
    module, x = Attention(), f((2, 7, 12))
    ours = compiled(module, exclude=("scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu"))
    check(module, ours, x)
    assert "tenon.attention" not in str(tenon.torch.report())


def test_attention_with_dropout_or_groups_is_pytorchs():
    module = Attention()
    from tenon.torch.attention import keep_attention

    for more in ({"dropout_p": 0.5}, {"enable_gqa": True}):
        seen = []

        def backend(graph, inputs):
            seen.append((graph, keep_attention(graph)))
            return graph.forward

        with torch.no_grad():
            torch.compile(module, backend=backend)(f((2, 7, 12)), **more)
        assert seen[-1][0] is seen[-1][1]


def test_dynamic_sizes_need_one_graph():
    module = Net()
    ours = compiled(module, dynamic=True)
    for shape in ((2, 3, 8, 12), (4, 3, 16, 9), (5, 3, 12, 20)):
        check(module, ours, torch.rand(shape))
    assert len(tenon.torch.report().graphs) == 1 and tenon.torch.report().graphs[0].engines == 2


def test_a_marked_dimension_is_dynamic():
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    ours = compiled(module)
    for rows in (3, 7, 20):
        x = torch.rand(rows, 6)
        torch._dynamo.mark_dynamic(x, 0)
        check(module, ours, x)
    assert len(tenon.torch.report().graphs) == 1


@pytest.mark.parametrize("name", ["view", "flatten", "repeat", "cat", "expand", "softmax", "group_norm", "triu", "ones",
                                  "var", "attention_causal", "max_pool2d", "split_sizes"])
def test_lowering_with_dynamic_sizes(name):
    torch.manual_seed(2)
    function, make = CASES[name]
    grow = lambda t: torch.cat([t, t * 0.5]) if t.dim() > 2 else t
    first = make()
    runner, note = run(function, first, dynamic=True)
    with torch.no_grad():
        function = torch.func.functionalize(function)
        if name in ("view", "repeat"):
            function = {"view": lambda a: a.view(2, -1), "repeat": function}[name]
            grow = {"view": lambda t: torch.cat([t, t], 2), "repeat": grow}[name]
        for inputs in (first, tuple(map(grow, first))):
            found, expected = runner(*inputs), function(*inputs)
            torch.testing.assert_close(found, type(found)(expected) if isinstance(found, (list, tuple)) else expected,
                                       rtol=1e-4, atol=1e-5)
    assert note.engines == 1, str(note)


def test_weights_that_change_are_taken_over():
    module = nn.Linear(4, 3)
    ours, x = compiled(module, min_nodes=1), torch.rand(2, 4)
    check(module, ours, x)
    with torch.no_grad():
        module.weight.mul_(-2)
    check(module, ours, x)
    module.load_state_dict({"weight": torch.rand(3, 4), "bias": torch.rand(3)})
    check(module, ours, x)
    assert tenon.torch.report().graphs[0].engines == 1


def test_a_graph_serves_modules_of_one_class():
    blocks = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), nn.ReLU()) for _ in range(3)]).eval()
    for block in blocks:
        block.compile(backend="tenon", options={"measure": False, "min_nodes": 1})
    x = torch.rand(2, 6)
    with torch.no_grad():
        expected = x
        for block in blocks:
            expected = F.relu(F.linear(expected, block[0].weight, block[0].bias))
            x = block(x)
    torch.testing.assert_close(x, expected)


def test_a_buffer_that_the_module_writes():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(3))

        def forward(self, x):
            self.count.add_(1)
            return (x * self.count).relu() + 1

    module, ours = Counter(), Counter()
    fast, x = compiled(ours, measure=True), torch.rand(2, 3)
    with torch.no_grad():
        for _ in range(5):
            torch.testing.assert_close(fast(x), module(x))
    torch.testing.assert_close(ours.count, module.count)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_narrow_precision_is_close(precision):
    module = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3))
    check(module, compiled(module, precision=precision), torch.rand(1, 3, 16, 16), rtol=5e-2, atol=2e-2)
    assert tenon.torch.report().graphs[0].engines == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_modules_of_other_types(dtype):
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8)).to(dtype)
    ours, x = compiled(module, precision="fp16"), torch.rand(1, 3, 9, 9, dtype=dtype)
    with torch.no_grad():
        assert ours(x).dtype == dtype
    check(module, ours, x, rtol=3e-2, atol=3e-2)


def test_gradients_stay_with_pytorch():
    module = nn.Linear(4, 3)
    ours = torch.compile(module, backend="tenon")
    with pytest.warns(UserWarning, match="gradients"):
        ours(torch.rand(2, 4)).sum().backward()
    assert module.weight.grad is not None
    assert "gradients" in tenon.torch.report().graphs[0].reason


def test_gradients_can_be_given_up():
    module = nn.Linear(4, 3)
    ours, x = compiled(module, gradients=False, min_nodes=1), torch.rand(2, 4)
    torch.testing.assert_close(ours(x), module(x).detach())
    assert not ours(x).requires_grad and tenon.torch.report().graphs[0].engines == 1


def test_what_is_slower_runs_in_pytorch(monkeypatch):
    from tenon.torch import segment

    monkeypatch.setattr(segment, "compare", lambda first, second: (1e-3, 2e-3))
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    check(module, compiled(module, measure=True), torch.rand(2, 4))
    graph = tenon.torch.report().graphs[0]
    assert graph.engines == 0 and graph.parts[0].reason == "slower than PyTorch" and graph.reason


def test_what_differs_runs_in_pytorch(monkeypatch, device):
    from tenon.torch import segment

    kind = "CpuEngine" if device == "cpu" else "CudaEngine"

    class Wrong(getattr(segment, kind)):
        def __call__(self, inputs):
            return [t + 1 for t in super().__call__(inputs)]

    monkeypatch.setattr(segment, kind, Wrong)
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    check(module, compiled(module), torch.rand(2, 4))
    assert "differ" in tenon.torch.report().graphs[0].parts[0].reason


def test_excluded_functions_and_unknown_options():
    module = nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 4))
    check(module, compiled(module, exclude=["aten._softmax"], min_nodes=1), torch.rand(2, 4))
    graph = tenon.torch.report().graphs[0]
    assert graph.engines == 2 and "excluded" in str(graph)
    with pytest.raises(ValueError, match="unknown options"):
        Options.of({"presicion": "fp16"})
    with pytest.raises(ValueError, match="fp8"):
        Options.of({"precision": "fp8"})
    for wrong in ({"level": 6}, {"threads": -1}, {"min_nodes": -1}, {"max_weights": 0}, {"max_factor": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*, accepted are"):
            Options.of(wrong)
    assert Options.of({"exclude": "aten.cumsum"}).exclude == ("cumsum",)


def test_graph_breaks_are_listed():
    def function(x):
        y = torch.relu(x) * 2 + 1
        torch._dynamo.graph_break()
        return torch.sigmoid(y) * 3 - 1

    torch._dynamo.utils.counters.clear()
    ours, x = torch.compile(function, backend="tenon", options={"measure": False}), torch.rand(3, 3)
    torch.testing.assert_close(ours(x), function(x))
    report = tenon.torch.report()
    assert len(report.graphs) == 2 and report.breaks and "graph break" in str(report)


def test_views_and_channels_last_inputs():
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1))
    ours = compiled(module)
    check(module, ours, torch.rand(2, 3, 9, 9).contiguous(memory_format=torch.channels_last))
    check(module, ours, torch.rand(9, 9, 3, 2).permute(3, 2, 0, 1))


def test_inputs_are_not_copied():
    from tenon.torch.engine import CpuEngine
    from tenon.torch.aten import Writer

    writer, x = Writer(), torch.rand(4, 5, device="cpu")
    value = writer.input(x)
    writer.output(type(value)(writer.op("Add", value, writer.scalar(1.0, torch.float32)), x))
    engine = CpuEngine(writer.model().SerializeToString(), Options(), None)
    first, = engine([x])
    second, = engine([x * 2])
    torch.testing.assert_close(first, x + 1)
    torch.testing.assert_close(second, x * 2 + 1)


def test_exported_program_with_dynamic_sizes():
    module = Net().eval()
    batch, height = torch.export.Dim("batch", max=16), torch.export.Dim("height", min=4, max=64)
    program = torch.export.export(module, (torch.rand(2, 3, 8, 8),), dynamic_shapes=({0: batch, 2: height},))
    ours = tenon.torch.compile_exported(program, measure=False)
    for shape in ((2, 3, 8, 8), (3, 3, 20, 8)):
        check(module, ours, torch.rand(shape))
    assert ours.note.engines == 2


def test_exported_program_with_keywords_and_a_written_buffer():
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, pair, *, scale):
            self.seen.add_(1)
            return [self.linear(pair[0]) * scale, pair[1] + self.seen]

    a, b, s = torch.rand(2, 4), torch.rand(2, 4), torch.rand(4)
    module = Module().eval()
    program = torch.export.export(module, ((a, b),), {"scale": s})
    module = copy.deepcopy(module)  # the program shares its buffers
    ours = tenon.torch.compile_exported(program, measure=False)
    for _ in range(3):
        torch.testing.assert_close(ours((a, b), scale=s), module((a, b), scale=s))
    with pytest.raises(TypeError, match="takes"):
        ours((a,), scale=s)


def test_found_by_torch_without_an_import():
    points = importlib.metadata.entry_points(group="torch_dynamo_backends")
    if not any(point.name == "tenon" for point in points):
        pytest.skip("the package is not installed")
    found = subprocess.run([sys.executable, "-c", "import torch; print('tenon' in torch.compiler.list_backends())"],
                           capture_output=True, text=True)
    assert found.stdout.strip() == "True", found.stderr


def test_inputs_that_an_exported_program_does_not_take():
    model, rows = nn.Linear(4, 3).eval(), torch.export.Dim("rows", min=1, max=64)
    program = torch.export.export(model, (torch.rand(2, 4),), dynamic_shapes=({0: rows},))
    ours = tenon.torch.compile_exported(program, measure=False)
    assert ours(torch.rand(5, 4)).shape == (5, 3)
    with pytest.raises(ValueError, match=r"has shape \(5, 3\), the program was exported for \(any, 4\)"):
        ours(torch.rand(5, 3))
    with pytest.raises(TypeError, match="is torch.float64, the program was exported for torch.float32"):
        ours(torch.rand(5, 4).double())
    with pytest.raises(TypeError, match="is float, the program was exported for"):
        ours(1.0)
