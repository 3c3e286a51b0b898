"""ONNX models, written node by node from an ATen graph."""

import operator

import torch

OPSET = 20
ELEMENT_TYPES = {torch.float32: 1, torch.uint8: 2, torch.int8: 3, torch.int16: 5, torch.int32: 6, torch.int64: 7,
                 torch.bool: 9, torch.float16: 10, torch.float64: 11, torch.bfloat16: 16}
TABLE = {}


class Unsupported(Exception):
    """A node has no counterpart in ONNX; the text says why."""


def lowering(*names):
    """Registers how functions of ATen are written: f(writer, out, *args, **kwargs) → name, or a list of names.

    Tensors among the arguments are `Value`s; `out` is the fake tensor (or tuple) that the node returns.
    """
    def register(function):
        for name in names:
            TABLE[name] = function
        return function

    return register


class Value:
    """A tensor of the model: its name, and the fake tensor that says its shape and type."""

    __slots__ = ("name", "fake")

    def __init__(self, name, fake):
        self.name, self.fake = name, fake

    @property
    def shape(self):
        return tuple(self.fake.shape)

    @property
    def dtype(self):
        return self.fake.dtype

    @property
    def rank(self):
        return self.fake.dim()


def number(value):
    """A size as an int where it is known, else as it is."""
    if isinstance(value, torch.SymInt):
        expression = value.node.expr
        return int(expression) if expression.is_number else value
    return value


def element_type(dtype):
    if dtype not in ELEMENT_TYPES:
        raise Unsupported(f"data type {dtype}")
    return ELEMENT_TYPES[dtype]


def _name(value):
    if value is None:
        return ""
    return value.name if isinstance(value, Value) else value


class Writer:
    def __init__(self):
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.symbols, self._constants, self._sizes, self._count = {}, {}, {}, 0
        self.find_symbol = lambda symbol: None  # (name, axis) of a symbol that no input has so far

    def fresh(self):
        self._count += 1
        return f"v{self._count}"

    def op(self, kind, *inputs, outputs=1, **attributes):
        """Adds a node and returns its output's name, or a list of names."""
        from onnx import helper

        names = [self.fresh() for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, [_name(i) for i in inputs], names,
                                           **{k: v for k, v in attributes.items() if v is not None}))
        return names[0] if outputs == 1 else names

    def tensor(self, tensor, name=None):
        """A constant with a tensor's values; equal small ones are written once."""
        from onnx import TensorProto

        tensor = tensor.detach().cpu().contiguous()
        raw = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        key = (raw, tensor.dtype, tuple(tensor.shape)) if len(raw) <= 64 and name is None else None
        if key is not None and key in self._constants:
            return self._constants[key]
        proto = TensorProto(name=name or self.fresh(), data_type=element_type(tensor.dtype), raw_data=raw)
        proto.dims.extend(tensor.shape)
        self.initializers.append(proto)
        if key is not None:
            self._constants[key] = proto.name
        return proto.name

    def scalar(self, value, dtype):
        return self.tensor(torch.tensor(value, dtype=dtype))

    def constant(self, values, dtype=torch.int64):
        return self.tensor(torch.tensor(values, dtype=dtype))

    def cast(self, value, dtype):
        """A value, or a number as a scalar, in a type."""
        if not isinstance(value, Value):
            value = number(value)
            if isinstance(value, torch.SymInt):
                size = self.op("Squeeze", self.size(value), self.constant([0]))
                return size if dtype == torch.int64 else self.op("Cast", size, to=element_type(dtype))
            if not isinstance(value, (int, float, bool)):
                raise Unsupported(f"an argument of type {type(value).__name__}")
            return self.scalar(value, dtype)
        return value.name if value.dtype == dtype else self.op("Cast", value, to=element_type(dtype))

    def sizes(self, values):
        """Sizes as a list of int64."""
        values = [number(v) for v in values]
        if not any(isinstance(v, torch.SymInt) for v in values):
            return self.constant([int(v) for v in values])
        return self.op("Concat", *(self.size(v) for v in values), axis=0)

    def size(self, value):
        """One size as a list of one int64."""
        value = number(value)
        return self._expression(value.node.expr) if isinstance(value, torch.SymInt) else self.constant([int(value)])

    def _expression(self, e):
        if e not in self._sizes:
            self._sizes[e] = self._write_expression(e)
        return self._sizes[e]

    def _write_expression(self, e):
        kind = type(e).__name__
        if e.is_Integer:
            return self.constant([int(e)])
        if e.is_Symbol:
            found = self.symbols.get(e) or self.find_symbol(e)
            if found is None:
                raise Unsupported(f"the size {e} is no dimension of an input")
            value, axis = found
            return self.op("Shape", value, start=axis, end=axis + 1)
        parts = [self._expression(a) for a in e.args] if kind not in ("Pow", "ModularIndexing") else []
        if kind in ("Add", "Mul", "Max", "Min"):
            while len(parts) > 1:
                parts[:2] = [self.op(kind, *parts[:2])]
            return parts[0]
        if kind in ("FloorDiv", "CleanDiv", "IntTrueDiv"):
            return self.op("Div", *parts)
        if kind in ("Mod", "PythonMod"):
            return self.op("Mod", *parts)
        if kind == "Pow" and e.args[1].is_Integer and 0 < int(e.args[1]) < 5:
            base = result = self._expression(e.args[0])
            for _ in range(int(e.args[1]) - 1):
                result = self.op("Mul", result, base)
            return result
        raise Unsupported(f"a size computed as {e}")

    def reshape(self, value, shape):
        shape = [number(d) for d in shape]
        symbolic = [i for i, d in enumerate(shape) if isinstance(d, torch.SymInt)]
        if not symbolic:
            return self.op("Reshape", value, self.constant(shape), allowzero=1 if 0 in shape else None)
        if len(symbolic) == 1 and 0 not in shape:
            shape[symbolic[0]] = -1
            return self.op("Reshape", value, self.constant(shape))
        return self.op("Reshape", value, self.sizes(shape))

    def input(self, fake, name=None):
        """An input of the model; its dimensions become what sizes are read from."""
        from onnx import helper

        value = Value(name or f"x{len(self.inputs)}", fake)
        dims = [number(d) for d in fake.shape]
        texts = [str(d.node.expr) if isinstance(d, torch.SymInt) else d for d in dims]
        self.inputs.append(helper.make_tensor_value_info(value.name, element_type(fake.dtype), texts))
        for axis, d in enumerate(dims):
            if isinstance(d, torch.SymInt) and d.node.expr.is_Symbol:
                self.symbols.setdefault(d.node.expr, (value.name, axis))
        return value

    def output(self, value):
        from onnx import helper

        name = self.op("Identity", value)
        self.outputs.append(helper.make_tensor_value_info(name, element_type(value.dtype), None))
        return name

    def model(self):
        from onnx import helper

        graph = helper.make_graph(self.nodes, "partition", self.inputs, self.outputs, self.initializers)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        made.ir_version = 9
        return made


def function_name(target):
    """"add.Tensor" of torch.ops.aten.add.Tensor; None for what is neither ATen's nor Tenon's own."""
    if target is operator.getitem:
        return "getitem"
    space, _, name = str(target).partition(".")
    return name if space in ("aten", "tenon") and name else None


def lower_node(writer, node, values):
    """Writes an FX node; `values` maps the nodes before it to Values, or lists of them. Raises Unsupported."""
    name = function_name(node.target)
    if name not in TABLE:
        raise Unsupported(f"{node.target} has no lowering")
    lookup = lambda n: values[n] if n in values else n.meta.get("val")
    args, kwargs = torch.fx.node.map_arg((node.args, dict(node.kwargs)), lookup)
    fake = node.meta["val"]
    made = TABLE[name](writer, fake, *args, **kwargs)
    if isinstance(made, (list, tuple)):
        return [None if n is None else Value(n, f) for n, f in zip(made, fake)]
    return made if isinstance(made, Value) else Value(made, fake)


