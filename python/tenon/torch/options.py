"""Settings of a compilation."""

import dataclasses

import torch

_ANY = 1 << 31


def _rounds():
    try:
        return torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # set by the newer names of these settings
        return True


@dataclasses.dataclass
class Options:
    """precision: "fp32", or "tf32", "fp16", "bf16", which layers may then use. exclude: functions that stay in
    PyTorch, as "cumsum" or "cumsum.default". min_nodes: parts with fewer computing nodes stay there too. measure: time
    engines against PyTorch at the first run and keep the faster. gradients: keep PyTorch where gradients are wanted;
    False detaches. tolerance: of results against PyTorch's at the first run; 0: by precision. level, threads: as in
    tenon.compile. max_weights: sets of weights that one graph keeps engines for. max_factor: on a GPU, how far dynamic
    sizes may grow before PyTorch takes over.
    """

    precision: str = "fp32"
    exclude: tuple = ()
    min_nodes: int = 2
    measure: bool = True
    gradients: bool = True
    tolerance: float = 0.0
    level: int = 3
    threads: int = 0
    max_weights: int = 8
    max_factor: int = 4

    def __post_init__(self):
        if self.precision not in ("fp32", "tf32", "fp16", "bf16"):
            raise ValueError(f"precision is {self.precision!r}, accepted are 'fp32', 'tf32', 'fp16', 'bf16'")
        for name, least, most in (("level", 0, 5), ("threads", 0, 1024), ("min_nodes", 0, _ANY),
                                  ("max_weights", 1, _ANY), ("max_factor", 1, _ANY)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, accepted are {least} to {most}")
        self.exclude = (self.exclude,) if isinstance(self.exclude, str) else self.exclude
        self.exclude = tuple(str(name).removeprefix("aten.") for name in self.exclude)

    def accepted(self, tensors):
        """The error that results on these tensors may have: the tolerance, or one for the precision; on a GPU, where
        PyTorch may take products in TF32, its own results are rounded too."""
        usual = {"fp32": 1e-3, "tf32": 1e-2}.get(self.precision, 5e-2)
        return self.tolerance or max(usual, 5e-2 if any(t.is_cuda for t in tensors) and _rounds() else 0.0)

    @staticmethod
    def of(given):
        names = [f.name for f in dataclasses.fields(Options)]
        unknown = sorted(set(given or {}) - set(names))
        if unknown:
            raise ValueError(f"unknown options {unknown}; there are {names}")
        return Options(**(given or {}))
