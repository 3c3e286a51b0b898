"""The name under which tutorials import the wrapper."""

from tenon.samples.common import ONNXClassifierWrapper  # noqa: F401
