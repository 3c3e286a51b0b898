"""Convolutions whose inputs and kernels are rounded to INT8, the kernel with one range an output channel."""

import torch

from ._utils import LEVELS, Ranged, rounded


class IQuantConv2d(torch.nn.Conv2d, Ranged):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_range()

    def folded(self):
        """The kernel and the bias that are convolved with."""
        return self.weight, self.bias

    def weight_scale(self, weight):
        return weight.detach().abs().amax((1, 2, 3)).clamp_min(1e-12) / LEVELS

    def forward(self, input):
        self.watch(input)
        weight, bias = self.folded()
        kernel = rounded(weight, self.weight_scale(weight), 0)
        return self._conv_forward(rounded(input, self.input_scale()), kernel, bias)


class IQuantConvBN2d(IQuantConv2d):
    """With the batch normalization `bn` folded into the kernel."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.bn = torch.nn.BatchNorm2d(self.out_channels)

    def folded(self):
        factor = self.bn.weight * torch.rsqrt(self.bn.running_var + self.bn.eps)
        bias = 0 if self.bias is None else self.bias
        return self.weight * factor.reshape(-1, 1, 1, 1), (bias - self.bn.running_mean) * factor + self.bn.bias
