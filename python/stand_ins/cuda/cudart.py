"""The name that cuda-python had for `cuda.bindings.runtime`."""

from cuda.bindings.runtime import *  # noqa: F401,F403
