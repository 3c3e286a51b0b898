"""Tenon in PyTorch: `torch.compile(model, backend="tenon")`, and `compile_exported` for torch.export's programs.

Graphs of ATen's functions are split into parts that engines run and nodes that stay in PyTorch; `report()` lists both.
"""

import torch

from .backend import CompiledProgram, backend, compile_exported
from .options import Options
from .report import Report, report

__all__ = ["CompiledProgram", "Options", "Report", "backend", "compile_exported", "report"]

# An installed package is found by its entry point.
if "tenon" not in torch.compiler.list_backends(exclude_tags=None):
    torch._dynamo.register_backend(backend, name="tenon")
