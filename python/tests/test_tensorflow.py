"""tenon.tensorflow: SavedModels converted, saved, and loaded in another process (`make test-tf`)."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
keras = pytest.importorskip("keras")

import tenon  # noqa: E402
from tenon.tensorflow import TrtGraphConverterV2  # noqa: E402

LOAD = """
import sys, numpy as np, tensorflow as tf, tenon.tensorflow
model = tf.saved_model.load(sys.argv[1])
call = model.signatures["serving_default"]
(name,), given = call.structured_input_signature[1], np.load(sys.argv[2])
np.savez(sys.argv[3], **{k: v.numpy() for k, v in call(**{name: tf.constant(given)}).items()})
"""


def elsewhere(folder, model, x):
    """The outputs of a saved model, run by another process."""
    np.save(folder / "x.npy", x)
    path = os.pathsep.join([str(pathlib.Path(tenon.__file__).parents[1]), *sys.path])
    subprocess.run([sys.executable, "-c", LOAD, str(model), str(folder / "x.npy"), str(folder / "y.npz")], check=True,
                   env=dict(os.environ, PYTHONPATH=path))
    return dict(np.load(folder / "y.npz"))


def original(model, x):
    call = tf.saved_model.load(str(model)).signatures["serving_default"]
    name, = call.structured_input_signature[1]
    return {k: v.numpy() for k, v in call(**{name: tf.constant(x)}).items()}


def close(found, expected, bound=1e-4):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].shape == value.shape and found[key].dtype == value.dtype
        if value.dtype.kind == "f":
            assert np.abs(found[key] - value).max() <= bound * max(1, np.abs(value).max())
        else:
            np.testing.assert_array_equal(found[key], value)


def converted(folder, **options):
    converter = TrtGraphConverterV2(str(folder / "model"), builder_optimization_level=1, **options)
    converter.convert()
    converter.save(str(folder / "converted"))
    return converter


def test_keras_resnet50(tmp_path):
    keras.utils.set_random_seed(5)
    model = keras.applications.ResNet50(weights=None, input_shape=(96, 96, 3), classes=100)
    model.export(str(tmp_path / "model"), verbose=False)
    converter = converted(tmp_path)
    lines = []
    converter.summary(print_fn=lines.append)
    assert len(lines) == 1 and lines[0].startswith("engine 0:") and not converter.in_tensorflow
    for batch in (1, 3):
        x = np.random.default_rng(batch).uniform(size=(batch, 96, 96, 3)).astype(np.float32)
        close(elsewhere(tmp_path, tmp_path / "converted", x), original(tmp_path / "model", x))


class Mixed(tf.Module):
    """A convolution, words looked up by a table of strings, and arithmetic on both."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(1).normal(size=(3, 3, 3, 8)).astype(np.float32))
        self.dense = tf.Variable(np.random.default_rng(2).normal(size=(8, 4)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3), tf.float32, name="image")])
    def __call__(self, image):
        x = tf.nn.relu(tf.nn.conv2d(image, self.kernel, strides=1, padding="SAME"))
        x = tf.reduce_mean(x, axis=[1, 2])
        scores = tf.nn.softmax(tf.matmul(x, self.dense) * 0.1 + 1)
        words = tf.strings.to_number(tf.strings.as_string(scores, precision=3))
        again = tf.nn.relu(tf.matmul(words, tf.transpose(self.dense)) - 0.1) * 2
        return {"scores": scores, "again": again, "best": tf.argmax(scores, axis=1)}


def test_what_is_not_supported_stays_in_tensorflow(tmp_path):
    module = Mixed()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.__call__.get_concrete_function())
    converter = converted(tmp_path)
    assert {left.op for left in converter.in_tensorflow} == {"AsString", "StringToNumber"}
    assert all(left.reason for left in converter.in_tensorflow) and len(converter._engines) == 2
    lines = []
    converter.summary(print_fn=lines.append)
    assert sum("in TensorFlow: AsString" in line for line in lines) == 1
    x = np.random.default_rng(3).normal(size=(5, 12, 12, 3)).astype(np.float32)
    expected = original(tmp_path / "model", x)
    close(elsewhere(tmp_path, tmp_path / "converted", x), expected, 2e-3)
    converter.build(lambda: [{"image": x}, (x[:2],)])


def test_small_parts_and_wrong_arguments(tmp_path):
    module = Mixed()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.__call__.get_concrete_function())
    converter = converted(tmp_path, minimum_segment_size=1000)
    assert not converter._engines and any("minimum_segment_size" in left.reason for left in converter.in_tensorflow)
    x = np.zeros((1, 12, 12, 3), np.float32)
    close(elsewhere(tmp_path, tmp_path / "converted", x), original(tmp_path / "model", x))
    with pytest.raises(ValueError, match="accepted: 'FP32', 'FP16'"):
        TrtGraphConverterV2(str(tmp_path / "model"), precision_mode="INT8")
    with pytest.raises(ValueError, match="accepted: serving_default"):
        TrtGraphConverterV2(str(tmp_path / "model"), input_saved_model_signature_key="other").convert()
    with pytest.raises(RuntimeError, match="convert"):
        TrtGraphConverterV2(str(tmp_path / "model")).save(str(tmp_path / "x"))
