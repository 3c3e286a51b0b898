"""cuda-python's `cuda` where it is not installed: `cudart` and `bindings.runtime` over Tenon's host-memory runtime."""

import _tenon_cuda

_tenon_cuda.defer_to_real("cuda")
