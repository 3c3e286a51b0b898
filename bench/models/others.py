"""A small MLP, U-Net, recurrent taggers and a YOLOv5s-like detector."""

import numpy as np

ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))


def mlp(net, size=784):
    """`size` is the number of inputs."""
    x = net.input("input", [size])
    for i in range(2):
        with net.scope(f"layers.{i}"):
            x = net.relu(net.linear(x, 256))
    with net.scope("head"):
        net.output(net.linear(x, 10))


def unet(net, size=128):
    """Four levels, 32…512 channels, two classes; transposed convolutions on the way up."""
    def double_conv(x, channels):
        for _ in range(2):
            x = net.relu(net.conv(x, channels, 3, norm="batch"))
        return x

    x = net.input("input", [3, size, size])
    kept = []
    for level in range(4):
        with net.scope(f"down{level}"):
            x = double_conv(x, 32 << level)
            kept.append(x)
            x = net.max_pool(x, 2, 2)
    with net.scope("bottom"):
        x = double_conv(x, 512)
    for level in reversed(range(4)):
        with net.scope(f"up{level}"):
            x = net.conv_transpose(x, 32 << level, 2, 2)
            x = double_conv(net.op("Concat", kept[level], x, axis=1), 32 << level)
    with net.scope("outc"):
        net.output(net.conv(x, 2, 1))


def recurrent_tagger(net, kind, gates, tokens, hidden=256, tags=20):
    """Embedding, one bidirectional layer, a linear layer over each token."""
    ids = net.input("input_ids", [tokens], np.int64, high=2000)
    with net.scope("embedding"):
        x = net.op("Gather", net.weight(net.rng.standard_normal((2000, 128), dtype=np.float32)), ids)
    x = net.op("Transpose", x, perm=[1, 0, 2])
    with net.scope(kind.lower()):
        w = net.rng.standard_normal((2, gates * hidden, 128), dtype=np.float32) / np.float32(np.sqrt(128))
        r = net.rng.standard_normal((2, gates * hidden, hidden), dtype=np.float32) / np.float32(np.sqrt(hidden))
        b = net.rng.standard_normal((2, 2 * gates * hidden), dtype=np.float32) * np.float32(0.1)
        parts = [net.weight(w, "W"), net.weight(r, "R"), net.weight(b, "B")]
        shape = [net.constant(np.array([2], np.int64)), net.batch_size(ids) if net.batch is None else
                 net.dims(ids, ["N"]), net.constant(np.array([hidden], np.int64))]
        zero = net.op("Expand", net.constant(np.float32(0)), net.op("Concat", *shape, axis=0))
        states = [zero] * (gates - 2 if kind == "LSTM" else 1)
        options = {"linear_before_reset": 1} if kind == "GRU" else {}
        outputs = 3 if kind == "LSTM" else 2
        y = net.op(kind, x, *parts, None, *states, outputs=outputs, direction="bidirectional", hidden_size=hidden,
                   **options)[0]
    y = net.op("Transpose", y, perm=[0, 2, 1, 3])
    y = net.op("Reshape", y, net.constant(np.array([0, 0, -1], np.int64)))
    y = net.op("Transpose", y, perm=[1, 0, 2])
    with net.scope("head"):
        net.output(net.linear(y, tags))


def lstm_tagger(net, size=32):
    recurrent_tagger(net, "LSTM", 4, size)


def gru_tagger(net, size=32):
    recurrent_tagger(net, "GRU", 3, size)


def yolo_conv(net, x, channels, kernel=1, stride=1, pad=None):
    return net.silu(net.conv(x, channels, kernel, stride, pad, norm="batch"))


def yolo_c3(net, x, channels, count, shortcut=True):
    with net.scope("c3"):
        y = yolo_conv(net, x, channels // 2)
        for i in range(count):
            with net.scope(f"m.{i}"):
                z = yolo_conv(net, yolo_conv(net, y, channels // 2), channels // 2, 3)
                y = net.add(y, z) if shortcut else z
        return yolo_conv(net, net.op("Concat", y, yolo_conv(net, x, channels // 2), axis=1), channels)


def yolo_sppf(net, x, channels):
    with net.scope("sppf"):
        parts = [yolo_conv(net, x, channels // 2)]
        for _ in range(3):
            parts.append(net.max_pool(parts[-1], 5, 1, 2))
        return yolo_conv(net, net.op("Concat", *parts, axis=1), channels)


def yolo_upsample(net, x):
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    return net.op("Resize", x, None, scales, coordinate_transformation_mode="asymmetric", mode="nearest",
                  nearest_mode="floor", cubic_coeff_a=-0.75)


def yolo_head(net, x, level, stride, classes=80):
    """Boxes of one level, [N, 3*H*W, 5 + classes]: centre and size in pixels, confidence, class scores."""
    values = 5 + classes
    x = net.conv(x, 3 * values, 1)
    height, width = net.shape(x)[2:]
    x = net.op("Transpose", net.reshape(x, "N", 3, values, height, width), perm=[0, 1, 3, 4, 2])
    split = net.constant(np.array([2, 2, classes + 1], np.int64))
    xy, wh, rest = net.op("Split", net.op("Sigmoid", x), split, outputs=3, axis=4)
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)[None, None].astype(np.float32) - 0.5
    anchors = np.array(ANCHORS[level], np.float32).reshape(1, 3, 1, 1, 2)
    xy = net.op("Add", net.op("Mul", xy, net.constant(np.float32(2))), net.constant(np.tile(grid, (1, 3, 1, 1, 1))))
    xy = net.op("Mul", xy, net.constant(np.float32(stride)))
    wh = net.op("Pow", net.op("Mul", wh, net.constant(np.float32(2))), net.constant(np.float32(2)))
    wh = net.op("Mul", wh, net.constant(np.tile(anchors, (1, 1, height, width, 1))))
    return net.reshape(net.op("Concat", xy, wh, rest, axis=4), "N", 3 * height * width, values)


def yolov5s(net, size=640):
    x = yolo_conv(net, net.input("images", [3, size, size]), 32, 6, 2, 2)
    kept = []
    for channels, count in ((64, 1), (128, 2), (256, 3), (512, 1)):
        with net.scope(f"stage{channels}"):
            x = yolo_c3(net, yolo_conv(net, x, channels, 3, 2), channels, count)
            kept.append(x)
    x = yolo_sppf(net, x, 512)
    deep = yolo_conv(net, x, 256)
    with net.scope("up16"):
        y = yolo_c3(net, net.op("Concat", yolo_upsample(net, deep), kept[2], axis=1), 256, 1, False)
    middle = yolo_conv(net, y, 128)
    with net.scope("up8"):
        p3 = yolo_c3(net, net.op("Concat", yolo_upsample(net, middle), kept[1], axis=1), 128, 1, False)
    with net.scope("down16"):
        p4 = yolo_c3(net, net.op("Concat", yolo_conv(net, p3, 128, 3, 2), middle, axis=1), 256, 1, False)
    with net.scope("down32"):
        p5 = yolo_c3(net, net.op("Concat", yolo_conv(net, p4, 256, 3, 2), deep, axis=1), 512, 1, False)
    with net.scope("model.24"):
        boxes = [yolo_head(net, p, i, 8 << i) for i, p in enumerate((p3, p4, p5))]
        net.output(net.op("Concat", *boxes, axis=1), "output0")
