"""Image classifiers other than residual networks, after torchvision's definitions."""

import numpy as np

from net import branch_share


def conv_relu(net, x, channels, kernel, stride=1, pad=None):
    return net.relu(net.conv(x, channels, kernel, stride, pad))


def alexnet(net, size=224):
    x = net.input("input", [3, size, size])
    with net.scope("features"):
        x = net.max_pool(conv_relu(net, x, 64, 11, 4, 2), 3, 2)
        x = net.max_pool(conv_relu(net, x, 192, 5), 3, 2)
        for channels in (384, 256, 256):
            x = conv_relu(net, x, channels, 3)
        x = net.max_pool(x, 3, 2)
    kernel = [d // 6 for d in net.shape(x)[2:]]
    x = net.op("AveragePool", x, kernel_shape=kernel, strides=kernel, pads=[0] * 4, ceil_mode=0, count_include_pad=1)
    x = net.op("Flatten", x, axis=1)
    with net.scope("classifier"):
        x = net.relu(net.linear(x, 4096))
        x = net.relu(net.linear(x, 4096))
        net.output(net.linear(x, 1000))


def vgg16(net, size=224):
    x = net.input("input", [3, size, size])
    with net.scope("features"):
        for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                x = conv_relu(net, x, channels, 3)
            x = net.max_pool(x, 2, 2)
    x = net.op("Flatten", x, axis=1)
    with net.scope("classifier"):
        x = net.relu(net.linear(x, 4096))
        x = net.relu(net.linear(x, 4096))
        net.output(net.linear(x, 1000))


def squeezenet1_1(net, size=224):
    def fire(x, squeeze, expand):
        with net.scope("squeeze"):
            x = conv_relu(net, x, squeeze, 1)
        with net.scope("expand1x1"):
            one = conv_relu(net, x, expand, 1)
        with net.scope("expand3x3"):
            three = conv_relu(net, x, expand, 3)
        return net.op("Concat", one, three, axis=1)

    x = net.input("input", [3, size, size])
    with net.scope("features"):
        x = net.max_pool(conv_relu(net, x, 64, 3, 2, 0), 3, 2, ceil=1)
        for i, group in enumerate((((16, 64), (16, 64)), ((32, 128), (32, 128)),
                                   ((48, 192), (48, 192), (64, 256), (64, 256)))):
            if i:
                x = net.max_pool(x, 3, 2, ceil=1)
            for j, (squeeze, expand) in enumerate(group):
                with net.scope(f"fire{i}.{j}"):
                    x = fire(x, squeeze, expand)
    with net.scope("classifier"):
        net.output(net.pool_and_flatten(conv_relu(net, x, 1000, 1)))


def mobilenet_v2(net, size=224):
    def conv6(x, channels, kernel, stride=1, groups=1):
        return net.relu6(net.conv(x, channels, kernel, stride, groups=groups, norm="batch"))

    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    share = branch_share(sum(count - 1 for _, _, count, _ in stages))
    x = conv6(net.input("input", [3, size, size]), 32, 3, 2)
    index = 1
    for expand, channels, count, stride in stages:
        for i in range(count):
            with net.scope("features", f"features.{index}"):
                inputs = net.shape(x)[1]
                y = conv6(x, inputs * expand, 1) if expand > 1 else x
                y = conv6(y, inputs * expand, 3, stride if i == 0 else 1, inputs * expand)
                y = net.conv(y, channels, 1, norm="batch", std=share if i else 1.0)
                x = net.add(x, y) if i else y
            index += 1
    with net.scope("features", "features.18"):
        x = conv6(x, 1280, 1)
    with net.scope("classifier"):
        net.output(net.linear(net.pool_and_flatten(x), 1000))


def squeeze_excite(net, x, squeezed):
    with net.scope("se"):
        s = net.op("GlobalAveragePool", x)
        with net.scope("fc1"):
            s = net.silu(net.conv(s, squeezed, 1))
        with net.scope("fc2"):
            s = net.op("Sigmoid", net.conv(s, net.shape(x)[1], 1, std=0.7))
        return net.op("Mul", s, x)


def efficientnet_b0(net, size=224):
    def conv_silu(x, channels, kernel, stride=1, groups=1):
        return net.silu(net.conv(x, channels, kernel, stride, groups=groups, norm="batch"))

    stages = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
              (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
    share = branch_share(sum(stage[-1] - 1 for stage in stages))
    x = conv_silu(net.input("input", [3, size, size]), 32, 3, 2)
    for stage, (expand, kernel, stride, channels, count) in enumerate(stages):
        for i in range(count):
            with net.scope("features", f"features.{stage + 1}", f"features.{stage + 1}.{i}"):
                inputs = net.shape(x)[1]
                y = conv_silu(x, inputs * expand, 1) if expand > 1 else x
                y = conv_silu(y, inputs * expand, kernel, stride if i == 0 else 1, inputs * expand)
                y = squeeze_excite(net, y, max(1, inputs // 4))
                y = net.conv(y, channels, 1, norm="batch", std=share if i else 1.0)
                x = net.add(y, x) if i else y
    with net.scope("features", "features.8"):
        x = conv_silu(x, 1280, 1)
    with net.scope("classifier"):
        net.output(net.linear(net.pool_and_flatten(x), 1000))


def densenet121(net, size=224):
    with net.scope("features"):
        x = net.max_pool(net.relu(net.conv(net.input("input", [3, size, size]), 64, 7, 2, norm="batch")), 3, 2, 1)
        for block, count in enumerate((6, 12, 24, 16)):
            parts = [x]
            for i in range(count):
                with net.scope(f"denseblock{block + 1}", f"denselayer{i + 1}"):
                    y = net.op("Concat", *parts, axis=1)
                    y = net.relu(net.batch_norm(y))
                    y = net.relu(net.conv(y, 128, 1, norm="batch"))
                    parts.append(net.conv(y, 32, 3, bias=False))
            x = net.op("Concat", *parts, axis=1)
            with net.scope(f"transition{block + 1}" if block < 3 else "norm5"):
                x = net.relu(net.batch_norm(x))
                if block < 3:
                    x = net.conv(x, net.shape(x)[1] // 2, 1, bias=False)
                    x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, ceil_mode=0,
                               count_include_pad=1)
    with net.scope("classifier"):
        net.output(net.linear(net.pool_and_flatten(x), 1000))


def shufflenet_v2(net, size=224):
    def pointwise(x, channels):
        return net.relu(net.conv(x, channels, 1, norm="batch"))

    def depthwise(x, stride):
        return net.conv(x, net.shape(x)[1], 3, stride, groups=net.shape(x)[1], norm="batch")

    def shuffle(x):
        _, channels, height, width = net.shape(x)
        x = net.reshape(x, "N", 2, channels // 2, height, width)
        return net.reshape(net.op("Transpose", x, perm=[0, 2, 1, 3, 4]), "N", channels, height, width)

    def unit(x, channels, stride):
        half = channels // 2
        if stride == 1:
            split = net.weight(np.array([half, half], np.int64), "split")
            left, right = net.op("Split", x, split, outputs=2, axis=1)
        else:
            left, right = pointwise(depthwise(x, 2), half), x
        right = pointwise(depthwise(pointwise(right, half), stride), half)
        return shuffle(net.op("Concat", left, right, axis=1))

    with net.scope("conv1"):
        x = net.relu(net.conv(net.input("input", [3, size, size]), 24, 3, 2, norm="batch"))
    x = net.max_pool(x, 3, 2, 1)
    for stage, (channels, count) in enumerate(((116, 4), (232, 8), (464, 4))):
        for i in range(count):
            with net.scope(f"stage{stage + 2}", f"stage{stage + 2}.{i}"):
                x = unit(x, channels, 1 if i else 2)
    with net.scope("conv5"):
        x = pointwise(x, 1024)
    x = net.op("ReduceMean", x, net.constant(np.array([2, 3], np.int64)), keepdims=0)
    with net.scope("fc"):
        net.output(net.linear(x, 1000))
