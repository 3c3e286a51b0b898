"""Where TensorRT keeps the plugins that functions made; programs look there for what a plugin has."""

from ._functions import _definitions as QDP_REGISTRY

__all__ = ["QDP_REGISTRY"]
