"""Modules with nested inputs and outputs as modules of flat ones, and back."""

import torch


class Flatten(torch.nn.Module):
    """Takes and returns flat tuples in place of the structures of the flatteners."""

    def __init__(self, module, input_flattener=None, output_flattener=None):
        super().__init__()
        self.module, self.input_flattener, self.output_flattener = module, input_flattener, output_flattener

    def forward(self, *flat):
        inputs = flat if self.input_flattener is None else self.input_flattener.unflatten(flat)
        outputs = self.module(*inputs)
        return outputs if self.output_flattener is None else tuple(self.output_flattener.flatten(outputs))


class Unflatten(torch.nn.Module):
    """Takes and returns the structures of the flatteners in place of flat tuples."""

    def __init__(self, module, input_flattener=None, output_flattener=None):
        super().__init__()
        self.module, self.input_flattener, self.output_flattener = module, input_flattener, output_flattener

    def forward(self, *inputs):
        flat = inputs if self.input_flattener is None else self.input_flattener.flatten(inputs)
        outputs = self.module(*flat)
        return outputs if self.output_flattener is None else self.output_flattener.unflatten(outputs)
