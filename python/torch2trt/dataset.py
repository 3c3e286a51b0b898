"""Data sets of inputs: what shapes and calibrations are taken from."""

import contextlib
import os

import torch

from .flattener import Flattener


class Dataset:
    """A sequence of inputs (tuples of tensors, nested if need be)."""

    def __len__(self):
        raise NotImplementedError

    def __getitem__(self, index):
        raise NotImplementedError

    def getitem_flat(self, index):
        item = self[index]
        return Flattener.from_value(item).flatten(item)

    def num_inputs(self):
        return len(self.getitem_flat(0))

    def item_size(self, index):
        return sum(t.numel() for t in self.getitem_flat(index))

    def shapes(self, flat=False):
        """For each input, its shape in every item."""
        items = [self.getitem_flat(i) for i in range(len(self))]
        return [[torch.Size(t.shape) for t in column] for column in zip(*items)]

    def _extreme(self, choose, flat):
        found = [torch.Size(map(choose, zip(*shapes))) for shapes in self.shapes()]
        return found if flat else Flattener.from_value(self[0]).unflatten(found)

    def min_shapes(self, flat=False):
        return self._extreme(min, flat)

    def max_shapes(self, flat=False):
        return self._extreme(max, flat)

    def median_numel_shapes(self, flat=False):
        """The shapes of the item of middle size."""
        order = sorted(range(len(self)), key=self.item_size)
        found = [torch.Size(t.shape) for t in self.getitem_flat(order[len(order) // 2])]
        return found if flat else Flattener.from_value(self[0]).unflatten(found)

    def infer_dynamic_axes(self, flat=False):
        pairs = zip(self.min_shapes(flat=True), self.max_shapes(flat=True))
        found = [[i for i, (a, b) in enumerate(zip(low, high)) if a != b] for low, high in pairs]
        return found if flat else Flattener.from_value(self[0]).unflatten(found)


class ListDataset(Dataset):
    """Items in memory; `record` notes what a module is called with."""

    def __init__(self, items=None):
        self.items = list(items or [])

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]

    def insert(self, item):
        self.items.append(item)

    @contextlib.contextmanager
    def record(self, module):
        def note(_, inputs):
            self.insert(inputs)

        hook = module.register_forward_pre_hook(note)
        try:
            yield self
        finally:
            hook.remove()


class TensorBatchDataset(Dataset):
    """Tensors with a batch dimension as a data set of their rows."""

    def __init__(self, tensors=None):
        self.tensors = list(tensors) if tensors is not None else None

    def __len__(self):
        return 0 if self.tensors is None else len(self.tensors[0])

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        return [t[index:index + 1] for t in self.tensors]

    def insert(self, tensors):
        self.tensors = list(tensors) if self.tensors is None else [
            torch.cat(pair) for pair in zip(self.tensors, tensors)]


class FolderDataset(ListDataset):
    """Items as files of a folder, "input_0.pt" and so on."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def _path(self, index):
        return os.path.join(self.folder, f"input_{index}.pt")

    def __len__(self):
        return sum(name.startswith("input_") and name.endswith(".pt") for name in os.listdir(self.folder))

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        return torch.load(self._path(index), weights_only=True)

    def insert(self, item):
        torch.save(item, self._path(len(self)))
