#!/usr/bin/env python3
"""Compares the expected outputs of random networks with those of ONNX Runtime, a second judge of what operators mean.

    build/bin/random_graphs --write FOLDER --cases 1000 --seed 1
    .venv/bin/python tests/random_graphs/check_onnxruntime.py FOLDER

Needs onnx and onnxruntime. Networks that ONNX Runtime refuses are counted by reason. Each difference is shown with the
operator that made the output. Ends with 1 if there is one.
"""
import collections
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper


COARSE = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def is_coarse(model):
    """Whether values are rounded to 16 bits somewhere, which the expected outputs are not."""
    types = [v.type.tensor_type.elem_type for v in model.graph.input]
    types += [a.i for n in model.graph.node for a in n.attribute if a.name == "to"]
    return any(t in COARSE for t in types)


def differs(got, expected, coarse):
    """What is wrong with `got`, or nothing. Numbers may be apart by rounding amplified a thousandfold."""
    if got.shape != expected.shape:
        return f"dims {list(got.shape)}, expected {list(expected.shape)}"
    a, b = got.astype(np.float64), expected.astype(np.float64)
    if a.size == 0:
        return None
    if coarse:
        return None if np.isfinite(a).all() else "not finite"
    step = {np.dtype(np.float16): 1e-3, np.dtype(np.float32): 1e-7, np.dtype(np.float64): 1e-7}.get(got.dtype)
    bound = 0 if step is None else 1e3 * step * max(1e-3, np.abs(b).max())
    apart = np.abs(a - b)
    if not (apart <= bound).all():
        i = int(np.nanargmax(np.where(np.isnan(apart), np.inf, apart)))
        return f"element {i} is {a.flat[i]:g}, expected {b.flat[i]:g}"
    return None


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def check(folder, name):
    model = onnx.load(folder / f"{name}.onnx")
    data = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / f"{name}.data.onnx").graph.initializer}
    feeds = {v.name: data[f"in_{v.name}"] for v in model.graph.input}
    for i, got in enumerate(run(model, feeds)):
        wrong = differs(got, data[f"out{i}"], is_coarse(model))
        if wrong:
            output = model.graph.output[i].name
            maker = next((n.op_type for n in model.graph.node if output in n.output), "input")
            return f"output {output} of {maker}: {wrong}"
    return None


def main():
    folder = pathlib.Path(sys.argv[1])
    refused, checked, failed = collections.Counter(), 0, 0
    for line in (folder / "cases.txt").read_text().splitlines():
        name = line.split()[0]
        try:
            wrong = check(folder, name)
        except Exception as e:  # its exceptions have no common base
            refused[str(e).replace("\n", " ")[:160]] += 1
            continue
        checked += 1
        if wrong:
            failed += 1
            print(f"{name}: {wrong}", flush=True)
    for reason, count in refused.most_common(20):
        print(f"refused {count}: {reason}")
    print(f"{checked} checked, {sum(refused.values())} refused, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
