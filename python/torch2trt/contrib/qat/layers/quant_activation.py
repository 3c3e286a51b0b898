"""ReLU whose result is rounded to INT8."""

import torch

from ._utils import Ranged, rounded


class IQuantReLU(torch.nn.ReLU, Ranged):
    def __init__(self, inplace=False):
        super().__init__(inplace)
        self.add_range()

    def forward(self, input):
        made = torch.relu(input)
        self.watch(made)
        return rounded(made, self.input_scale())
