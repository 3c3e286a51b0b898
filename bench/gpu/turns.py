"""Turns on the GPU of processes that compile side by side: what is timed, is alone on it.

A process has the turn while it uses the GPU for long or times something; while torch compiles, for every candidate that
inductor times.
"""

import contextlib
import fcntl
import functools

import torch


class Turns:
    """A lock between processes, which one process may take again while it has it. Without a path, no lock."""

    def __init__(self, path=""):
        self.file = open(path, "a") if path else None
        self.depth = 0

    def _lock(self, operation):
        if self.file:
            torch.cuda.synchronize()
            fcntl.flock(self.file, operation)

    @contextlib.contextmanager
    def taken(self):
        if self.depth == 0:
            self._lock(fcntl.LOCK_EX)
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if self.depth == 0:
                self._lock(fcntl.LOCK_UN)

    def time_candidates_alone(self):
        """Has inductor take a turn for each candidate that it times."""
        if not self.file:
            return
        from torch._inductor.runtime.benchmarking import benchmarker

        kind = type(benchmarker)
        inner = kind.benchmark_gpu

        @functools.wraps(inner)
        def alone(*args, **kwargs):
            with self.taken():
                return inner(*args, **kwargs)

        kind.benchmark_gpu = alone
