"""What programs use beside a conversion."""

from .helpers import trt_num_inputs, trt_num_outputs  # noqa: F401
from .misc_utils import *  # noqa: F401,F403
