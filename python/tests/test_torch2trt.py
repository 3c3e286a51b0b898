"""torch2trt: each converter against PyTorch, and the conversion's settings."""

import copy
import importlib
import inspect
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import threading
import warnings

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

import tenon.tensorrt  # noqa: E402

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402
from torch2trt import FolderDataset, ListDataset, TensorBatchDataset, TRTModule, torch2trt  # noqa: E402
from torch2trt.conversion import CONVERTERS, get_module_qualname, register_transparent  # noqa: E402
from torch2trt.test import MODULE_TESTS, flat, inputs_of  # noqa: E402
from torch2trt.trt_module import FallbackModule  # noqa: E402

torch2trt_module = importlib.import_module("torch2trt.torch2trt")

class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


def converted(module, inputs, **settings):
    """Converts by hooks alone: a warning that something else was needed is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = torch2trt(module, inputs, **settings)
    assert isinstance(result, TRTModule)
    return result


@pytest.mark.parametrize("test", MODULE_TESTS, ids=lambda test: test.module_fn.__name__)
def test_converter(test, device):
    torch.manual_seed(1)
    module, inputs = test.module_fn().eval(), [x.to(device) for x in inputs_of(test)]
    with torch.no_grad():
        expected = module(*[x.clone() for x in inputs])
        found = converted(module, [x.clone() for x in inputs], **test.torch2trt_kwargs)(*inputs)
    for y, z in zip(flat(expected), flat(found)):
        torch.testing.assert_close(z, y, rtol=1e-4, atol=1e-5)


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


HOOKS = [line.split("\t") for line in (pathlib.Path(__file__).parents[2] / "tests/api/torch2trt_hooks.tsv").read_text()
         .splitlines()[1:]]


def test_every_function_that_the_original_hooks():
    assert len(HOOKS) == 225
    missing = [name for name, *_ in HOOKS if name not in CONVERTERS]
    assert not missing
    for name, *_ in HOOKS:
        if name in ("torch.avg_pool2d", "torch.avg_pool3d"):
            continue  # no release of torch has them there
        module, path = get_module_qualname(name)
        for part in path.split("."):
            module = getattr(module, part)


@pytest.mark.parametrize("name", sorted({file.removesuffix(".py") for _, file, _ in HOOKS}))
def test_converter_files_of_the_original_can_be_imported(name):
    assert importlib.import_module(f"torch2trt.converters.{name}").__name__.startswith("torch2trt.converters")


@pytest.mark.parametrize("name", ["calibration", "contrib.qat.layers.quant_activation", "contrib.qat.layers.quant_conv",
                                  "contrib.qat.layers._utils", "dataset", "dataset_calibrator", "flatten_module",
                                  "flattener", "misc_utils", "module_test", "shape_converter", "test", "torch2trt",
                                  "trt_module", "utils", "version_utils"])
def test_modules_of_the_original_can_be_imported(name):
    importlib.import_module(f"torch2trt.{name}")


def test_names_of_the_module_torch2trt():
    module = importlib.import_module("torch2trt.torch2trt")
    names = """trt_num_inputs trt_num_outputs torch_dim_resolve_negative torch_dim_to_trt_axes add_trt_constant
        check_torch_dtype add_missing_trt_tensors broadcast_trt_tensors trt_ get_arg attach_converter ConversionHook
        default_input_names default_output_names device_type_str NetworkWrapper get_conversion_context
        ConversionContext infer_dynamic_axes torch2trt get_module_qualname tensorrt_converter set_layer_precision
        IntWrapper make_int_wrapper SizeWrapper wrap_ints make_size_wrapper _size_wrapper _new_getattr
        use_shape_wrapping trt_version torch_version torch_dtype_to_trt torch_dtype_from_trt torch_device_to_trt
        torch_device_from_trt LayerNamingNetworkWrapper TRTModule trt torch"""
    assert [n for n in names.split() if not hasattr(module, n)] == []
    given = {name: p.default for name, p in inspect.signature(module.torch2trt).parameters.items()}
    assert given["max_workspace_size"] == 1 << 25 and given["keep_network"] is True and given["dla_core"] == 0
    assert given["log_level"] == trt.Logger.ERROR and given["default_device_type"] == trt.DeviceType.GPU


FILE = """
from torch2trt.torch2trt import *
from torch2trt.module_test import add_module_test

@tensorrt_converter('torch.special.expit')
def convert(ctx):
    value = add_missing_trt_tensors(ctx.network, [get_arg(ctx, 'input', pos=0, default=None)])[0]
    layer = ctx.network.add_activation(input=value, type=trt.ActivationType.SIGMOID)
    output = ctx.method_return
    output._trt = layer.get_output(0)

@add_module_test(torch.float32, torch.device('cuda'), [(1, 3)])
def test_it():
    return torch.nn.Sigmoid()
"""
PROGRAM = """
import torch
from torch2trt import torch2trt, TRTModule

class Module(torch.nn.Module):
    def forward(self, x):
        return torch.special.expit(x)

x = torch.rand(2, 3, device="cuda" if torch.cuda.is_available() else "cpu")
result = torch2trt(Module(), [x])
assert isinstance(result, TRTModule) and torch.allclose(result(x), torch.sigmoid(x), atol=1e-6)
"""


def run_with_converters(folder, name, text, program):
    """A program's run with a copy of the package that has one more file of converters."""
    shutil.copytree(pathlib.Path(torch2trt_module.__file__).parent, folder / "torch2trt")
    (folder / "torch2trt" / "converters" / name).write_text(text)
    path = os.pathsep.join([str(folder), *sys.path])
    run = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", program], capture_output=True, text=True,
                         env=dict(os.environ, PYTHONPATH=path))
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_file_put_into_converters_is_imported(tmp_path):
    run_with_converters(tmp_path, "expit.py", FILE, PROGRAM)


def test_a_file_put_into_converters_takes_functions_over(tmp_path):
    text = """
from torch2trt.torch2trt import *

@tensorrt_converter('torch.nn.functional.max_pool3d')
def convert(ctx):
    layer = ctx.network.add_pooling_nd(input=ctx.method_args[0]._trt, type=trt.PoolingType.MAX, window_size=(2, 2, 2))
    layer.stride_nd = (2, 2, 2)
    ctx.method_return._trt = layer.get_output(0)
    print("taken over")
"""
    program = """
import torch
from torch2trt import torch2trt

x = torch.rand(1, 2, 4, 6, 8, device="cuda" if torch.cuda.is_available() else "cpu")
module = torch.nn.MaxPool3d(2)
assert torch.equal(torch2trt(module, [x])(x), module(x))
"""
    assert run_with_converters(tmp_path, "max_pool3d.py", text, program) == "taken over\n"


def test_a_converter_of_a_modules_forward_takes_its_place():
    @torch2trt_module.tensorrt_converter("torch.nn.ReLU6.forward")
    def convert(ctx):
        layer = ctx.network.add_activation(ctx.method_args[1]._trt, trt.ActivationType.CLIP)
        layer.alpha, layer.beta = 0.0, 0.5
        ctx.method_return._trt = layer.get_output(0)

    try:
        with pytest.warns(UserWarning, match="differ"):
            torch2trt(nn.Sequential(nn.ReLU6()), [torch.rand(2, 3) + 1])
    finally:
        register_transparent("torch.nn.ReLU6.forward")


def test_dynamic_height_and_width():
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)).eval()
    result = converted(module, [torch.rand(1, 3, 16, 16)], min_shapes=[(1, 3, 8, 8)], opt_shapes=[(1, 3, 16, 16)],
                       max_shapes=[(4, 3, 32, 40)])
    for shape in ((1, 3, 8, 8), (2, 3, 20, 12), (4, 3, 32, 40)):
        x = torch.rand(shape)
        torch.testing.assert_close(result(x), module(x).detach(), rtol=1e-4, atol=1e-5)


class Pixels(nn.Module):
    def forward(self, x):
        n, c, height, width = x.shape
        y = x.reshape(n, c, height * width).permute(0, 2, 1)
        return y.reshape(n, height, width, c) * 2, x.flatten(2)


def test_shapes_computed_from_dynamic_sizes():
    result = converted(Pixels(), [torch.rand(2, 3, 4, 6)], min_shapes=[(1, 3, 2, 2)], max_shapes=[(4, 3, 8, 9)])
    for shape in ((1, 3, 2, 2), (3, 3, 5, 7), (4, 3, 8, 9)):
        x = torch.rand(shape)
        for found, expected in zip(result(x), Pixels()(x)):
            torch.testing.assert_close(found, expected)


def test_sizes_that_hooks_cannot_follow_go_through_onnx():
    module = Call(lambda x: x[:, :, : x.shape[2] // 2].repeat(1, 1, 2, 1)).eval()
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        result = torch2trt(module, [torch.rand(1, 3, 8, 8)], min_shapes=[(1, 3, 4, 8)], max_shapes=[(1, 3, 16, 8)])
    for rows in (4, 10, 16):
        x = torch.rand(1, 3, rows, 8)
        torch.testing.assert_close(result(x), module(x))


def test_shapes_from_a_data_set():
    items = ListDataset([(torch.rand(rows, 3, 8, 8),) for rows in (1, 2, 5)])
    assert items.num_inputs() == 1 and items.infer_dynamic_axes(flat=True) == [[0]]
    module, result = network(), converted(network(), items)
    for rows in (1, 4, 5):
        x = torch.rand(rows, 3, 8, 8)
        torch.testing.assert_close(result(x), module(x), rtol=1e-4, atol=1e-5)


def test_data_sets_that_record_and_that_are_folders(tmp_path):
    module, items = network(), ListDataset()
    with items.record(module), torch.no_grad():
        module(torch.rand(2, 3, 8, 8))
        module(torch.rand(4, 3, 8, 8))
    assert len(items) == 2 and items.median_numel_shapes(flat=True) == [torch.Size((4, 3, 8, 8))]
    folder = FolderDataset(str(tmp_path / "set"))
    for i in range(len(items)):
        folder.insert(list(items[i]))
    assert len(folder) == 2 and torch.equal(folder[1][0], items[1][0])
    rows = TensorBatchDataset([torch.rand(3, 5)])
    rows.insert([torch.rand(2, 5)])
    assert len(rows) == 5 and rows[4][0].shape == (1, 5)


@pytest.mark.parametrize("algorithm", ["ENTROPY_CALIBRATION_2", "ENTROPY_CALIBRATION", "MINMAX_CALIBRATION"])
def test_int8_calibrates_and_keeps_its_cache(tmp_path, algorithm):
    module, cache = network(), tmp_path / "cache"
    data = [[torch.rand(3, 8, 8)] for _ in range(6)]
    settings = dict(int8_mode=True, int8_calib_algorithm=getattr(trt.CalibrationAlgoType, algorithm),
                    int8_calib_cache_file=str(cache))
    x = torch.rand(1, 3, 8, 8)
    result = converted(module, [x], int8_calib_dataset=data, **settings)
    text = cache.read_bytes()
    assert text.startswith(b"TRT-") and b"input_0: " in text
    exact, found = module(x).detach(), result(x)
    assert 0 < (found - exact).norm() < 0.2 * exact.norm()  # it computes with INT8, and comes close

    class Untouched:
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise AssertionError("the cache holds the scales")

    again = converted(module, [x], int8_calib_dataset=Untouched(), **settings)
    torch.testing.assert_close(again(x), found)


def test_through_onnx_on_request():
    module, x = network(), torch.rand(1, 3, 8, 8)
    result = torch2trt(module, [x], use_onnx=True, onnx_opset=13)
    assert isinstance(result, TRTModule)
    torch.testing.assert_close(result(x), module(x).detach(), rtol=1e-4, atol=1e-5)


def test_names_of_inputs_and_outputs(tmp_path):
    class Two(nn.Module):
        def forward(self, a, b):
            return a + b, a * b

    a, b = torch.rand(2, 3), torch.rand(2, 3)
    result = converted(Two(), [a, b], input_names=["left", "right"], output_names=["sum", "product"])
    names = [result.engine.get_tensor_name(i) for i in range(result.engine.num_io_tensors)]
    assert sorted(names) == ["left", "product", "right", "sum"]
    torch.testing.assert_close(result(a, right=b), (a + b, a * b))
    torch.save(result.state_dict(), tmp_path / "two.pth")
    loaded = TRTModule()
    loaded.load_state_dict(torch.load(tmp_path / "two.pth", weights_only=True))
    torch.testing.assert_close(loaded(a, b), (a + b, a * b))


def test_the_test_runner(monkeypatch, capsys, tmp_path):
    import torch2trt.test as runner

    monkeypatch.setattr(sys, "argv", ["test", "--name", "activation_relu6$", "-o", str(tmp_path / "table.md")])
    with pytest.raises(SystemExit) as status:
        runner.main()
    assert status.value.code == 0 and "activation_relu6" in capsys.readouterr().out
    assert "TRTModule" in (tmp_path / "table.md").read_text()


class Two(nn.Module):
    def forward(self, a, b):
        return a * 2 + b


def pair_of(rows=4):
    return torch.rand(rows, 8), torch.rand(rows, 8)


@pytest.mark.parametrize("given, named, says", [
    (1, {}, "structure .0, 1., found 1 values"), (0, {}, "found 0 values"), (3, {}, "found 3 values"),
    (1, {"third": 0}, "missing .'input_1'., unknown or twice .'third'."),
    (2, {"input_1": 1}, "unknown or twice .'input_1'.")])
def test_other_inputs_than_the_engine_has(given, named, says):
    values = [*pair_of(), torch.rand(4, 8)]
    result = converted(Two(), values[:2])
    result(*values[:2])  # addresses of that run must not serve another
    with pytest.raises(TypeError, match=says):
        result(*values[:given], **{name: values[i] for name, i in named.items()})
    bare = TRTModule(result.engine)
    with pytest.raises(TypeError, match="inputs are .'input_0', 'input_1'., given are 1"):
        bare(values[0])


def test_inputs_that_are_no_tensors_of_one_device():
    a, b = pair_of()
    result = converted(Two(), [a, b])
    with pytest.raises(TypeError, match="'input_1' is a ndarray"):
        result(a, b.cpu().numpy())
    with pytest.raises(TypeError, match="'input_1' is on meta"):
        result(a, b.to("meta"))
    with pytest.raises(TypeError, match="'input_0' is torch.complex64"):
        result(a.to(torch.complex64), b)


def test_strides_and_types_of_inputs():
    result, b = converted(Two(), pair_of()), torch.rand(4, 8)
    for a in (torch.rand(8, 4).t(), torch.rand(8, 16)[::2, ::2], torch.rand(1, 8).expand(4, 8),
              torch.rand(4, 8).double(), torch.rand(4, 8).requires_grad_()):
        torch.testing.assert_close(result(a, b), Two()(a.detach().float(), b))


def test_copies_and_pickles(tmp_path):
    a, b = pair_of()
    result = converted(Two(), [a, b])
    torch.save(result, tmp_path / "module.pt")
    for other in (copy.deepcopy(result), pickle.loads(pickle.dumps(result)), pickle.loads(pickle.dumps(TRTModule())),
                  torch.load(tmp_path / "module.pt", weights_only=False)):
        if other.engine is not None:
            torch.testing.assert_close(other(a, b), Two()(a, b))
    assert pickle.loads(pickle.dumps(TRTModule())).engine is None


def test_a_state_dict_without_an_engine():
    assert dict(TRTModule().state_dict()) == {}
    with pytest.raises(RuntimeError, match="Missing key.*engine"):
        TRTModule().load_state_dict({})
    assert TRTModule().load_state_dict({}, strict=False).missing_keys == ["engine", "input_names", "output_names"]
    with pytest.raises(RuntimeError, match="cannot be loaded: .*a plan has at least"):
        TRTModule().load_state_dict({"engine": bytearray(b"abc"), "input_names": ["x"], "output_names": ["y"]})


def test_threads_take_turns():
    result, (_, b), wrong = converted(Two(), pair_of()), pair_of(), []

    def run(value):
        for _ in range(100):
            a = torch.full((4, 8), value, device=b.device)
            if not torch.equal(result(a, b), a * 2 + b):
                wrong.append(value)

    threads = [threading.Thread(target=run, args=(float(k),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_sizes_that_disagree_at_run_time_give_the_reason():
    a, b = pair_of()
    result = converted(Two(), [a, b], min_shapes=[(1, 8), (1, 8)], max_shapes=[(8, 8), (8, 8)])
    torch.testing.assert_close(result(a[:2], b[:2]), a[:2] * 2 + b[:2])
    with pytest.raises(RuntimeError, match=r"'output_0' has no shape .*\(2, 8\), \(3, 8\).*do not broadcast"):
        result(a[:2], b[:3])


@pytest.mark.parametrize("settings, says", [
    (dict(input_names=["x", "y"]), "input_names are .'x', 'y'., accepted are 1"), (dict(log_level=1), "log_level is 1"),
    (dict(max_workspace_size=-1), "max_workspace_size is -1"),
    (dict(min_shapes=[(1, 3, 9, 8)], max_shapes=[(1, 3, 16, 8)]), "min <= opt <= max"),
    (dict(min_shapes=[(1, 3, 8)], max_shapes=[(1, 3, 8)]), "they need its rank"),
    (dict(max_shapes=[(1, 3, 8, 8)] * 2), "max_shapes has 2 shapes for 1 inputs"),
    (dict(int8_mode=True, int8_calib_algorithm=7), "int8_calib_algorithm is 7"),
    (dict(int8_mode=True, int8_calib_batch_size=0), "int8_calib_batch_size is 0"),
    (dict(device_types={"conv": trt.DeviceType.GPU}), "device_types has 'conv'"),
    (dict(int8_mode=True, int8_calib_dataset=[[torch.zeros(3, 5, 5, device="cpu")]]), r"item 0 of int8_calib_dataset"),
], ids=lambda v: "-".join(v) if isinstance(v, dict) else "")
def test_arguments_that_disagree_with_the_inputs(settings, says):
    with pytest.raises((ValueError, TypeError), match=says):
        torch2trt(network(), [torch.rand(1, 3, 8, 8)], **settings)


def test_an_exception_of_a_data_set_arrives():
    class Gone(list):
        def __getitem__(self, index):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        torch2trt(network(), [torch.rand(1, 3, 8, 8)], int8_mode=True, int8_calib_dataset=Gone([0]))


def test_devices_that_are_not_there_fall_back():
    module, x = network(), torch.rand(1, 3, 8, 8)
    for settings in (dict(default_device_type=trt.DeviceType.DLA), dict(device_types={module[0]: trt.DeviceType.DLA})):
        torch.testing.assert_close(converted(module, [x], **settings)(x), module(x).detach(), rtol=1e-4, atol=1e-5)
        with pytest.warns(UserWarning, match="gpu_fallback is off|kGPU_FALLBACK is not set"):
            torch2trt(module, [x], gpu_fallback=False, **settings)


def test_a_module_in_double_precision_stays_in_pytorch():
    module, x = network().double(), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    with pytest.warns(UserWarning, match="torch.float64 is not supported by TensorRT"):
        result = torch2trt(module, [x])
    torch.testing.assert_close(result(x), module(x).detach())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_modules_in_half_precision(dtype):
    module, x = network().to(dtype), torch.rand(2, 3, 8, 8).to(dtype)
    found = converted(module, [x])(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found, module(x).detach(), rtol=5e-2, atol=5e-2)


def doubled(x):
    return torch2trt(Call(lambda x: x * 2), [x])


@pytest.mark.parametrize("function, says", [
    (lambda x: x * x.max().item(), "torch.Tensor.item"), (lambda x: x * float(x.sum()), "__float__"),
    (lambda x: x + torch.tensor(x.tolist(), device=x.device), "tolist"),
    (lambda x: x + torch.from_numpy(x.cpu().numpy() * 2).to(x.device), "numpy"),
    (lambda x: x + 1 if x.sum() > 0 else x - 1, "__bool__"),
    (torch.jit.script(nn.Linear(4, 4).eval()), "differ"),
], ids=["item", "float", "tolist", "numpy", "branch", "script"])
def test_values_read_in_python_do_not_become_constants(function, says):
    x = torch.rand(3, 4)
    module = Call(function.to(x.device) if isinstance(function, nn.Module) else function).eval()
    with pytest.warns(UserWarning, match=f"for other values its outputs differ .*{says}|{says}"):
        result = torch2trt(module, [x])
    assert isinstance(result, FallbackModule)
    y = torch.randn(3, 4)
    torch.testing.assert_close(result(y), module(y).detach())


def test_a_converted_module_inside_another_stays_itself():
    x = torch.rand(3, 4)
    inner = doubled(x)
    with pytest.warns(UserWarning, match="reads values by torch.Tensor.data_ptr"):
        result = torch2trt(nn.Sequential(inner, nn.ReLU()), [x])
    assert isinstance(result, FallbackModule)
    y = torch.randn(3, 4)
    torch.testing.assert_close(result(y), (y * 2).relu())


def test_inputs_stay_as_they_are_where_a_module_writes_to_them():
    x = torch.rand(3, 4)
    before = x.clone()
    result = converted(Call(lambda x: x.mul_(2) + 1), [x])
    torch.testing.assert_close(x, before)
    torch.testing.assert_close(result(x), before * 2 + 1)
