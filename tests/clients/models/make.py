"""Writes the models beside it. They have operators that are other layers in TensorRT than in ONNX.

usage: make.py (needs the package onnx)
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(5)


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def noise(name, *dims):
    return constant(name, RANDOM.standard_normal(dims).astype(np.float32) / 2)


def save(name, nodes, inputs, outputs, weights):
    tensors = [[helper.make_tensor_value_info(n, t, d) for n, t, d in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, name, *tensors, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, FOLDER / f"{name}.onnx")


def main():
    node = helper.make_node
    save("branches", [
        node("Conv", ["x", "kernel"], ["c"], "conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "variance"], ["b"], "bn", epsilon=1e-3),
        node("Split", ["b", "sizes"], ["left", "right"], "split", axis=1),
        node("HardSwish", ["left"], ["l"], "swish"),
        node("InstanceNormalization", ["right", "scale", "bias"], ["r"], "norm"),
        node("Concat", ["l", "r"], ["both"], "concat", axis=1),
        node("DepthToSpace", ["both"], ["y"], "shuffle", blocksize=2),
    ], [("x", TensorProto.FLOAT, ["n", 3, 5, 6])], [("y", TensorProto.FLOAT, ["n", 2, 10, 12])],
        [noise("kernel", 8, 3, 3, 3), noise("gamma", 8), noise("beta", 8), noise("mean", 8),
         constant("variance", np.linspace(0.5, 2, 8, dtype=np.float32)), constant("sizes", np.array([3, 5])),
         noise("scale", 5), noise("bias", 5)])
    save("suppression", [node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "least"], ["kept"], "nms")],
         [("boxes", TensorProto.FLOAT, [1, 6, 4]), ("scores", TensorProto.FLOAT, [1, 2, 6])],
         [("kept", TensorProto.INT64, ["k", 3])],
         [constant("most", np.array([3])), constant("overlap", np.array([0.5], np.float32)),
          constant("least", np.array([0.1], np.float32))])


if __name__ == "__main__":
    main()
