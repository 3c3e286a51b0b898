"""Allocates with pycuda before any context was made: the call that pycuda.autoinit would have prepared fails."""

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt  # noqa: F401

host = np.zeros(16, np.float32)
try:
    cuda.mem_alloc(host.nbytes)
except cuda.LogicError as error:
    print("LogicError", error)

import pycuda.autoinit  # noqa: E402,F401

print("allocated", int(cuda.mem_alloc(host.nbytes)) != 0)
