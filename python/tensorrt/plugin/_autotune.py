"""Types, formats and tactics that a plugin offers."""

from .._trt import DataType, TensorFormat

_TYPES = {"FP32": DataType.FLOAT, "FP16": DataType.HALF, "BF16": DataType.BF16, "INT8": DataType.INT8,
          "UINT8": DataType.UINT8, "INT32": DataType.INT32, "INT64": DataType.INT64, "BOOL": DataType.BOOL,
          "FP8": DataType.FP8, "INT4": DataType.INT4}


def _split(text, known, what):
    values = []
    for word in text.split("|"):
        if word.strip() not in known:
            raise ValueError(f"'{word.strip()}' is no {what}; accepted: {', '.join(known)}")
        values.append(known[word.strip()])
    return values


class AutoTuneCombination:
    """Types and formats of inputs and outputs that go together, and tactics for them.

    AutoTuneCombination("FP32|FP16, FP32|FP16", "LINEAR", [1, 2]) takes either type for both tensors; alternatives go
    together by their place, and a tensor with one of them has it in all. A format is one for all tensors or a list.
    """

    def __init__(self, io_types=None, layouts=None, tactics=None):
        self._types, self._formats, self._tactics = {}, {}, list(tactics or [])
        self._every_format = [TensorFormat.LINEAR]
        if io_types is not None:
            for index, text in enumerate(io_types.split(",")):
                self.pos(index, text.strip())
        if layouts is not None:
            parts = [_split(part.strip(), TensorFormat.__members__, "format") for part in layouts.split(",")]
            if len(parts) == 1:
                self._every_format = parts[0]
            else:
                self._formats = dict(enumerate(parts))

    def pos(self, pos, dtypes, layouts="LINEAR"):
        """Sets what one tensor, or several, may be; inputs are counted first."""
        for index in [pos] if isinstance(pos, int) else pos:
            self._types[index] = _split(dtypes, _TYPES, "type")
            self._formats[index] = _split(layouts, TensorFormat.__members__, "format")

    def tactics(self, tactics):
        """Sets the tactics: positive integers."""
        self._tactics = list(tactics)

    def _accepts(self, descs):
        """Whether the tensors' types and formats are among the combinations."""
        ways = max((len(t) for t in self._types.values()), default=1)
        for i, desc in enumerate(descs):
            if desc.format not in self._formats.get(i, self._every_format):
                return False
        for way in range(ways):
            if all(desc.type == self._types[i][way if len(self._types[i]) > 1 else 0] for i, desc in enumerate(descs)):
                return True
        return False

    def _check(self, count, name):
        given = {len(t) for t in self._types.values()} - {1}
        if set(self._types) != set(range(count)):
            raise ValueError(f"{name}: a combination tells types of tensors {sorted(self._types)}; there are {count}")
        if len(given) > 1:
            raise ValueError(f"{name}: tensors with several types must have equally many, not {sorted(given)}")
