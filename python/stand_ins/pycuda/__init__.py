"""pycuda where it is not installed: `driver`, `autoinit`, `autoprimaryctx` and `gpuarray`, as far as TensorRT programs
use them. Kernels can't be compiled: there is no `compiler`."""

import _tenon_cuda

if not _tenon_cuda.defer_to_real("pycuda"):
    VERSION = (2025, 1)
    VERSION_TEXT = "2025.1"
