"""An ATen graph as a callable over engines. Weights become constants of the engines, which are made again when they
change."""

import logging

import torch

from . import partition
from .report import GraphNote, PartNote
from .segment import Segment

log = logging.getLogger("tenon.torch")


def _state(tensor):
    """What tells whether a tensor still has the values it had."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


class Runner:
    """Calls of a functional ATen graph. `fixed`: positions of inputs whose values become constants."""

    def __init__(self, module, options, note, fixed=()):
        self.module, self.options, self.note, self.fixed = module, options, note, tuple(fixed)
        module.graph.eliminate_dead_code()
        self._prepared, self._changes = {}, {}
        self._placeholders = [n for n in module.graph.nodes if n.op == "placeholder"]
        note.nodes = sum(n.op == "call_function" for n in module.graph.nodes)
        self._found = partition.refusals(module.graph, options.exclude)
        for node, reason in self._found.items():
            note.in_pytorch[f"{node.target} ({reason})"] += 1
        self._parts = partition.parts_of(module.graph, self._found, options.min_nodes)

    def __call__(self, *values):
        key = tuple(_state(values[i]) for i in self.fixed)
        found = self._prepared.get(key)
        if found is None:
            self._forget_what_changes(key)
            key = tuple(_state(values[i]) for i in self.fixed)
            found = self._prepared[key] = self._prepare(values)
        return found(*values)

    def _forget_what_changes(self, key):
        """Inputs that were written to are constants no longer."""
        for other in self._prepared:
            changed = {i for i, a, b in zip(self.fixed, key, other) if a[0] == b[0] and a[1] != b[1]}
            if changed:
                self.fixed = tuple(i for i in self.fixed if i not in changed)
                self._prepared.clear()
                return
        if len(self._prepared) >= self.options.max_weights:
            self.fixed = ()
            self._prepared.clear()

    def _prepare(self, values):
        constants = {self._placeholders[i]: values[i] for i in self.fixed}
        symbols = partition.symbols_of(self.module.graph)
        self.note.parts.clear()
        kept, models = [], {}
        for part in self._parts:
            note = PartNote(len(part.nodes))
            self.note.parts.append(note)
            try:
                model, used = part.write(constants, symbols)
            except partition.Unsupported as error:
                note.reason = str(error)
                continue
            part.extra = [n for n in used if n not in part.inputs]
            models[part] = model, used, note
            kept.append(part)

        def make(part):
            model, used, note = models.pop(part)
            given = [*part.inputs, *part.sizes, *part.extra]
            positions = [given.index(n) for n in used]
            count = len(part.inputs) + len(part.sizes)
            return Segment(part.module(self.module), model, positions, count, self.options, note)

        made = partition.assemble(self.module, kept, make) if kept else self.module
        log.info("%s: %d of %d nodes in %d parts", self.note.name, sum(len(p.nodes) for p in kept), self.note.nodes,
                 len(kept))
        return made


def note_for(kind):
    from .report import _GRAPHS

    return GraphNote(f"{kind} {len(_GRAPHS)}")


def tensors(values):
    return [v for v in torch.utils._pytree.tree_leaves(values) if isinstance(v, torch.Tensor)]
