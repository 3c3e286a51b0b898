"""Modules whose forward may be hooked by name. What they call is hooked already, so they need nothing themselves; a
converter registered for one takes its place."""

from ..conversion import register_transparent, tensorrt_converter
from ..helpers import add_trt_constant

for _name in ("AdaptiveAvgPool2d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Conv1d", "Conv2d", "Conv3d",
              "ConvTranspose2d", "ConvTranspose3d", "Dropout", "Dropout2d", "Dropout3d", "GroupNorm", "Linear",
              "LogSoftmax", "ReLU", "ReLU6"):
    register_transparent(f"torch.nn.{_name}.forward")

for _name in ("torch.zeros_like", "torch.ones_like", "torch.full_like", "torch.Tensor.new_zeros",
              "torch.Tensor.new_ones", "torch.Tensor.new_full", "torch.Tensor.new_tensor"):
    @tensorrt_converter(_name)
    def convert_constant(ctx):
        ctx.method_return._trt = add_trt_constant(ctx.network, ctx.method_return)

# Numbers and constants: sizes are read by the hooks on `shape`, constants are added where a converter needs them.
for _name in ("torch.Tensor.dim", "torch.Tensor.size", "torch.tensor"):
    register_transparent(_name)
