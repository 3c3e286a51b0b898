import numpy as np
import onnx
import pytest
from onnx import TensorProto as T, helper as h

import tenon


def relu_model(dtype=T.FLOAT, dims=("n", 3)):
    graph = h.make_graph([h.make_node("Relu", ["x"], ["y"], name="r")], "g",
                         [h.make_tensor_value_info("x", dtype, dims)],
                         [h.make_tensor_value_info("y", dtype, dims)])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_run_save_load(tmp_path):
    engine = tenon.compile(relu_model())
    x = np.array([[1, -2, 3]], np.float32)
    np.testing.assert_array_equal(engine.run([x])[0], np.maximum(x, 0))
    np.testing.assert_array_equal(engine(x=np.vstack([x, -x])), np.maximum(np.vstack([x, -x]), 0))
    engine.save(tmp_path / "r.plan")
    again = tenon.load(tmp_path / "r.plan")
    np.testing.assert_array_equal(again.run([x])[0], np.maximum(x, 0))
    assert again.inputs[0].shape == ("n", 3) and again.outputs[0].dtype == "f32"
    assert again.layers()[0]["op"] and tenon.load(engine.serialize()).inputs[0].name == "x"


def test_non_contiguous_input_and_bf16():
    import ml_dtypes
    engine = tenon.compile(relu_model())
    x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4).T
    np.testing.assert_array_equal(engine.run([x])[0], np.maximum(x, 0))
    narrow = tenon.compile(relu_model(T.BFLOAT16))
    y = narrow.run([x.astype(ml_dtypes.bfloat16)])[0]
    assert y.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), np.maximum(x, 0))


def test_errors():
    with pytest.raises(tenon.TenonError, match="not an ONNX model|not ONNX"):
        tenon.compile(b"<html>nothing here</html>")
    engine = tenon.compile(relu_model(), shapes={"x": ((1, 3), (2, 3), (4, 3))})
    with pytest.raises(tenon.TenonError, match=r"input 'x' is given dims \[5, 3\]"):
        engine.run([np.zeros((5, 3), np.float32)])
    with pytest.raises(tenon.TenonError, match="is given f64, accepted is f32"):
        engine.run([np.zeros((1, 3))])
    with pytest.raises(TypeError, match="has 1 inputs"):
        engine.run([])
    with pytest.raises(ValueError, match="precision"):
        tenon.compile(relu_model(), precision="int3")
    with pytest.raises(ValueError, match="level is 6"):
        tenon.compile(relu_model(), level=6)


def test_the_other_order_of_bytes():
    x = np.array([[1, -2, 3]], np.float32)
    np.testing.assert_array_equal(tenon.compile(relu_model()).run([x.astype(">f4")])[0], np.maximum(x, 0))


def test_torch_tensors_in_place():
    torch = pytest.importorskip("torch")
    engine = tenon.compile(relu_model(), precision="tf32")
    x = torch.arange(-6, 6, dtype=torch.float32).reshape(4, 3)
    assert torch.equal(engine.run_torch([x])[0], x.relu())
    assert torch.equal(engine.run_torch([x.T.reshape(3, 4).T[:, :3]])[0], x.T.reshape(3, 4).T[:, :3].relu())
    with pytest.raises(TypeError, match="'x' is torch.float16"):
        engine.run_torch([x.half()])
    with pytest.raises(TypeError, match="'x' is a ndarray"):
        engine.run_torch([x.numpy()])
    with pytest.raises(tenon.TenonError, match="x"):
        engine.run_torch([torch.zeros(2, 4)])


def test_addresses_in_place():
    engine = tenon.compile(relu_model())
    x, y = np.array([[1, -2, 3]], np.float32), np.empty((1, 3), np.float32)
    assert engine._core.prepare([[1, 3]]) == [[1, 3]] and engine._core.device == "cpu"
    engine._core.enqueue([[1, 3]], [x.ctypes.data, y.ctypes.data], 0)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    with pytest.raises(tenon.TenonError, match="2 inputs and outputs, 1 "):
        engine._core.enqueue([[1, 3]], [x.ctypes.data], 0)


def test_unknown_device():
    with pytest.raises(tenon.TenonError, match="'tpu': accepted are cpu, cuda"):
        tenon.compile(relu_model(), device="tpu")
