"""Short forms of add_module_test."""

import torch

from ..module_test import add_module_test

X, M, V, C = (2, 3, 8, 8), (3, 5), (1, 3, 4, 6, 6), (1, 3, 10)


class Call(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


def case(name, function, *shapes, **torch2trt_kwargs):
    """A function of tensors of these shapes."""
    made = lambda: Call(function)
    made.__name__ = name
    add_module_test(torch.float32, torch.device("cpu"), list(shapes or (X,)), **torch2trt_kwargs)(made)


def layer(name, make, *shapes, **torch2trt_kwargs):
    """A module, whose running statistics get values of their own."""
    def made():
        module = make()
        for buffer in module.buffers():
            if buffer.is_floating_point() and buffer.dim():
                buffer.uniform_(0.5, 1.5)
        return module

    made.__name__ = name
    add_module_test(torch.float32, torch.device("cpu"), list(shapes or (X,)), **torch2trt_kwargs)(made)


def cases(prefix, functions, *shapes):
    for name, function in functions.items():
        case(f"{prefix}_{name}", function, *shapes)
