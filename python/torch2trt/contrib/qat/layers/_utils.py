"""Rounding to INT8 and back, with ranges kept as buffers."""

import torch

LEVELS = 127


def rounded(tensor, scale, axis=None):
    """The INT8 numbers nearest to tensor/scale, times scale; `axis` has one scale an index."""
    if axis is not None and scale.numel() > 1:
        scale = scale.reshape([-1 if d == axis else 1 for d in range(tensor.dim())])
    return torch.clamp(torch.round(tensor / scale), -LEVELS - 1, LEVELS) * scale


class Ranged:
    """Keeps the largest absolute value of the inputs in the buffer `amax`, which training sets."""

    def add_range(self):
        self.register_buffer("amax", torch.ones(()))

    def watch(self, tensor):
        if self.training:
            with torch.no_grad():
                self.amax.copy_(torch.maximum(self.amax, tensor.abs().max()))

    def input_scale(self):
        return self.amax / LEVELS
