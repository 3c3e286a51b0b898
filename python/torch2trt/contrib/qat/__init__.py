"""Modules that were trained with simulated INT8."""

from . import layers  # noqa: F401
