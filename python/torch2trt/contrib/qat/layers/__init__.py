"""Layers that round as INT8 does, with ranges that were learned."""

from .quant_activation import IQuantReLU  # noqa: F401
from .quant_conv import IQuantConv2d, IQuantConvBN2d  # noqa: F401
