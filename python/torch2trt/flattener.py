"""Nested inputs and outputs as flat lists and back."""


def _described(value):
    """A value's structure in words."""
    if isinstance(value, dict):
        return f"a dict of {sorted(map(str, value))}"
    return f"{len(value)} values" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"


class Flattener:
    """Remembers the structure of nested tuples, lists and dicts of tensors."""

    def __init__(self, schema, size):
        self._schema, self._size = schema, size

    @staticmethod
    def from_value(value, condition=None):
        import torch

        condition = condition or (lambda v: isinstance(v, torch.Tensor))
        count = 0

        def schema_of(v):
            nonlocal count
            if condition(v):
                count += 1
                return count - 1
            if isinstance(v, dict):
                return {key: schema_of(item) for key, item in v.items()}
            if isinstance(v, (list, tuple)):
                return type(v)(map(schema_of, v)) if not hasattr(v, "_fields") else tuple(map(schema_of, v))
            raise TypeError(f"inputs and outputs are tensors in lists, tuples and dicts; found {type(v).__name__}")

        return Flattener(schema_of(value), count)

    @property
    def size(self):
        return self._size

    @property
    def schema(self):
        return self._schema

    def flatten(self, value):
        """The tensors of a value of this structure. Raises TypeError for another structure."""
        result = []

        def need(same, schema, v):
            if not same:
                raise TypeError(f"expected is the structure {schema}, found {_described(v)}")

        def visit(schema, v):
            if isinstance(schema, int):
                result.append(v)
            elif isinstance(schema, dict):
                need(isinstance(v, dict) and v.keys() == schema.keys(), schema, v)
                for key, part in schema.items():
                    visit(part, v[key])
            else:
                need(isinstance(v, (list, tuple)) and len(v) == len(schema), schema, v)
                for part, item in zip(schema, v):
                    visit(part, item)

        visit(self._schema, value)
        return result

    def unflatten(self, flat):
        def build(schema):
            if isinstance(schema, int):
                return flat[schema]
            if isinstance(schema, dict):
                return {key: build(part) for key, part in schema.items()}
            return type(schema)(map(build, schema))

        return build(self._schema)
