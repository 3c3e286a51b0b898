"""ATen's functions as ONNX nodes, by family; `TABLE` has them all by name ("add.Tensor")."""

from . import arithmetic, creation, indexing, networks, reductions, shapes  # noqa: F401
from .writer import TABLE, Unsupported, Value, Writer, lower_node  # noqa: F401
