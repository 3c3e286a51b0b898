"""Residual networks: image classifiers, a segmentation network on a dilated trunk, a video classifier."""

from net import branch_share


def shortcut_of(net, x, channels, stride):
    if net.shape(x)[1] == channels and stride == 1:
        return x
    with net.scope("downsample"):
        return net.conv(x, channels, 1, stride, 0, norm="batch")


def basic_block(net, x, width, stride, share):
    """Two 3x3 (3x3x3) convolutions."""
    with net.scope("conv1"):
        y = net.relu(net.conv(x, width, 3, stride, norm="batch"))
    shortcut = shortcut_of(net, x, width, stride)
    with net.scope("conv2"):
        y = net.conv(y, width, 3, norm="batch", std=share)
    return net.relu(net.add(y, shortcut))


def bottleneck(net, x, width, stride, share, dilation=1, groups=1, base=64):
    inner = width * base // 64 * groups
    with net.scope("conv1"):
        y = net.relu(net.conv(x, inner, 1, norm="batch"))
    with net.scope("conv2"):
        y = net.relu(net.conv(y, inner, 3, stride, groups=groups, dilation=dilation, norm="batch"))
    shortcut = shortcut_of(net, x, width * 4, stride)
    with net.scope("conv3"):
        y = net.conv(y, width * 4, 1, norm="batch", std=share)
    return net.relu(net.add(y, shortcut))


def stem(net, x):
    """Max pooling over nine values raises their mean far above their deviation, and a convolution amplifies rounding
    errors by the one over the other. A lower mean before brings it back to that of other layers."""
    with net.scope("conv1"):
        x = net.relu(net.conv(x, 64, 7, 2, norm="batch", mean=-1))
    return net.max_pool(x, 3, 2, 1)


def trunk(net, x, block, depths, **options):
    share = branch_share(sum(depths))
    for stage, depth in enumerate(depths):
        for i in range(depth):
            with net.scope(f"layer{stage + 1}", f"layer{stage + 1}.{i}"):
                x = block(net, x, 64 << stage, 2 if i == 0 and stage > 0 else 1, share, **options)
    return x


def classifier(net, x, classes=1000):
    with net.scope("fc"):
        net.output(net.linear(net.pool_and_flatten(x), classes))


def resnet(net, block, depths, size=224, **options):
    classifier(net, trunk(net, stem(net, net.input("input", [3, size, size])), block, depths, **options))


def resnet18(net, size=224):
    resnet(net, basic_block, [2, 2, 2, 2], size)


def resnet50(net, size=224):
    resnet(net, bottleneck, [3, 4, 6, 3], size)


def resnext50(net, size=224):
    resnet(net, bottleneck, [3, 4, 6, 3], size, groups=32, base=4)


def fcn_resnet101(net, size=256):
    """ResNet-101 whose last two stages are dilated instead of strided, a head of two convolutions, bilinear resize."""
    x = stem(net, net.input("input", [3, size, size]))
    depths, dilation = [3, 4, 23, 3], 1
    share = branch_share(sum(depths))
    for stage, depth in enumerate(depths):
        for i in range(depth):
            with net.scope("backbone", f"layer{stage + 1}", f"layer{stage + 1}.{i}"):
                stride = 2 if i == 0 and stage == 1 else 1
                before = dilation
                if i == 0 and stage > 1:
                    dilation *= 2
                x = bottleneck(net, x, 64 << stage, stride, share, before if i == 0 else dilation)
    with net.scope("classifier"):
        x = net.relu(net.conv(x, 512, 3, norm="batch"))
        x = net.conv(x, 21, 1)
    sizes = net.dims(x, ["N", 21, size, size])
    net.output(net.op("Resize", x, None, None, sizes, coordinate_transformation_mode="pytorch_half_pixel",
                      mode="linear", cubic_coeff_a=-0.75, nearest_mode="floor"), "out")


def r3d_18(net, size=112):
    x = net.input("input", [3, 16, size, size])
    with net.scope("stem"):
        x = net.relu(net.conv(x, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), norm="batch"))
    classifier(net, trunk(net, x, basic_block, [2, 2, 2, 2]), 400)
