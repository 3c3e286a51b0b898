"""INT8 calibration from data sets and from the inputs of a conversion."""

import tensorrt as trt
import torch

from .dataset import TensorBatchDataset
from .flattener import Flattener

DEFAULT_CALIBRATION_ALGORITHM = trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2
_CLASSES = {trt.CalibrationAlgoType.ENTROPY_CALIBRATION: trt.IInt8EntropyCalibrator,
            trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2: trt.IInt8EntropyCalibrator2,
            trt.CalibrationAlgoType.MINMAX_CALIBRATION: trt.IInt8MinMaxCalibrator,
            trt.CalibrationAlgoType.LEGACY_CALIBRATION: trt.IInt8LegacyCalibrator}


def calibrator_class(algorithm):
    """A calibrator of an algorithm that reads a data set, whose items are inputs with or without a batch dimension."""

    class DatasetCalibrator(_CLASSES[algorithm]):
        def __init__(self, inputs, dataset, batch_size=1, cache_file=None):
            super().__init__()
            self.inputs, self.dataset, self.batch_size, self.cache_file = inputs, dataset, batch_size, cache_file
            self.buffers = [torch.zeros_like(t).repeat((batch_size,) + (1,) * (t.dim() - 1))[:max(batch_size, 1)]
                            if t.shape[0] == 1 else torch.zeros_like(t) for t in inputs]
            self.rewind()

        def rewind(self):
            """Begins again; `failure` is what the data set raised since."""
            self.position, self.failure = 0, None

        def get_batch(self, names, *unused):
            rows = self.buffers[0].shape[0]
            try:
                if self.position >= len(self.dataset) or self.position + rows > len(self.dataset) and self.position > 0:
                    return None
                for row in range(rows):
                    self._take(row, min(self.position + row, len(self.dataset) - 1))
            except Exception as error:
                self.failure = error
                raise
            self.position += rows
            return [int(b.data_ptr()) for b in self.buffers]

        def _take(self, row, index):
            """Copies an item of the data set into a row of the batch."""
            item = self.dataset[index]
            item = tuple(item) if isinstance(item, (list, tuple)) else (item,)
            tensors = Flattener.from_value(item).flatten(item)
            wanted = [tuple(b.shape[1:]) for b in self.buffers]
            tensors = [t[0] if t.dim() == b.dim() else t for t, b in zip(tensors, self.buffers)]
            if len(tensors) != len(wanted) or [tuple(t.shape) for t in tensors] != wanted:
                raise ValueError(f"item {index} of int8_calib_dataset has shapes {[tuple(t.shape) for t in tensors]} "
                                 f"without the batch dimension, the inputs have {wanted}")
            for buffer, tensor in zip(self.buffers, tensors):
                buffer[row] = tensor

        def get_batch_size(self):
            return self.batch_size

        def get_algorithm(self):
            return algorithm

        def read_calibration_cache(self):
            if self.cache_file is None:
                return None
            try:
                with open(self.cache_file, "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return None

        def write_calibration_cache(self, cache):
            if self.cache_file is not None:
                with open(self.cache_file, "wb") as file:
                    file.write(cache)

    return DatasetCalibrator


def make_calibrator(settings):
    dataset = settings.int8_calib_dataset
    if dataset is None:
        dataset = TensorBatchDataset(settings.flat_inputs)
    if settings.int8_calib_algorithm not in _CLASSES:
        raise ValueError(f"int8_calib_algorithm is {settings.int8_calib_algorithm!r}, accepted are {list(_CLASSES)}")
    if settings.int8_calib_batch_size < 1:
        raise ValueError(f"int8_calib_batch_size is {settings.int8_calib_batch_size}, 1 and more are accepted")
    kind = calibrator_class(settings.int8_calib_algorithm)
    cache = settings.more.get("int8_calib_cache_file")
    return kind(settings.flat_inputs, dataset, settings.int8_calib_batch_size, cache)
