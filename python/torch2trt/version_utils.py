"""Versions as text, compared as text by converters (`trt_version() >= '7.0'`)."""

import tensorrt as trt
import torch


def trt_version():
    return trt.__version__


def torch_version():
    return torch.__version__
