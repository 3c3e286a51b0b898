"""cuda-python's `cuda` where it is not installed: `cudart` and `bindings.runtime` over Tenon's runtime on host memory."""

import _tenon_cuda

_tenon_cuda.defer_to_real("cuda")
