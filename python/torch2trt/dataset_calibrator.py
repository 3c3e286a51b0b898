"""INT8 calibration from a data set."""

from .calibration import DEFAULT_CALIBRATION_ALGORITHM, calibrator_class


def DatasetCalibrator(dataset, algorithm=DEFAULT_CALIBRATION_ALGORITHM, cache_file=None, batch_size=1):  # noqa: N802
    """A calibrator that reads the items of a data set."""
    first = dataset.getitem_flat(0) if hasattr(dataset, "getitem_flat") else dataset[0]
    return calibrator_class(algorithm)(list(first), dataset, batch_size, cache_file)
