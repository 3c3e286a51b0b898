"""pycuda's interface to the driver."""

from pycuda._driver import *  # noqa: F401,F403
