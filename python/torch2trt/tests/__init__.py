"""Module tests of every converter and keyword path, by family; importing them registers them."""

from . import activations, arithmetic, layers, resizing, shapes  # noqa: F401
