"""TensorRT's Python interface over Tenon: the names of releases 7 to 11 in one module.

TENON_TRT_API (7, 8, 10 or 11; default 10) chooses the release that __version__, enumerators' numbers and defaults are
those of. A failed call logs its reason and returns None; with TENON_RAISE=1 it raises.
"""

import os as _os
import sys as _sys

if _os.environ.get("TENON_TRT_API", "") not in ("", "7", "8", "10", "11"):
    raise ImportError(f"TENON_TRT_API is '{_os.environ['TENON_TRT_API']}', accepted are 7, 8, 10 and 11")

import _tenon_cuda  # noqa: E402

from . import _aliases, _trt  # noqa: E402
from ._trt import *  # noqa: E402,F401,F403
from ._aliases import *  # noqa: E402,F401,F403
from ._plugins import *  # noqa: E402,F401,F403

__version__ = _aliases.version_text(_trt._version())

# The extension's name in TensorRT's packages, which programs import types from.
tensorrt = _sys.modules[__name__ + ".tensorrt"] = _sys.modules[__name__]
_tenon_cuda.serve_ctypes()
del _tenon_cuda
