"""Programs that make the calls of published tutorials, each at the release of its time (tests/articles)."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon
import tenon.tensorrt

PROGRAMS = pathlib.Path(__file__).parents[2] / "tests" / "articles"


def run(program, *arguments, release):
    path = os.pathsep.join([str(pathlib.Path(tenon.__file__).parents[1]), *sys.path])
    command = [sys.executable, "-m", "tenon.tensorrt", str(PROGRAMS / program), *map(str, arguments)]
    return subprocess.run(command, env=dict(os.environ, TENON_TRT_API=release, PYTHONPATH=path), capture_output=True,
                          text=True)


def save(path, nodes, inputs, outputs, weights):
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "model", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


@pytest.fixture
def convolution(tmp_path):
    """Convolution, relu, pooling and a classifier; its file and a function of numpy."""
    rng = np.random.default_rng(3)
    kernel, dense = rng.normal(size=(4, 3, 1, 1)).astype(np.float32), rng.normal(size=(4, 5)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["input", "k"], ["c"]), helper.make_node("Relu", ["c"], ["r"]),
             helper.make_node("GlobalAveragePool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("MatMul", ["f", "w"], ["scores"])]
    save(tmp_path / "model.onnx", nodes, [value("input", [2, 3, 6, 6])], [value("scores", [2, 5])],
         {"k": kernel, "w": dense})
    expected = lambda x: np.maximum(np.einsum("nchw,oc->nohw", x, kernel[..., 0, 0]), 0).mean((2, 3)) @ dense
    return tmp_path, expected


def test_parse_build_save_load_run_at_7(convolution):
    folder, expected = convolution
    x = np.random.default_rng(4).normal(size=(2, 3, 6, 6)).astype(np.float32)
    np.save(folder / "x.npy", x)
    result = run("parse_build_run.py", folder / "model.onnx", folder / "plan", folder / "x.npy", folder / "y.npy",
                 release="7")
    assert result.returncode == 0, result.stderr
    np.testing.assert_allclose(np.load(folder / "y.npy").reshape(2, 5), expected(x), rtol=1e-4, atol=1e-5)


def test_without_the_explicit_batch_flag_the_build_returns_none(convolution):
    folder, _ = convolution
    np.save(folder / "x.npy", np.zeros((2, 3, 6, 6), np.float32))
    result = run("parse_build_run.py", folder / "model.onnx", folder / "plan", folder / "x.npy", folder / "y.npy",
                 "implicit", release="7")
    assert "'NoneType' object has no attribute 'serialize'" in result.stderr
    assert "[TRT] [E]" in result.stderr


def test_classifier_at_8(convolution):
    folder, expected = convolution
    tenon.compile(folder / "model.onnx", threads=1).save(folder / "plan")
    x = np.random.default_rng(5).normal(size=(2, 3, 6, 6)).astype(np.float32)
    np.save(folder / "x.npy", x)
    result = run("classifier.py", folder / "plan", folder / "x.npy", folder / "y.npy", 5, release="8")
    assert result.returncode == 0, result.stderr
    np.testing.assert_allclose(np.load(folder / "y.npy"), expected(x), rtol=1e-4, atol=1e-5)


def test_segmentation_with_dynamic_height_and_width_at_8(tmp_path):
    rng = np.random.default_rng(6)
    kernel = rng.normal(size=(7, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["input", "k"], ["scores"]),
             helper.make_node("ArgMax", ["scores"], ["classes"], axis=1, keepdims=0),
             helper.make_node("Cast", ["classes"], ["output"], to=TensorProto.INT32)]
    save(tmp_path / "model.onnx", nodes, [value("input", [1, 3, "h", "w"])],
         [value("output", [1, "h", "w"], TensorProto.INT32)], {"k": kernel})
    tenon.compile(tmp_path / "model.onnx", threads=1,
                  shapes={"input": ([1, 3, 4, 4], [1, 3, 12, 10], [1, 3, 32, 32])}).save(tmp_path / "plan")
    pixels = rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)
    np.save(tmp_path / "image.npy", pixels)
    result = run("segmentation.py", tmp_path / "plan", tmp_path / "image.npy", tmp_path / "y.npy", release="8")
    assert result.returncode == 0, result.stderr
    scaled = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.argmax(scaled @ kernel[..., 0, 0].T, axis=2))


def numbers_of(result):
    """Lines `name value` of a program's output."""
    assert result.returncode == 0, result.stderr
    pairs = (line.split() for line in result.stdout.splitlines())
    return {p[0]: float(p[1]) for p in pairs if len(p) == 2 and p[1].replace(".", "").replace("e-", "").isdigit()}


@pytest.mark.parametrize("way", ["built_in", "converter"])
def test_max_pool3d_converts_at_7(way):
    pytest.importorskip("torch")
    errors = numbers_of(run("pooling_3d.py", way, release="7"))
    assert errors.pop("converter") == (3 if way == "converter" else 0)
    assert set(errors) == {"ceil", "floor", "mixed"} and max(errors.values()) < 1e-4


def test_wavelets_convert_at_7():
    pytest.importorskip("torch")
    errors = numbers_of(run("wavelets.py", release="7"))
    assert len(errors) == 6 and max(errors.values()) < 1e-4


def test_every_documented_argument_at_7():
    pytest.importorskip("torch")
    found = numbers_of(run("arguments.py", release="7"))
    assert found["missing"] == 0 and found["kept"] == 1 and found["notes"] >= 1
    assert found["named"] < 1e-4 and found["fallback"] < 1e-4


@pytest.mark.parametrize("exporter", ["default", "script"])
def test_an_exported_reshape_keeps_the_batch_open_at_8(tmp_path, exporter):
    pytest.importorskip("torch")
    if exporter == "default":
        pytest.importorskip("onnxscript")
    result = run("export_reshape.py", tmp_path / "model.onnx", exporter, release="8")
    assert numbers_of(result)["error"] < 1e-4
    assert "values 1.4 2.0 1.4 2.0 2.9 2.0 1.4 2.0 1.4" in result.stdout


def test_pycuda_without_a_context_fails_as_it_does():
    result = run("without_context.py", release="7")
    assert result.returncode == 0, result.stderr
    assert "LogicError" in result.stdout and "no currently active context" in result.stdout
    assert "allocated True" in result.stdout


def test_torch2trt_of_a_program_for_a_gpu_at_7(tmp_path):
    pytest.importorskip("torch")
    result = run("convert_model.py", tmp_path / "engine.pth", release="7")
    assert result.returncode == 0, result.stderr
    errors = dict(line.split() for line in result.stdout.splitlines())
    assert float(errors["fp32"]) < 1e-4 and float(errors["batch"]) < 1e-4 and float(errors["loaded"]) == 0
    assert float(errors["fp16"]) < 2e-2 and float(errors["int8"]) < 0.1
