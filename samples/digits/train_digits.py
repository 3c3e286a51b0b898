"""Trains the digit classifier of this sample on scikit-learn's 8x8 scans and writes digits.onnx and scans/.

usage: train_digits.py [--out DIR] [--epochs N]

The network (float32 scan of 0…16 in, ten scores out, dynamic batch): conv 3x3x16, ReLU, conv 3x3x32, ReLU, max-pool 2,
fully connected 64, ReLU, fully connected 10. A fifth of the scans is held back from training and written as PGM images
scans/<index>_<label>.pgm. Seeds are fixed.
"""

import argparse
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

HELD_BACK = 360


def windows(x):
    """[N,C,H,W] padded by one → [N,H,W,C*9], the patches that a 3x3 convolution sees."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(x.shape[0], x.shape[2], x.shape[3], -1)


def fold_windows(grad, shape):
    """The transpose of windows(): adds each patch's gradient back into [N,C,H,W]."""
    n, c, h, w = shape
    patches = grad.reshape(n, h, w, c, 3, 3)
    padded = np.zeros((n, c, h + 2, w + 2), np.float32)
    for i in range(3):
        for j in range(3):
            padded[:, :, i:i + h, j:j + w] += patches[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    return padded[:, :, 1:-1, 1:-1]


def initial_parameters(rng):
    shapes = {"conv1": (16, 1 * 9), "conv2": (32, 16 * 9), "fc1": (64, 32 * 16), "fc2": (10, 64)}
    parameters = {}
    for name, (outputs, inputs) in shapes.items():
        parameters[name + ".weight"] = (rng.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs)).astype(np.float32)
        parameters[name + ".bias"] = np.zeros(outputs, np.float32)
    return parameters


def forward(p, scans):
    """Scores and what the backward pass needs. Activations are [N,C,H,W]."""
    x = scans[:, None] / np.float32(16)
    patches1 = windows(x)
    a1 = np.maximum(patches1 @ p["conv1.weight"].T + p["conv1.bias"], 0).transpose(0, 3, 1, 2)
    patches2 = windows(a1)
    a2 = np.maximum(patches2 @ p["conv2.weight"].T + p["conv2.bias"], 0).transpose(0, 3, 1, 2)
    blocks = a2.reshape(len(x), 32, 4, 2, 4, 2).transpose(0, 1, 2, 4, 3, 5).reshape(len(x), 32, 4, 4, 4)
    pooled = blocks.max(-1)
    flat = pooled.reshape(len(x), -1)
    a3 = np.maximum(flat @ p["fc1.weight"].T + p["fc1.bias"], 0)
    scores = a3 @ p["fc2.weight"].T + p["fc2.bias"]
    return scores, (patches1, a1, patches2, a2, blocks, pooled, flat, a3)


def gradients(p, scans, labels):
    scores, (patches1, a1, patches2, a2, blocks, pooled, flat, a3) = forward(p, scans)
    n = len(scans)
    d = np.exp(scores - scores.max(1, keepdims=True))
    d /= d.sum(1, keepdims=True)
    d[np.arange(n), labels] -= 1
    d /= n
    g = {"fc2.weight": d.T @ a3, "fc2.bias": d.sum(0)}
    d = (d @ p["fc2.weight"]) * (a3 > 0)
    g.update({"fc1.weight": d.T @ flat, "fc1.bias": d.sum(0)})
    d = (d @ p["fc1.weight"]).reshape(pooled.shape)[..., None] * (blocks == pooled[..., None])
    d = d.reshape(n, 32, 4, 4, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(a2.shape) * (a2 > 0)
    d = d.transpose(0, 2, 3, 1).reshape(-1, 32)
    g.update({"conv2.weight": d.T @ patches2.reshape(len(d), -1), "conv2.bias": d.sum(0)})
    d = fold_windows((d @ p["conv2.weight"]).reshape(patches2.shape), a1.shape) * (a1 > 0)
    d = d.transpose(0, 2, 3, 1).reshape(-1, 16)
    g.update({"conv1.weight": d.T @ patches1.reshape(len(d), -1), "conv1.bias": d.sum(0)})
    return g


def shifted(scans, rng):
    """Each scan moved by up to one pixel in each direction."""
    padded = np.pad(scans, ((0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(scans)))
    return np.stack([padded[i, r:r + 8, c:c + 8] for i, (r, c) in enumerate(zip(rows, columns))])


def train(scans, labels, epochs, rng):
    """Adam with a learning rate that falls as a half cosine; weights are decayed a little."""
    p = initial_parameters(rng)
    mean, square = ({k: np.zeros_like(v) for k, v in p.items()} for _ in range(2))
    batch, step = 32, 0
    steps = epochs * (len(scans) // batch)
    for epoch in range(epochs):
        order = rng.permutation(len(scans))
        for start in range(0, len(scans) - batch + 1, batch):
            chosen = order[start:start + batch]
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for k, g in gradients(p, shifted(scans[chosen], rng), labels[chosen]).items():
                mean[k] = 0.9 * mean[k] + 0.1 * g
                square[k] = 0.999 * square[k] + 0.001 * g * g
                update = (mean[k] / (1 - 0.9**step)) / (np.sqrt(square[k] / (1 - 0.999**step)) + 1e-8)
                p[k] -= (rate * (update + 1e-4 * p[k])).astype(np.float32)
        if (epoch + 1) % 10 == 0:
            accuracy = (forward(p, scans)[0].argmax(1) == labels).mean()
            print(f"epoch {epoch + 1}: {accuracy:.4f} of the training scans")
    return p


def to_onnx(p):
    weights = dict(p)
    weights["conv1.weight"] = p["conv1.weight"].reshape(16, 1, 3, 3)
    weights["conv2.weight"] = p["conv2.weight"].reshape(32, 16, 3, 3)
    initializers = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    initializers.append(numpy_helper.from_array(np.array(16, np.float32), "white"))
    conv = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    nodes = [
        helper.make_node("Div", ["scan", "white"], ["x"], name="/Div"),
        helper.make_node("Conv", ["x", "conv1.weight", "conv1.bias"], ["c1"], name="/conv1/Conv", **conv),
        helper.make_node("Relu", ["c1"], ["r1"], name="/relu1/Relu"),
        helper.make_node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], name="/conv2/Conv", **conv),
        helper.make_node("Relu", ["c2"], ["r2"], name="/relu2/Relu"),
        helper.make_node("MaxPool", ["r2"], ["m"], name="/pool/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["m"], ["f"], name="/Flatten", axis=1),
        helper.make_node("Gemm", ["f", "fc1.weight", "fc1.bias"], ["g1"], name="/fc1/Gemm", transB=1),
        helper.make_node("Relu", ["g1"], ["r3"], name="/relu3/Relu"),
        helper.make_node("Gemm", ["r3", "fc2.weight", "fc2.bias"], ["scores"], name="/fc2/Gemm", transB=1),
    ]
    scan = helper.make_tensor_value_info("scan", TensorProto.FLOAT, ["N", 1, 8, 8])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "digits", [scan], [scores], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                              producer_name="train_digits.py")
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    data = load_digits()
    scans, labels = data.images.astype(np.float32), data.target
    rng = np.random.default_rng(1)
    order = rng.permutation(len(scans))
    held, kept = np.sort(order[:HELD_BACK]), order[HELD_BACK:]
    p = train(scans[kept], labels[kept], args.epochs, rng)
    accuracy = (forward(p, scans[held])[0].argmax(1) == labels[held]).mean()
    print(f"{accuracy:.4f} of {HELD_BACK} held-back scans")
    onnx.save(to_onnx(p), os.path.join(args.out, "digits.onnx"))
    os.makedirs(os.path.join(args.out, "scans"), exist_ok=True)
    for i in held:
        with open(os.path.join(args.out, "scans", f"{i:04d}_{labels[i]}.pgm"), "wb") as f:
            f.write(b"P5\n8 8\n16\n" + data.images[i].astype(np.uint8).tobytes())


if __name__ == "__main__":
    main()
