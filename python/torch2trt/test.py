"""Runs the registered module tests: python -m torch2trt.test [--name REGEX] [--tolerance T] [--output FILE]."""

import argparse
import re
import sys

import torch

from . import tests  # noqa: F401
from .module_test import MODULE_TESTS


def inputs_of(test):
    torch.manual_seed(0)
    made = [torch.rand(shape) * 0.8 + 0.1 for shape in test.input_shapes]
    return [t.to(device=place_of(test), dtype=test.dtype) for t in made]


def place_of(test):
    """The test's device, and the GPU where there is one: engines run there."""
    return torch.device("cuda") if torch.cuda.is_available() else test.device


def flat(outputs):
    from .flattener import Flattener

    return Flattener.from_value(outputs).flatten(outputs)


def run(test):
    """The converted module, and the largest absolute difference from PyTorch's results."""
    from .torch2trt import torch2trt

    torch.manual_seed(0)
    module = test.module_fn().to(device=place_of(test), dtype=test.dtype).eval()
    inputs = inputs_of(test)
    converted = torch2trt(module, [t.clone() for t in inputs], **test.torch2trt_kwargs)
    with torch.no_grad():
        expected = flat(module(*[t.clone() for t in inputs]))
    found = flat(converted(*inputs))
    worst = max((float((a.double() - b.double()).abs().max()) if a.shape == b.shape and a.numel() else
                 0.0 if a.shape == b.shape else float("inf")) for a, b in zip(expected, found))
    return converted, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=".*", help="regular expression on the tests' names")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--output", "-o", help="a file for the table")
    arguments = parser.parse_args()
    rows, bad = ["| test | shapes | largest error | runs in |", "| --- | --- | ---: | --- |"], 0
    for test in MODULE_TESTS:
        if not re.search(arguments.name, test.module_name()):
            continue
        converted, error = run(test)
        bad += not error <= arguments.tolerance
        rows.append(f"| {test.module_name()} | {test.input_shapes} | {error:.1e} | {type(converted).__name__} |")
    print("\n".join(rows))
    if arguments.output:
        with open(arguments.output, "w") as file:
            file.write("\n".join(rows) + "\n")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
