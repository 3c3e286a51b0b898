"""Max pooling in three dimensions through torch2trt: as it comes, and with a converter of the program's own."""

import sys

import torch
from torch2trt import torch2trt
from torch2trt.module_test import add_module_test
from torch2trt.torch2trt import *  # noqa: F401,F403
from torch2trt.torch2trt import add_missing_trt_tensors, get_arg, tensorrt_converter, trt, trt_version

calls = []


def triple(value, rank):
    return value if isinstance(value, tuple) else (value,) * rank


def convert_max_pool3d(ctx):
    input = get_arg(ctx, 'input', pos=0, default=None)
    kernel_size = get_arg(ctx, 'kernel_size', pos=1, default=None)
    stride = get_arg(ctx, 'stride', pos=2, default=None)
    padding = get_arg(ctx, 'padding', pos=3, default=0)
    ceil_mode = get_arg(ctx, 'ceil_mode', pos=5, default=False)
    input_trt = add_missing_trt_tensors(ctx.network, [input])[0]
    output = ctx.method_return
    rank = input.dim() - 2
    layer = ctx.network.add_pooling_nd(input=input_trt, type=trt.PoolingType.MAX, window_size=triple(kernel_size, rank))
    layer.stride_nd = triple(stride if stride is not None else kernel_size, rank)
    layer.padding_nd = triple(padding, rank)
    if ceil_mode:
        layer.padding_mode = trt.PaddingMode.EXPLICIT_ROUND_UP
    output._trt = layer.get_output(0)
    calls.append(tuple(layer.stride_nd))


if "converter" in sys.argv:
    tensorrt_converter('torch.nn.functional.max_pool3d', enabled=trt_version() >= '7.0')(convert_max_pool3d)


@add_module_test(torch.float32, torch.device('cuda'), [(1, 3, 7, 8, 9)])
def pooling():
    return torch.nn.MaxPool3d(kernel_size=3, stride=2, padding=1, ceil_mode=True)


torch.manual_seed(1)
x = torch.randn((1, 3, 7, 8, 9)).cuda()
for name, module in (("ceil", pooling()), ("floor", torch.nn.MaxPool3d(2)), ("mixed", torch.nn.Sequential(
        torch.nn.Conv3d(3, 4, 3, padding=1), torch.nn.MaxPool3d((1, 2, 3), stride=(1, 2, 1), padding=(0, 1, 1))))):
    module = module.cuda().eval()
    model_trt = torch2trt(module, [x])
    y, y_trt = module(x), model_trt(x)
    assert y.shape == y_trt.shape
    print(name, float(torch.max(torch.abs(y - y_trt))))
print("converter", len(calls))
