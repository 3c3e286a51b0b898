"""Plugins made of functions.

    import tensorrt.plugin as trtp

    @trtp.register("space::name")                    what it takes and makes, and its attributes
    def describe(x: trtp.TensorDesc, factor: float) -> trtp.TensorDesc:
        return x.like()

    @trtp.impl("space::name")                        what it computes
    def compute(x: trtp.Tensor, factor: float, outputs: Tuple[trtp.Tensor], stream: int):
        numpy.asarray(outputs[0])[...] = numpy.asarray(x) * factor

    layer = network.add_plugin(trtp.op.space.name(tensor, factor=2.0))

`autotune` restricts types and names tactics. Tensors in host memory are taken by numpy.asarray() and torch.as_tensor()
without a copy, those of a GPU by torch.as_tensor() and others that know __cuda_array_interface__. `aot_impl` gives a
kernel compiled ahead of time, as PTX, and how it is launched. It runs on a GPU alone: without one, a plugin that has
nothing else fails to build and says so.
"""

from ._autotune import AutoTuneCombination
from ._functions import aot_impl, autotune, impl, op, register
from ._shapes import (KernelLaunchParams, Shape, ShapeExpr, ShapeExprs, SymExpr, SymExprs, SymInt32, SymIntExpr,
                      SymIntExprs, cdiv)
from ._tensors import SizeTensorDesc, Tensor, TensorDesc, from_shape_expr, size_tensor

__all__ = ["AutoTuneCombination", "KernelLaunchParams", "Shape", "ShapeExpr", "ShapeExprs", "SizeTensorDesc", "SymExpr",
           "SymExprs", "SymInt32", "SymIntExpr", "SymIntExprs", "Tensor", "TensorDesc", "aot_impl", "autotune", "cdiv",
           "from_shape_expr", "impl", "op", "register", "size_tensor"]
