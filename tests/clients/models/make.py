"""Writes the models beside it: operators that are other layers in TensorRT than in ONNX, and a model with an operator
of nobody's, whole and in the parts that can be built.

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


def pattern(name, *dims):
    """Weights that a program can make again."""
    count = int(np.prod(dims))
    values = ((np.arange(count) * 37) % 41 - 20) / 25
    return constant(name, values.astype(np.float32).reshape(dims))


def graph_of(name, nodes, inputs, outputs, weights=()):
    tensors = [[helper.make_tensor_value_info(n, t, d) for n, t, d in side] for side in (inputs, outputs)]
    return helper.make_graph(nodes, name, *tensors, list(weights))


def without_data(tensor):
    """The same initializer, whose numbers are to be handed over by whoever loads the model."""
    out = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims,
                      data_location=TensorProto.EXTERNAL)
    out.external_data.add(key="location", value="of_the_application")
    return out


def save(name, nodes, inputs, outputs, weights, opset=17, check=True):
    graph = graph_of(name, nodes, inputs, outputs, weights)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(n.domain, 1) for n in nodes if n.domain)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset < 20 else 11)
    if check:
        onnx.checker.check_model(model)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


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
    composed()
    stretched()
    loops()
    parts()
    tokens()


def stretched():
    """A plugin's operator before a product with weights; an attribute that no field of 32 bits holds."""
    node, FLOAT = helper.make_node, TensorProto.FLOAT
    for name, offset in (("stretched", 1), ("stretched_far", 1 << 40)):
        save(name, [
            node("Stretch", ["x"], ["s"], "stretch", domain="acme", factor=2.5, offset=offset, plugin_version="3",
                 plugin_namespace="acme"),
            node("Mul", ["s", "w"], ["y"], "scale"),
        ], [("x", FLOAT, ["n", 3])], [("y", FLOAT, ["n", 6])], [constant("w", np.full(6, 2, np.float32))])


def composed():
    """Operators without control flow; of each the input x and the output y alone, in one type."""
    node, FLOAT = helper.make_node, TensorProto.FLOAT
    half = numpy_helper.from_array(np.array([0.5], np.float32))
    save("generated", [
        node("Shape", ["x"], ["dims"], "dims"),
        node("ConstantOfShape", ["dims"], ["halves"], "halves", value=half),
        node("Gather", ["dims", "first"], ["count"], "count"),
        node("Range", ["zero", "count", "two"], ["steps"], "steps"),
        node("Cast", ["steps"], ["real"], "real", to=FLOAT),
        node("Unsqueeze", ["real", "last"], ["column"], "column"),
        node("Sub", ["halves", "column"], ["a"], "minus"),
        node("EyeLike", ["x"], ["eye"], "eye", k=1),
        node("Trilu", ["x"], ["lower"], "lower", upper=0),
        node("Add", ["eye", "lower"], ["b"], "plus"),
        node("Add", ["a", "b"], ["y"], "sum"),
    ], [("x", FLOAT, ["n", 2])], [("y", FLOAT, ["n", 2])],
        [constant("first", np.array(0)), constant("zero", np.array(0)), constant("two", np.array(1)),
         constant("last", np.array([1]))])
    save("soft", [
        node("Celu", ["x"], ["c"], "celu", alpha=0.5),
        node("Shrink", ["c"], ["s"], "shrink", bias=0.125, lambd=0.25),
        node("LogSoftmax", ["s"], ["l"], "log", axis=1),
        node("Hardmax", ["x"], ["h"], "hard", axis=1),
        node("Mod", ["x", "part"], ["m"], "mod", fmod=1),
        node("Add", ["l", "h"], ["a"], "first"),
        node("Add", ["a", "m"], ["y"], "second"),
    ], [("x", FLOAT, ["n", 5])], [("y", FLOAT, ["n", 5])], [constant("part", np.array([0.375], np.float32))])
    save("cut", [
        node("Shape", ["x"], ["dims"], "dims"),
        node("Gather", ["dims", "first"], ["count"], "count"),
        node("Sub", ["count", "one"], ["end"], "end"),
        node("Concat", ["end", "minus"], ["ends"], "ends", axis=0),
        node("Slice", ["x", "starts", "ends", "axes"], ["part"], "slice"),
        node("Concat", ["one", "zero", "zero", "end"], ["pads"], "pads", axis=0),
        node("Pad", ["part", "pads", "fill"], ["y"], "pad"),
    ], [("x", FLOAT, ["n", 4])], [("y", FLOAT, ["a", "b"])],
        [constant("first", np.array([0])), constant("one", np.array([1])), constant("zero", np.array([0])),
         constant("minus", np.array([-1])), constant("starts", np.array([0, 1])), constant("axes", np.array([0, 1])),
         constant("fill", np.array(3, np.float32))])
    save("pools", [
        node("LpPool", ["x"], ["p"], "norm", kernel_shape=[2, 2], p=2),
        node("MaxPool", ["p"], ["y"], "apart", kernel_shape=[2, 2], dilations=[2, 1]),
    ], [("x", FLOAT, ["n", 1, 5, 4])], [("y", FLOAT, ["n", 1, 2, 2])], [])
    save("heads", [
        node("RMSNormalization", ["x", "gamma"], ["r"], "rms", epsilon=0.01),
        node("Attention", ["r", "r", "x"], ["y"], "heads", is_causal=1),
    ], [("x", FLOAT, ["n", 2, 3, 4])], [("y", FLOAT, ["n", 2, 3, 4])], [pattern("gamma", 4)], 23)
    save("longer", [
        node("ConvTranspose", ["x", "kernel", "shift"], ["c"], "up", strides=[2, 2], output_padding=[1, 0]),
        node("LayerNormalization", ["c", "gamma"], ["l", "mean", "inverse"], "norm", epsilon=0.04),
        node("ArgMax", ["l"], ["place"], "last", axis=3, select_last_index=1),
        node("Cast", ["place"], ["real"], "real", to=FLOAT),
        node("Mul", ["mean", "inverse"], ["ratio"], "ratio"),
        node("Sign", ["mean"], ["sign"], "sign"),
        node("Round", ["ratio"], ["whole"], "round"),
        node("Add", ["ratio", "real"], ["a"], "first"),
        node("Add", ["a", "sign"], ["b"], "second"),
        node("Add", ["b", "whole"], ["sum"], "third"),
        node("Gelu", ["sum"], ["g"], "gelu"),
        node("Shape", ["x"], ["steps"], "steps", end=1),
        node("Slice", ["g", "begin", "end", "rows", "steps"], ["y"], "rows"),
    ], [("x", FLOAT, ["n", 1, 3, 4])], [("y", FLOAT, ["n", 2, "k", 1])],
        [pattern("kernel", 1, 2, 2, 2), constant("shift", np.array([-0.75, 0.375], np.float32)),
         pattern("gamma", 8), constant("begin", np.array([0])),
         constant("end", np.array([9])), constant("rows", np.array([2]))], 20)


def loops():
    node, FLOAT, INT64, BOOL = helper.make_node, TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    save("lstm", [node("LSTM", ["x", "W", "R", "B"], ["y"], "lstm", hidden_size=3, direction="bidirectional")],
         [("x", FLOAT, ["n", 2, 2])], [("y", FLOAT, ["n", 2, 2, 3])],
         [pattern("W", 2, 12, 2), pattern("R", 2, 12, 3), pattern("B", 2, 24)])
    save("gru", [node("GRU", ["x", "W", "R", "B"], ["", "h"], "gru", hidden_size=3, linear_before_reset=1),
                 node("Squeeze", ["h", "first"], ["y"], "squeeze")],
         [("x", FLOAT, ["n", 2, 2])], [("y", FLOAT, [2, 3])],
         [pattern("W", 1, 9, 2), pattern("R", 1, 9, 3), pattern("B", 1, 18), constant("first", np.array([0]))])
    body = graph_of("body", [
        node("Mul", ["state", "half"], ["less"], "less"),
        node("Add", ["less", "x"], ["next"], "next"),
        node("Cast", ["i"], ["j"], "j", to=FLOAT),
        node("Mul", ["next", "j"], ["element"], "element"),
        node("Identity", ["going"], ["on"], "on"),
    ], [("i", INT64, []), ("going", BOOL, []), ("state", FLOAT, [1, 2])],
        [("on", BOOL, []), ("next", FLOAT, [1, 2]), ("element", FLOAT, [1, 2])],
        [constant("half", np.array(0.5, np.float32))])
    save("loop", [
        node("Loop", ["trips", "", "x"], ["last", "all"], "loop", body=body),
        node("Unsqueeze", ["last", "front"], ["row"], "row"),
        node("Concat", ["all", "row"], ["y"], "y", axis=0),
    ], [("x", FLOAT, ["n", 2])], [("y", FLOAT, ["k", "n", 2])],
        [constant("trips", np.array(4)), constant("front", np.array([0]))])
    body = graph_of("body", [
        node("Add", ["state", "row"], ["next"], "next"),
        node("Neg", ["next"], ["element"], "element"),
    ], [("state", FLOAT, [2]), ("row", FLOAT, [2])], [("next", FLOAT, [2]), ("element", FLOAT, [2])])
    save("scan", [node("Scan", ["start", "x"], ["last", "y"], "scan", num_scan_inputs=1, body=body)],
         [("x", FLOAT, ["n", 2])], [("y", FLOAT, ["n", 2])], [constant("start", np.array([1, 2], np.float32))])
    branches = [graph_of(op, [node(op, ["x"], [f"{op}_of"], op)], [], [(f"{op}_of", FLOAT, ["n", 2])])
                for op in ("Exp", "Neg")]
    save("if", [
        node("ReduceSum", ["x"], ["sum"], "total", keepdims=0),
        node("Greater", ["sum", "zero"], ["positive"], "positive"),
        node("If", ["positive"], ["y"], "if", then_branch=branches[0], else_branch=branches[1]),
    ], [("x", FLOAT, ["n", 2])], [("y", FLOAT, ["n", 2])], [constant("zero", np.array(0, np.float32))])
    halved = graph_of("then", [node("Mul", ["state", "half"], ["less"], "halve")], [], [("less", FLOAT, [2])],
                      [constant("half", np.array(0.5, np.float32))])
    added = graph_of("else", [node("Add", ["state", "x"], ["more"], "add")], [], [("more", FLOAT, [2])])
    cell = [node("ReduceSum", ["state"], ["sum"], "sum", keepdims=0), node("Less", ["sum", "bound"], ["far"], "far"),
            node("If", ["far"], ["next"], "if", then_branch=halved, else_branch=added),
            node("LogSoftmax", ["next"], ["element"], "log", axis=0), node("Greater", ["sum", "most"], ["on"], "on")]
    body = graph_of("body", cell, [("i", INT64, []), ("going", BOOL, []), ("state", FLOAT, [2])],
                    [("on", BOOL, []), ("next", FLOAT, [2]), ("element", FLOAT, [2])],
                    [constant("bound", np.array(-2, np.float32)), constant("most", np.array(-9, np.float32))])
    save("nested", [node("Loop", ["trips", "", "x"], ["last", "all"], "loop", body=body),
                    node("Add", ["all", "last"], ["y"], "sum")],
         [("x", FLOAT, [2])], [("y", FLOAT, ["k", 2])], [constant("trips", np.array(5))])


def parts():
    node, FLOAT = helper.make_node, TensorProto.FLOAT
    begin = [node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]), node("Relu", ["c1"], ["r1"], "relu1")]
    unknown = node("NoBodysOperator", ["r1"], ["s1"], "unknown", domain="of.nobody", alpha=2.0)
    end = [node("Conv", ["s1", "w2"], ["c2"], "conv2", strides=[2, 2]),
           node("GlobalAveragePool", ["c2"], ["p2"], "pool2"), node("Flatten", ["p2"], ["f2"], "flatten"),
           node("Gemm", ["f2", "w3", "b3"], ["y"], "gemm", transB=1)]
    first = [pattern("w1", 6, 3, 3, 3), pattern("b1", 6)]
    last = [pattern("w2", 8, 6, 3, 3), pattern("w3", 5, 8), pattern("b3", 5)]
    x, s1, r1 = (("x", FLOAT, ["n", 3, "h", "w"]), ("s1", FLOAT, ["n", 6, "h", "w"]),
                 ("r1", FLOAT, ["n", 6, "h", "w"]))
    y = ("y", FLOAT, ["n", 5])
    save("parts_whole", [*begin, unknown, *end], [x], [y], first + last, check=False)
    save("parts_begin", begin, [x], [r1], first)
    save("parts_end", end, [s1], [y], last)
    save("parts_end_without_data", end, [s1], [y], [without_data(t) for t in last], check=False)


def tokens():
    node, INT64 = helper.make_node, TensorProto.INT64
    save("tokens", [node("Gather", ["table", "ids"], ["rows"], "rows"),
                    node("ArgMax", ["rows"], ["largest"], "largest", axis=-1, keepdims=0)],
         [("ids", INT64, [2, 3])], [("largest", INT64, [2, 3])], [pattern("table", 7, 4)])


if __name__ == "__main__":
    main()
