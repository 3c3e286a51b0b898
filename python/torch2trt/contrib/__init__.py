"""Additions to torch2trt."""
