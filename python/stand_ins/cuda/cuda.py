"""The name that cuda-python had for `cuda.bindings.driver`."""

from cuda.bindings.driver import *  # noqa: F401,F403
