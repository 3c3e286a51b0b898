"""What the scripts here share: the digits' model and its held-back scans."""

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "digits"
MODEL = FOLDER / "digits.onnx"


def scans():
    """Images (n, 1, 8, 8) and the digits that they show."""
    images, labels = [], []
    for path in sorted((FOLDER / "scans").glob("*.pgm")):
        images.append(np.frombuffer(path.read_bytes()[-64:], np.uint8).reshape(1, 8, 8))
        labels.append(int(path.stem.rsplit("_", 1)[-1]))
    return np.stack(images).astype(np.float32), np.array(labels)
