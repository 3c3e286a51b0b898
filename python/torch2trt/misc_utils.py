"""Types, devices and axes between torch and TensorRT."""

from .helpers import (device_type_str, get_module_qualname, torch_dim_resolve_negative,  # noqa: F401
                      torch_dim_to_trt_axes)
from .trt_module import (torch_device_from_trt, torch_device_to_trt, torch_dtype_from_trt,  # noqa: F401
                         torch_dtype_to_trt)
from .version_utils import torch_version, trt_version  # noqa: F401
