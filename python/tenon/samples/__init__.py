"""Helpers that TensorRT's samples and tutorials share."""
