"""Whole models, with dynamic batch, against ONNX Runtime and against themselves."""
import os
import sys

import numpy as np
import onnxruntime as ort
import pytest

import tenon

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench", "models"))
import zoo  # noqa: E402

IMAGE = 96


def inputs_for(session, batch, rng):
    feeds = {}
    for value in session.get_inputs():
        shape = [d if isinstance(d, int) else batch for d in value.shape]
        if "float" in value.type:
            feeds[value.name] = rng.standard_normal(shape).astype(np.float32)
        else:
            feeds[value.name] = rng.integers(0, 100, shape)
    return feeds


@pytest.mark.parametrize("name,size", [("mlp", None), ("squeezenet1_1", IMAGE), ("mobilenet_v2", IMAGE),
                                       ("shufflenet_v2", IMAGE), ("efficientnet_b0", IMAGE)])
def test_model(name, size, tmp_path):
    options = {"size": size} if size else {}
    model = zoo.build(name, None, **options).model().SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    engine = tenon.compile(model, level=1, threads=2)
    engine.save(tmp_path / "model.plan")
    one, two = tenon.load(tmp_path / "model.plan", threads=1), tenon.load(tmp_path / "model.plan", threads=2)
    feeds = inputs_for(session, 3, np.random.default_rng(7))
    values = [feeds[io.name] for io in one.inputs]
    want = session.run([io.name for io in one.outputs], feeds)
    got = one.run(values)
    for mine, theirs, again in zip(got, want, two.run(values)):
        assert np.linalg.norm(mine - theirs) <= 2e-5 * np.linalg.norm(theirs)
        np.testing.assert_array_equal(mine, again)
    alone = one.run([v[1:2] for v in values])
    for mine, row in zip(got, alone):
        np.testing.assert_array_equal(mine[1:2], row)
