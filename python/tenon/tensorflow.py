"""SavedModels of TensorFlow run by Tenon where it can, by TensorFlow where it can't.

    from tenon.tensorflow import TrtGraphConverterV2
    converter = TrtGraphConverterV2(input_saved_model_dir="model", precision_mode="FP32")
    converter.convert()
    converter.summary()                       # what runs where, and why
    converter.save("converted")

    import tenon.tensorflow                   # in every process that loads a converted model
    model = tf.saved_model.load("converted")

Needs tensorflow and tf2onnx. The converted model holds each engine as an asset; an operation of TensorFlow calls it.
"""

import os
import tempfile
import threading
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.ops import script_ops

import tenon

__all__ = ["Left", "TrtGraphConverterV2", "TrtPrecisionMode"]

# Operations that are no work: they go with their neighbours.
_FREE = {"Const", "Identity", "NoOp", "Placeholder", "PlaceholderWithDefault", "IdentityN", "StopGradient"}
_NEVER = {"Placeholder", "NoOp", "Assert", "PyFunc", "EagerPyFunc", "If", "StatelessIf", "While", "StatelessWhile",
          "PartitionedCall", "StatefulPartitionedCall"}
_DTYPES = {tf.float32, tf.float16, tf.float64, tf.bfloat16, tf.int8, tf.uint8, tf.int16, tf.int32, tf.int64, tf.bool}
_OPSET = 17
_TOKEN = "tenon.run"


class TrtPrecisionMode:
    """Types that engines may compute in."""

    FP32 = "FP32"
    FP16 = "FP16"
    INT8 = "INT8"


class Left(NamedTuple):
    """A node that stays in TensorFlow."""

    name: str
    op: str
    reason: str


class _Engines:
    """Engines by their file, loaded once."""

    def __init__(self):
        self._lock, self._engines = threading.Lock(), {}

    def __call__(self, path, *inputs):
        """What the operation calls: the outputs of the plan's engine."""
        engine = self.get(path)
        return tuple(engine.run([np.asarray(x) for x in inputs]))

    def get(self, path):
        path = path.decode() if isinstance(path, bytes) else str(path)
        key = path, os.stat(path).st_mtime_ns
        with self._lock:
            if key not in self._engines:
                self._engines[key] = tenon.load(path)
            return self._engines[key]


# TensorFlow finds the function of such an operation by a token, also in models that another process saved.
_engines = _Engines()
script_ops._py_funcs._funcs[_TOKEN] = _engines


def _tensor_name(text):
    """'node:0' of an input in a GraphDef."""
    return text if ":" in text else text + ":0"


def _node_of(text):
    return text.lstrip("^").split(":")[0]


class _Graph:
    """A frozen function: its nodes in order, and what is known of their tensors."""

    def __init__(self, function):
        self.definition = function.graph.as_graph_def()
        self.nodes = {n.name: n for n in self.definition.node}
        self.tensors = {t.name: t for op in function.graph.get_operations() for t in op.outputs}
        self.inputs = [t.name for t in function.inputs if t.dtype != tf.resource]
        self.outputs = [t.name for t in function.outputs]
        self.order = [op.name for op in function.graph.get_operations()]

    def data_inputs(self, name):
        return [_tensor_name(i) for i in self.nodes[name].input if not i.startswith("^")]

    def part(self, names, entering=()):
        """A GraphDef of some nodes; `entering` tensors become placeholders. (definition, {tensor: placeholder})"""
        part = tf.compat.v1.GraphDef()
        part.library.CopyFrom(self.definition.library)
        part.versions.CopyFrom(self.definition.versions)
        places = {}
        for tensor in entering:
            places[tensor] = "tenon_" + tensor.replace("/", "_").replace(":", "_")
            node = part.node.add(name=places[tensor], op="Placeholder")
            node.attr["dtype"].type = self.tensors[tensor].dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(self.tensors[tensor].shape.as_proto())
        for name in names:
            node = part.node.add()
            node.CopyFrom(self.nodes[name])
            del node.input[:]
            for text in self.nodes[name].input:
                if text.startswith("^"):
                    if text[1:] in names:
                        node.input.append(text)
                else:
                    node.input.append(places.get(_tensor_name(text), text))
        return part, places


def _handled():
    """TensorFlow's operations that tf2onnx converts."""
    import tf2onnx.tfonnx  # noqa: F401
    from tf2onnx.handler import tf_op

    names = set()
    for handlers in tf_op.get_opsets()[""]:
        names |= set(handlers)
    return names


class _Partition:
    """Which nodes go to which engine. Nodes are counted by how often a path to them changes sides, so that all of one
    side with the same count can run together."""

    def __init__(self, graph, left, minimum):
        self.graph, self.left = graph, dict(left)
        self.constant = set()
        self.depth = {}
        for name in graph.order:
            node, data = graph.nodes[name], graph.data_inputs(name)
            if node.op == "Const" or data and all(_node_of(i) in self.constant for i in data) and name not in left:
                self.constant.add(name)  # it is copied to where it is used
                continue
            depth = 0
            for text in node.input:
                before = _node_of(text)
                if before in self.depth:
                    depth = max(depth, self.depth[before] + ((before in self.left) != (name in self.left)))
            self.depth[name] = depth
        self.groups = {}
        for name, depth in self.depth.items():
            self.groups.setdefault((depth, name in self.left), []).append(name)
        self.small = {name: f"a part of {count} operations; minimum_segment_size is {minimum}"
                      for (_, stays), names in self.groups.items() if not stays
                      for count in [sum(graph.nodes[n].op not in _FREE for n in names)] if count < minimum
                      for name in names}

    def in_order(self):
        """(nodes, whether they stay in TensorFlow), in an order in which they can run."""
        return [(names, stays) for (_, stays), names in sorted(self.groups.items())]

    def with_constants(self, names):
        """The nodes and the constants that they use."""
        found, open_names = set(names), list(names)
        while open_names:
            for text in self.graph.nodes[open_names.pop()].input:
                before = _node_of(text)
                if before in self.constant and before not in found:
                    found.add(before)
                    open_names.append(before)
        return [n for n in self.graph.order if n in found]

    def border(self, names):
        """(entering, leaving) tensors of a group."""
        inside, entering, leaving = set(self.with_constants(names)), [], []
        for name in names:
            for tensor in self.graph.data_inputs(name):
                if _node_of(tensor) not in inside and tensor not in entering:
                    entering.append(tensor)
        own = set(names)
        for name in self.graph.order:
            if name not in own:
                for tensor in self.graph.data_inputs(name):
                    if _node_of(tensor) in own and tensor not in leaving:
                        leaving.append(tensor)
        leaving += [t for t in self.graph.outputs if _node_of(t) in own and t not in leaving]
        return entering, leaving


class _Engine(NamedTuple):
    nodes: list
    entering: list
    leaving: list
    plan: bytes


class TrtGraphConverterV2:
    """Converts a signature of a SavedModel.

    input_saved_model_dir, input_saved_model_tags, input_saved_model_signature_key: what is converted, by default
    "serving_default". precision_mode: FP32, or FP16, which engines may then use. minimum_segment_size: operations that
    a part must have to become an engine. builder_optimization_level: 0 (no timing) to 5 (time every kernel).
    """

    def __init__(self, input_saved_model_dir=None, input_saved_model_tags=None, input_saved_model_signature_key=None,
                 precision_mode=TrtPrecisionMode.FP32, minimum_segment_size=3, builder_optimization_level=3,
                 max_workspace_size_bytes=None, maximum_cached_engines=1, use_calibration=True,
                 allow_build_at_runtime=True, use_dynamic_shape=None, dynamic_shape_profile_strategy=None):
        if input_saved_model_dir is None:
            raise ValueError("input_saved_model_dir is missing")
        precision = str(precision_mode).upper()
        if precision not in ("FP32", "FP16"):
            raise ValueError(f"precision_mode is {precision_mode!r}; accepted: 'FP32', 'FP16'")
        self._directory, self._tags = input_saved_model_dir, input_saved_model_tags
        self._key = input_saved_model_signature_key or "serving_default"
        self._precision, self._minimum = precision.lower(), minimum_segment_size
        self._level = builder_optimization_level
        self._function, self._engines, self.in_tensorflow = None, [], []

    def convert(self, calibration_input_fn=None):
        """Builds the engines; the converted function. `in_tensorflow` then lists the nodes that stay, with reasons."""
        model = tf.saved_model.load(self._directory, self._tags)
        if self._key not in model.signatures:
            raise ValueError(f"the model has no signature '{self._key}'; accepted: {', '.join(model.signatures)}")
        self._original = model.signatures[self._key]
        graph = _Graph(convert_variables_to_constants_v2(self._original))
        left = self._first_guess(graph)
        for _ in range(len(graph.order)):
            partition = _Partition(graph, left, self._minimum)
            failed = dict(partition.small)
            built = []
            for names, stays in partition.in_order():
                if stays or set(names) & set(failed):
                    continue
                engine, reasons = self._build(graph, partition, names)
                failed.update(reasons)
                if engine is not None:
                    built.append(engine)
            if not failed:
                break
            left.update(failed)
        self._engines = built
        self.in_tensorflow = [Left(n, graph.nodes[n].op, reason) for n, reason in left.items()
                              if graph.nodes[n].op not in _FREE and n not in partition.constant]
        self._assemble(graph, partition)
        return self._function

    def _first_guess(self, graph):
        """{node: reason} of nodes that no engine can have."""
        handled, left = _handled(), {}
        for name in graph.order:
            node = graph.nodes[name]
            types = [graph.tensors[t].dtype for t in graph.data_inputs(name) if t in graph.tensors]
            types += [t.dtype for key, t in graph.tensors.items() if _node_of(key) == name]
            odd = sorted({t.name for t in types if t not in _DTYPES})
            if node.op in _NEVER:
                left[name] = "TensorFlow's own"
            elif odd:
                left[name] = f"type {', '.join(odd)}"
            elif node.op not in handled and node.op not in _FREE:
                left[name] = "tf2onnx has no conversion of it"
        return left

    def _build(self, graph, partition, names):
        """(engine, {node: reason}): one of the two is empty."""
        entering, leaving = partition.border(names)
        part, places = graph.part(partition.with_constants(names), entering)
        if not leaving:
            return None, {}
        try:
            onnx_model = _to_onnx(part, [places[t] + ":0" for t in entering], leaving)
            engine = tenon.compile(onnx_model, precision=self._precision, level=self._level)
        except Exception as error:  # whatever the converter or the builder can't do stays where it was
            text = f"{type(error).__name__}: {error}"
            named = [n for n in names if f"'{n}'" in text or f"[{n}:" in text or f" {n} " in text]
            reason = text.split("\n")[0][:300]
            return None, {n: reason for n in (named or names)}
        return _Engine(names, entering, leaving, engine.serialize()), {}

    def _assemble(self, graph, partition):
        """Makes the function of engines and what is left."""
        folder = tempfile.mkdtemp(prefix="tenon-")
        self._module, by_nodes = tf.Module(), {}
        self._module.assets = []
        for i, engine in enumerate(self._engines):
            path = os.path.join(folder, f"engine_{i}.plan")
            with open(path, "wb") as file:
                file.write(engine.plan)
            self._module.assets.append(tf.saved_model.Asset(path))
            by_nodes[engine.nodes[0]] = engine, self._module.assets[-1]
        names = [name for name in self._original.structured_input_signature[1]]
        specs = [self._original.structured_input_signature[1][n] for n in names]
        results = list(self._original.structured_outputs)
        entry = {n: self._input_tensor(graph, spec) for n, spec in zip(names, specs)}

        def function(**given):
            values = {entry[name]: value for name, value in given.items()}
            for group, stays in partition.in_order():
                if group[0] in by_nodes and not stays:
                    _run_engine(graph, *by_nodes[group[0]], values)
                else:
                    _run_rest(graph, partition, group, values)
            constants = [t for t in graph.outputs if t not in values]
            if constants:
                _run_rest(graph, partition, [_node_of(t) for t in constants], values, constants)
            return {key: values[tensor] for key, tensor in zip(sorted(results), graph.outputs)}

        made = tf.function(function)
        self._module.call = made
        self._function = made.get_concrete_function(**{n: tf.TensorSpec(s.shape, s.dtype, name=n)
                                                       for n, s in zip(names, specs)})

    def _input_tensor(self, graph, spec):
        """The frozen graph's tensor of an input."""
        found = [t for t in graph.inputs if _node_of(t) == spec.name]
        return found[0] if found else spec.name + ":0"

    def build(self, input_fn):
        """Runs the converted function on each of input_fn()'s inputs, so that engines are prepared for their shapes."""
        names = list(self._original.structured_input_signature[1])
        for values in input_fn():
            given = values if isinstance(values, dict) else dict(zip(names, values))
            self._converted()(**{n: tf.convert_to_tensor(v) for n, v in given.items()})

    def save(self, output_saved_model_dir, save_gpu_specific_engines=True, options=None):
        """Writes the converted model, with its engines as assets."""
        signatures = {self._key: self._converted()}
        tf.saved_model.save(self._module, output_saved_model_dir, signatures=signatures, options=options)

    def summary(self, line_length=120, positions=None, detailed=False, print_fn=print):
        """Prints the engines and, by operation and reason, what stays in TensorFlow."""
        self._converted()
        for i, engine in enumerate(self._engines):
            print_fn(f"engine {i}: {len(engine.nodes)} nodes, {len(engine.entering)} inputs, {len(engine.leaving)} "
                     f"outputs, {len(engine.plan)} bytes")
            if detailed:
                print_fn("  " + ", ".join(engine.nodes))
        for name, op, reason in self.in_tensorflow:
            print_fn(f"in TensorFlow: {op} {name}: {reason}"[:line_length])

    def _converted(self):
        if self._function is None:
            raise RuntimeError("convert() comes first")
        return self._function


def _to_onnx(part, inputs, outputs):
    import tf2onnx

    model, _ = tf2onnx.convert.from_graph_def(part, input_names=inputs, output_names=outputs, opset=_OPSET)
    return model.SerializeToString()


def _run_engine(graph, engine, asset, values):
    types = [graph.tensors[t].dtype for t in engine.leaving]
    found = tf.raw_ops.PyFunc(input=[asset.asset_path] + [values[t] for t in engine.entering], token=_TOKEN, Tout=types)
    for tensor, value in zip(engine.leaving, found):
        value.set_shape(graph.tensors[tensor].shape)
        values[tensor] = value


def _run_rest(graph, partition, group, values, leaving=None):
    """Imports nodes as they were."""
    group = [n for n in group if graph.nodes[n].op != "Placeholder"]
    entering, found = partition.border(group)
    leaving = leaving or found
    part, _ = graph.part(partition.with_constants(group))
    results = tf.graph_util.import_graph_def(part, input_map={t: values[t] for t in entering}, return_elements=leaving,
                                             name="part")
    values.update(zip(leaving, results))
