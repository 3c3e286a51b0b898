"""What became of each graph: parts in engines, parts in PyTorch, and why."""

import collections

_GRAPHS = []


class PartNote:
    """reason: why the part runs in PyTorch; empty where it has an engine; None until it has run."""

    def __init__(self, nodes):
        self.nodes, self.reason, self.error, self.eager_ms, self.engine_ms = nodes, None, None, None, None

    def __str__(self):
        text = f"{self.nodes} nodes: "
        text += "engine" if self.reason == "" else "not run yet" if self.reason is None else f"PyTorch ({self.reason})"
        if self.engine_ms is not None:
            text += f", {self.engine_ms:.3f} ms, PyTorch {self.eager_ms:.3f} ms"
        return text + (f", error {self.error:.1e}" if self.error is not None else "")


class GraphNote:
    def __init__(self, name):
        self.name, self.parts, self.in_pytorch, self.nodes = name, [], collections.Counter(), 0
        self.reason, self.eager_ms, self.tenon_ms = "", None, None
        _GRAPHS.append(self)

    @property
    def engines(self):
        return sum(p.reason == "" for p in self.parts) if not self.reason else 0

    def __str__(self):
        lines = [f"{self.name}: {self.nodes} nodes, {self.engines} engines"]
        if self.reason:
            lines[0] += f"; runs in PyTorch ({self.reason})"
        if self.tenon_ms is not None:
            lines[0] += f"; {self.tenon_ms:.3f} ms, PyTorch {self.eager_ms:.3f} ms"
        lines += [f"  part {i}: {p}" for i, p in enumerate(self.parts)]
        lines += [f"  in PyTorch: {count} x {what}" for what, count in self.in_pytorch.most_common()]
        return "\n".join(lines)


class Report:
    """`graphs`: one note a compiled graph. `breaks`: {reason: count} of what Dynamo left to Python."""

    def __init__(self):
        import torch._dynamo.utils

        self.graphs = list(_GRAPHS)
        self.breaks = dict(torch._dynamo.utils.counters.get("graph_break", {}))

    def __str__(self):
        lines = [str(g) for g in self.graphs]
        lines += [f"graph break ({count} x): {reason}" for reason, count in self.breaks.items()]
        return "\n".join(lines) or "nothing has been compiled"


def report(clear=False):
    """What was compiled in this process so far; `clear` forgets it afterwards."""
    made = Report()
    if clear:
        _GRAPHS.clear()
    return made
