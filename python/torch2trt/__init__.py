"""torch2trt: torch modules as TensorRT engines, over the module `tensorrt`. The interface is that of the package of the
same name; the code is Tenon's."""

from .torch2trt import *  # noqa: F401,F403
from .torch2trt import torch2trt  # noqa: F401
from . import converters  # noqa: F401
from .calibration import *  # noqa: F401,F403
from .dataset import Dataset, FolderDataset, ListDataset, TensorBatchDataset  # noqa: F401
from .dataset_calibrator import DatasetCalibrator  # noqa: F401
from .flattener import Flattener  # noqa: F401
from .module_test import MODULE_TESTS, ModuleTest, add_module_test  # noqa: F401
