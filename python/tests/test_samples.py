"""tenon.samples.common, and the scripts of samples/python."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import tenon
import tenon.tensorrt

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402
from tenon.samples import common  # noqa: E402

SCRIPTS = pathlib.Path(__file__).parents[2] / "samples" / "python"


def run(script, *arguments, release="10"):
    path = os.pathsep.join([str(pathlib.Path(tenon.__file__).parents[1]), *sys.path])
    done = subprocess.run([sys.executable, "-m", "tenon.tensorrt", str(SCRIPTS / script), *map(str, arguments)],
                          env=dict(os.environ, PYTHONPATH=path, TENON_TRT_API=release), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shares(text):
    return [float(share) for share in re.findall(r"([\d.]+) % of", text)]


def test_build_and_classify(tmp_path):
    assert "bytes" in run("build_engine.py", tmp_path / "digits.plan")
    found = shares(run("classify.py", tmp_path / "digits.plan"))
    assert len(found) == 2 and min(found) > 95


def test_network_by_hand():
    text = run("network_by_hand.py")
    assert shares(text)[0] > 95 and float(re.search(r"network: ([\d.e+-]+)", text)[1]) < 1e-3


def test_python_plugin():
    assert float(run("python_plugin.py").split()[-1]) < 1e-5


def test_calibrate_int8(tmp_path):
    text = run("calibrate_int8.py", tmp_path / "cache", release="8")
    assert "measured: 3 batches" in text and "cached: 0 batches" in text and "EntropyCalibration2" in text
    assert min(shares(text)) > 90


def engine_of(release_shape, flags=1):
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(flags)
    x = network.add_input("x", trt.float32, release_shape)
    y = network.add_activation(x, trt.ActivationType.RELU).get_output(0)
    y.name = "y"
    network.mark_output(y)
    config = builder.create_builder_config()
    if min(release_shape) < 0:
        profile = builder.create_optimization_profile()
        profile.set_shape("x", *[tuple(n if d < 0 else d for d in release_shape) for n in (1, 2, 5)])
        config.add_optimization_profile(profile)
    return builder.build_engine(network, config)


def test_buffers_of_every_form():
    engine = engine_of((2, 3))
    context, data = engine.create_execution_context(), np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
    inputs, outputs, bindings, stream = common.allocate_buffers(engine)
    assert [m.nbytes for m in inputs + outputs] == [24, 24] and len(bindings) == 2
    expected = np.maximum(data, 0).reshape(-1)
    for call in (lambda: common.do_inference(context, engine, bindings, inputs, outputs, stream),
                 lambda: common.do_inference(context, bindings, inputs, outputs, stream),
                 lambda: common.do_inference(context, bindings=bindings, inputs=inputs, outputs=outputs, stream=stream),
                 lambda: common.do_inference_v2(context, bindings, inputs, outputs, stream)):
        inputs[0].host, outputs[0].host = data, np.zeros(6)
        np.testing.assert_array_equal(call()[0], expected)
    with pytest.raises(ValueError, match="the buffer has 6"):
        inputs[0].host = np.zeros(7)
    common.free_buffers(inputs, outputs, stream)


def test_buffers_at_a_profiles_largest_shapes():
    engine = engine_of((-1, 3))
    with pytest.raises(ValueError, match="give profile_idx"):
        common.allocate_buffers(engine)
    inputs, outputs, _, stream = common.allocate_buffers(engine, 0)
    assert inputs[0].host.size == outputs[0].host.size == 15
    common.free_buffers(inputs, outputs, stream)


@pytest.mark.parametrize("shape", [(2, 3), (-1, 3)])
def test_the_wrapper_takes_as_many_values_as_fixed_dimensions_have(tmp_path, capfd, shape):
    (tmp_path / "plan").write_bytes(bytes(engine_of(shape).serialize()))
    wrapper, images = common.ONNXClassifierWrapper(tmp_path / "plan", [2, 3]), np.array([[1.5, -2, 3], [-4, 5, -6]])
    np.testing.assert_array_equal(wrapper.predict(images if shape[0] < 0 else images.reshape(3, 2)),
                                  np.maximum(images, 0))
    assert "[E]" not in "".join(capfd.readouterr())
    for wrong in (np.zeros((2, 4)), np.zeros((6, 3))):
        with pytest.raises(ValueError, match="images are"):
            common.ONNXClassifierWrapper(tmp_path / "plan", [2, 3]).predict(wrong)


def test_a_failed_call_of_the_runtime_has_its_text():
    with pytest.raises(RuntimeError, match="CUDA runtime"):
        common.check_cuda_err(common.cudart.cudaError_t.cudaErrorInvalidValue)
