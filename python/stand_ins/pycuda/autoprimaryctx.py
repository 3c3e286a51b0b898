"""The same as autoinit with the device's primary context."""

import atexit

import pycuda.driver as cuda

cuda.init()
device = cuda.Device(0)
context = device.retain_primary_context()
context.push()


def _finish():
    context.pop()


atexit.register(_finish)
