#!/usr/bin/env python3
"""Writes models/: what the cases of tests/onnx_cases lack, so that plans hold fused convolutions and recurrences.

    .venv/bin/python tests/fuzz/write_models.py
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "models"
random = np.random.default_rng(1)


class Network:
    """Nodes and seeded weights, added in order; each call returns the name of its result."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, *dims):
        name = f"w{len(self.weights)}"
        scale = 1 / np.sqrt(np.prod(dims[1:]))
        values = (random.standard_normal(dims) * scale).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def conv(self, x, channels, out, kernel=1, group=1, stride=1):
        return self.node("Conv", x, self.weight(out, channels // group, kernel, kernel), self.weight(out), group=group,
                         strides=[stride, stride], pads=[kernel // 2] * 4)

    def swish(self, x):
        return self.node("Mul", x, self.node("Sigmoid", x))

    def save(self, name, shape, output):
        self.nodes[-1].output[0] = "y"
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def mobile_block():
    """A stem, an expansion, a depthwise convolution, squeeze-and-excitation, a projection and a sum."""
    net = Network()
    x = net.swish(net.conv("x", 3, 16, kernel=3, stride=2))
    y = net.swish(net.conv(x, 16, 32))
    y = net.swish(net.conv(y, 32, 32, kernel=3, group=32))
    s = net.swish(net.conv(net.node("GlobalAveragePool", y), 32, 8))
    y = net.node("Mul", y, net.node("Sigmoid", net.conv(s, 8, 32)))
    y = net.node("Add", net.conv(y, 32, 16), x)
    net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    net.save("mobile_block", ["n", 3, 16, 16], ["n", 16, 4, 4])


def recurrent():
    """An LSTM and a GRU over steps of unknown number."""
    net = Network()
    hidden = 6
    y = net.node("LSTM", "x", net.weight(1, 4 * hidden, 5), net.weight(1, 4 * hidden, hidden), hidden_size=hidden)
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    net.weights.append(axes)
    y = net.node("Squeeze", y, "axes")
    net.node("GRU", y, net.weight(1, 3 * hidden, hidden), net.weight(1, 3 * hidden, hidden), hidden_size=hidden,
             linear_before_reset=1)
    net.save("recurrent", ["t", "n", 5], ["t", 1, "n", hidden])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    mobile_block()
    recurrent()
