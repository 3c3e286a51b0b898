"""A part of a graph at run time: its engine, or PyTorch where that is as fast or the engine can't be built."""

import logging
import time

import torch

from .engine import CpuEngine, CudaEngine

log = logging.getLogger("tenon.torch")


def relative_error(expected, found):
    """The largest ‖a − b‖/‖a‖ over tensors; infinite where shapes, integers or non-finite places differ."""
    worst = 0.0
    for a, b in zip(expected, found):
        if not isinstance(a, torch.Tensor):
            continue
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        if not a.is_floating_point():
            if not torch.equal(a, b):
                return float("inf")
            continue
        a, b = a.detach().double(), b.detach().double()
        finite = torch.isfinite(a)
        if not bool(finite.all()):
            if not torch.equal(a[~finite].nan_to_num(), b[~finite].nan_to_num()):
                return float("inf")
            a, b = a[finite], b[finite]
        difference, size = float((a - b).norm()), float(a.norm())
        if difference != 0:
            worst = max(worst, difference / max(size, 1e-6) if difference == difference else float("inf"))
    return worst


def _seconds(run):
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(first, second, budget=0.15):
    """The best seconds of two functions, run in turns: until the budget is spent, or one is clearly faster."""
    a, b = [], []
    while len(a) < 2 or sum(a) + sum(b) < budget and len(a) < 50:
        a.append(_seconds(first))
        b.append(_seconds(second))
    clear = max(min(a), min(b)) > 1.5 * min(min(a), min(b))
    while not clear and len(a) < 4:
        a.append(_seconds(first))
        b.append(_seconds(second))
    return min(a), min(b)


class Segment(torch.nn.Module):
    """`eager`: the part in PyTorch, of tensors and sizes. `model`: its ONNX model, of the inputs at `positions`."""

    def __init__(self, eager, model, positions, count, options, note):
        super().__init__()
        self.eager, self._model, self._positions, self._count = eager, model, positions, count
        self._options, self._note, self._engine, self._decided = options, note, None, False

    def forward(self, *values):
        if self._engine is not None:
            inputs = [values[i] for i in self._positions]
            return self._engine(inputs) if self._engine.accepts(inputs) else self.eager(*values[:self._count])
        if self._decided:
            return self.eager(*values[:self._count])
        return self._decide(values)

    def _decide(self, values):
        run_eager = lambda: self.eager(*values[:self._count])
        expected = run_eager()
        self._decided, note = True, self._note
        inputs = [values[i] for i in self._positions]
        try:
            engine = self._build(inputs)
            found = engine(inputs)
        except Exception as error:  # a refusal of any layer of the engine leaves the part to PyTorch
            note.reason = f"{type(error).__name__}: {error}".split("\n")[0]
            log.info("a part of %d nodes stays in PyTorch", note.nodes, exc_info=True)
            return expected
        finally:
            self._model = None
        note.error = relative_error(expected, found)
        if note.error > self._options.accepted(inputs):
            note.reason = f"results differ by {note.error:.1e}"
            return expected
        if self._options.measure:
            note.eager_ms, note.engine_ms = (1e3 * t for t in compare(run_eager, lambda: engine(inputs)))
            if note.engine_ms > 1.02 * note.eager_ms:
                note.reason = "slower than PyTorch"
                return expected
        keep = self._options.measure or any(t.is_cuda for t in inputs)
        self._engine, self.eager, note.reason = engine, self.eager if keep else None, ""
        return found

    def _build(self, inputs):
        model = self._model.SerializeToString()
        on_gpu = next((t.device for t in inputs if t.is_cuda), None)
        if on_gpu is not None:
            ranges = _ranges(self._model, inputs, 1, self._options.max_factor)
            return CudaEngine(model, self._options, ranges, on_gpu)
        return CpuEngine(model, self._options, _ranges(self._model, inputs, 0, None))


def _ranges(model, inputs, least, factor):
    """{input: (least, this, greatest) shape}: what is dynamic goes up to `factor` times this size, None: to any."""
    ranges = {}
    for given, t in zip(model.graph.input, inputs):
        dims = given.type.tensor_type.shape.dim
        grow = lambda f: [f(s) if d.dim_param else s for d, s in zip(dims, t.shape)]
        top = grow(lambda s: s * factor if factor else (1 << 31) - 1)
        ranges[given.name] = (grow(lambda s: min(s, least)), list(t.shape), top)
    return ranges
