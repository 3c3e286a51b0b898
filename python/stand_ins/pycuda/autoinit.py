"""Makes a context on the first device current for the thread that imports this."""

import atexit

import pycuda.driver as cuda

cuda.init()
device = cuda.Device(0)
context = device.make_context()


def _finish():
    context.pop()


atexit.register(_finish)
