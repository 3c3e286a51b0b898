"""The decorators, and the plugin and creator that run the decorated functions."""

import contextlib
import inspect
import typing
import warnings

import numpy as np

from .. import _plugins, _trt
from .._trt import PluginFieldType, TensorFormat, TensorRTPhase
from . import _kernels
from ._autotune import AutoTuneCombination
from ._shapes import ShapeExpr, ShapeExprs
from ._tensors import Tensor, TensorDesc, _gpu_of, _Sizes

_RANKS = (4, 3, 2, 1, 5, 6, 7, 8, 0)  # tried in turn where types are asked for before ranks are known
_AHEAD = "tenon.aot"  # a field of plugins that take the kernel
_SCALARS = {int: (np.int64, PluginFieldType.INT64), float: (np.float64, PluginFieldType.FLOAT64),
            bool: (np.int8, PluginFieldType.INT8), str: (np.int8, PluginFieldType.CHAR),
            bytes: (np.int8, PluginFieldType.CHAR)}
_ARRAYS = {np.float16: PluginFieldType.FLOAT16, np.float32: PluginFieldType.FLOAT32,
           np.float64: PluginFieldType.FLOAT64, np.int8: PluginFieldType.INT8, np.int16: PluginFieldType.INT16,
           np.int32: PluginFieldType.INT32, np.int64: PluginFieldType.INT64}


class Attribute:
    """A parameter of a register function that is no tensor."""

    def __init__(self, name, annotation, default):
        self.name, self.hint, self.default = name, annotation, default
        if annotation in _SCALARS:
            self.kind = annotation
            self.dtype, self.field = _SCALARS[annotation]
            return
        if typing.get_origin(annotation) is np.ndarray:
            self.kind = np.ndarray
            self.dtype = typing.get_args(typing.get_args(annotation)[1])[0]
            if self.dtype in _ARRAYS:
                self.field = _ARRAYS[self.dtype]
                return
        raise TypeError(f"attribute '{name}' is annotated {annotation}; accepted: int, float, bool, str, bytes and "
                        f"numpy.typing.NDArray of {', '.join(t.__name__ for t in _ARRAYS)}")

    def check(self, value):
        """The value as the functions get it."""
        if self.kind is np.ndarray:
            return np.ascontiguousarray(value, self.dtype)
        if self.kind is float and isinstance(value, int):
            return float(value)
        if not isinstance(value, (self.kind, np.generic)) or self.kind is int and isinstance(value, bool):
            raise TypeError(f"attribute '{self.name}' is {self.kind.__name__}, not {type(value).__name__}")
        return self.kind(value)

    def to_field(self, value):
        if self.kind in (str, bytes):
            data = np.frombuffer(value.encode() if self.kind is str else value, np.int8)
        else:
            data = np.ascontiguousarray(value, self.dtype).reshape(-1)
        return _plugins.PluginField(self.name, data, self.field)

    def from_field(self, field):
        data = np.empty(0, self.dtype) if field.data is None else np.asarray(field.data)
        if self.kind is np.ndarray:
            return data.astype(self.dtype)
        if self.kind in (str, bytes):
            text = data.tobytes()
            return text.decode() if self.kind is str else text
        return self.kind(data.reshape(-1)[0])


class Definition:
    """One plugin: its register function and what was added to it."""

    def __init__(self, plugin_id, function):
        self.space, separator, self.name = plugin_id.partition("::")
        if not (separator and self.space and self.name):
            raise ValueError(f"a plugin's id is 'namespace::name', not '{plugin_id}'")
        self.id, self.function = plugin_id, function
        self.impl = self.autotune = self.aot_impl = None
        hints = typing.get_type_hints(function)
        self.inputs, self.attributes = [], {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in hints:
                raise TypeError(f"{plugin_id}: parameter '{parameter.name}' needs a type: TensorDesc or an attribute's")
            if hints[parameter.name] is TensorDesc:
                if self.attributes:
                    raise TypeError(f"{plugin_id}: tensors come before attributes; '{parameter.name}' does not")
                self.inputs.append(parameter.name)
            else:
                self.attributes[parameter.name] = Attribute(parameter.name, hints[parameter.name], parameter.default)
        result = hints.get("return")
        self.num_outputs = 1 if result is TensorDesc else len(typing.get_args(result))
        if self.num_outputs == 0:
            raise TypeError(f"{plugin_id}: the result's type is TensorDesc or Tuple[TensorDesc, ...]")

    def describe(self, descs, values, sizes):
        """The output descriptions that the register function gives."""
        with sizes:
            found = self.function(*descs, **values)
        outputs = (found,) if isinstance(found, TensorDesc) else tuple(found)
        if len(outputs) != self.num_outputs or not all(isinstance(o, TensorDesc) for o in outputs):
            raise TypeError(f"{self.id}: the register function returns {self.num_outputs} TensorDesc as annotated, not "
                            f"{found!r}")
        return outputs

    def sketch(self, types, ranks, values):
        """The outputs while dimensions are unknown."""
        first = None
        for candidate in [ranks] if ranks else [[rank] * len(types) for rank in _RANKS]:
            descs = [TensorDesc(ShapeExprs(rank), dtype) for rank, dtype in zip(candidate, types)]
            try:
                return self.describe(descs, values, _Sizes()), descs
            except Exception as error:  # a function may want ranks that this guess does not have
                first = first or error
        raise first

    def call(self, function, tensors, values, **others):
        """Calls a function with the attributes and further arguments that it names."""
        names = inspect.signature(function).parameters
        accepted = {k: v for k, v in {**values, **others}.items() if k in names}
        return function(*tensors, **accepted)


def _places(outputs):
    return [i for i, o in enumerate(outputs) if o.is_size_tensor]


class FunctionPlugin(_plugins.IPluginV3, _plugins.IPluginV3OneCore, _plugins.IPluginV3OneBuildV2,
                     _plugins.IPluginV3OneRuntime):
    """The plugin of a definition with values for its attributes."""

    def __init__(self, definition, values, ranks=None, ahead=False):
        super().__init__()
        self.definition, self.values, self.ranks = definition, values, ranks
        self.ahead, self.launches = ahead, {}
        self.plugin_name, self.plugin_version, self.plugin_namespace = definition.name, "1", definition.space
        self.num_outputs = definition.num_outputs
        self.tactic, self.combinations, self.outputs = 0, None, None

    def get_output_data_types(self, input_types):
        self.types = list(input_types)
        self.outputs, descs = self.definition.sketch(self.types, self.ranks, self.values)
        self.aliases = [next((i for i, d in enumerate(descs) if d is o.get_aliased()), -1) for o in self.outputs]
        return [o.dtype for o in self.outputs]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        descs = []
        for dims, dtype in zip(inputs, self.types):
            exprs = [ShapeExpr(dims[i], expr_builder) for i in range(len(dims))]
            descs.append(TensorDesc(ShapeExprs.from_tuple(exprs), dtype))
        outputs = self.definition.describe(descs, self.values, _Sizes(expr_builder, _places(self.outputs)))
        return [o.shape_expr._native(expr_builder) for o in outputs]

    def get_aliased_input(self, output_index):
        return self.aliases[output_index] if self.outputs else -1

    def supports_format_combination(self, pos, in_out, num_inputs):
        if in_out[pos].desc.format != TensorFormat.LINEAR:
            return False
        if self.definition.autotune is None:
            return True
        if self.combinations is None:
            self.combinations = self.tuned(in_out, num_inputs)
        return any(c._accepts([d.desc for d in in_out[:pos + 1]]) for c in self.combinations)

    def tuned(self, in_out, num_inputs):
        descs = [TensorDesc._of(d.desc, (d.min, d.opt, d.max)) for d in in_out]
        found = self.definition.call(self.definition.autotune, descs[:num_inputs], self.values,
                                     outputs=tuple(descs[num_inputs:]))
        for combination in found:
            if not isinstance(combination, AutoTuneCombination):
                raise TypeError(f"{self.definition.id}: the autotune function returns a list of AutoTuneCombination")
            combination._check(len(in_out), self.definition.id)
        return found

    def configure_plugin(self, in_, out):
        self.chosen = [d.desc for d in (*in_, *out)]
        if self.definition.impl is None and not (self.definition.aot_impl and _kernels.has_gpu()):
            raise self.refusal()

    def refusal(self):
        reason = ("has an aot_impl, which gives a kernel compiled for a GPU; the CPU runs an impl"
                  if self.definition.aot_impl else "has no impl")
        return RuntimeError(f"{self.definition.id} cannot run: it {reason}. Decorate a function with "
                            f"@tensorrt.plugin.impl('{self.definition.id}')")

    def get_valid_tactics(self):
        found = [t for c in self.combinations or () if c._accepts(self.chosen) for t in c._tactics]
        return list(dict.fromkeys(found))

    def set_tactic(self, tactic):
        self.tactic = tactic

    def get_fields_to_serialize(self):
        fields = [a.to_field(self.values[name]) for name, a in self.definition.attributes.items()]
        if self.ahead:
            fields.append(_plugins.PluginField(_AHEAD, np.ones(1, np.int8), PluginFieldType.INT8))
        return _plugins.PluginFieldCollection(fields)

    def launch(self, input_desc, output_desc):
        """How the kernel is launched for these shapes and types; the function is asked once for each."""
        key = (self.tactic, *((tuple(d.dims), d.type) for d in (*input_desc, *output_desc)))
        if key not in self.launches:
            descs, made = ([TensorDesc._of(d) for d in group] for group in (input_desc, output_desc))
            self.launches[key] = _kernels.Launch(self.definition.id, self.definition.call(
                self.definition.aot_impl, descs, self.values, outputs=tuple(made), tactic=self.tactic))
        return self.launches[key]

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        gpu = next((g for g in map(_gpu_of, (*outputs, *inputs)) if g is not None), None)
        if gpu is not None and self.definition.aot_impl is not None and (self.ahead or self.definition.impl is None):
            self.launch(input_desc, output_desc).run(gpu, inputs, outputs, stream)
            return
        if self.definition.impl is None:
            raise self.refusal()
        with contextlib.nullcontext(stream) if gpu is None else _kernels.stream_with_handle(gpu, stream) as handle:
            self.compute(input_desc, output_desc, inputs, outputs, handle)

    def compute(self, input_desc, output_desc, inputs, outputs, stream):
        """Calls the impl function."""
        given = [Tensor(address, desc, stream) for address, desc in zip(inputs, input_desc)]
        made = tuple(Tensor(address, desc, stream) for address, desc in zip(outputs, output_desc))
        for tensor in made:
            tensor._aliased = next((g for g in given if g.data_ptr == tensor.data_ptr), None)
        self.definition.call(self.definition.impl, given, self.values, outputs=made, stream=stream, tactic=self.tactic)

    def choose(self, ahead):
        """Whether the kernel that was compiled ahead of time is wanted, where there is an impl too; None for either."""
        self.ahead, definition = bool(ahead), self.definition
        if ahead and definition.impl is not None and not (definition.aot_impl and _kernels.has_gpu()):
            lacking = "there is no GPU" if definition.aot_impl else "there is no aot_impl"
            warnings.warn(f"{definition.id}: aot=True, but {lacking}; the impl runs instead", stacklevel=4)

    def attach_to_context(self, context):
        return self.clone()

    def clone(self):
        copy = FunctionPlugin(self.definition, self.values, self.ranks)
        copy.__dict__.update(self.__dict__)
        return copy


class Creator(_plugins.IPluginCreatorV3One):
    """Makes a definition's plugins, for parsers and plans."""

    def __init__(self, definition):
        super().__init__()
        self.definition = definition
        self.name, self.plugin_version, self.plugin_namespace = definition.name, "1", definition.space
        self.field_names = _plugins.PluginFieldCollection(
            [_plugins.PluginField(a.name, np.empty(0, a.dtype), a.field) for a in definition.attributes.values()])

    def create_plugin(self, name, field_collection, phase):
        given = {f.name: f for f in field_collection}
        values = {}
        for key, attribute in self.definition.attributes.items():
            if key in given:
                values[key] = attribute.from_field(given[key])
            elif attribute.default is not inspect.Parameter.empty:
                values[key] = attribute.check(attribute.default)
            else:
                raise ValueError(f"{self.definition.id}: attribute '{key}' is missing")
        if phase == TensorRTPhase.RUNTIME and self.definition.impl is None and self.definition.aot_impl is None:
            raise RuntimeError(f"{self.definition.id} has no impl in this process")
        return FunctionPlugin(self.definition, values, ahead=_AHEAD in given)


_definitions: dict[str, Definition] = {}


def _definition(plugin_id, decorator):
    if plugin_id not in _definitions:
        raise ValueError(f"@{decorator}: no plugin '{plugin_id}' is registered; @register comes first")
    return _definitions[plugin_id]


def register(plugin_id, lazy_register=False):
    """Decorates the function that describes a plugin 'namespace::name': from TensorDesc of the inputs, and attributes,
    to TensorDesc of the outputs. With lazy_register, parsers find the plugin once `op` has made one. Raises ValueError
    if the id is taken, TypeError for a parameter without an accepted type."""
    def decorate(function):
        if plugin_id in _definitions:
            raise ValueError(f"a plugin '{plugin_id}' is registered already")
        definition = Definition(plugin_id, function)
        definition.creator = None
        _definitions[plugin_id] = definition
        if not lazy_register:
            _announce(definition)
        return function
    return decorate


def _announce(definition):
    if definition.creator is None:
        definition.creator = Creator(definition)
        _trt.get_plugin_registry().register_creator(definition.creator, definition.space)


def _attach(plugin_id, kind, function, further):
    definition = _definition(plugin_id, kind)
    if getattr(definition, kind) is not None:
        raise ValueError(f"plugin '{plugin_id}' has an {kind} already")
    names = list(inspect.signature(function).parameters)
    tensors = names[:len(definition.inputs)]
    unknown = set(names[len(tensors):]) - set(definition.attributes) - {"outputs"} - further
    if tensors != definition.inputs or unknown or "outputs" not in names:
        raise TypeError(f"{plugin_id}: the {kind} function takes {', '.join(definition.inputs)}, attributes of "
                        f"{sorted(definition.attributes)} and outputs{''.join(', ' + f for f in sorted(further))}; "
                        f"this one takes {', '.join(names)}")
    setattr(definition, kind, function)
    return function


def impl(plugin_id):
    """Decorates the function that computes: it gets a Tensor for each input, the attributes that it names, `outputs`,
    and `stream` and `tactic` if it names them. On a GPU `stream` is never 0, so that torch.cuda.ExternalStream(stream)
    is the stream that the work belongs into."""
    return lambda function: _attach(plugin_id, "impl", function, {"stream", "tactic"})


def autotune(plugin_id):
    """Decorates the function that tells types, formats and tactics: from TensorDesc of inputs and `outputs` to a
    list of AutoTuneCombination. Without it the types are those of the register function. The tactics of the
    combinations that hold are timed when the engine is built, on zeros at the profile's optimum; the fastest stays."""
    return lambda function: _attach(plugin_id, "autotune", function, set())


def aot_impl(plugin_id):
    """Decorates the function that compiles a kernel for a GPU, from TensorDesc of inputs and `outputs`, attributes and
    `tactic` to (name, PTX, KernelLaunchParams, SymIntExprs). The kernel's parameters are the inputs' addresses, the
    numbers of the SymIntExprs and the outputs' addresses. The function is called when an engine runs with shapes that
    are new to it. On the CPU kernels are not launched: the plugin needs an impl as well there. Where there are both,
    op.namespace.name(..., aot=True) takes the kernel."""
    return lambda function: _attach(plugin_id, "aot_impl", function, {"tactic"})


class _Space:
    """The plugins of a namespace, as attributes."""

    def __init__(self, space):
        self._space = space

    def __getattr__(self, name):
        definition = _definitions.get(f"{self._space}::{name}")
        if definition is None:
            raise AttributeError(f"no plugin '{self._space}::{name}' is registered")
        return _Maker(definition)


class _Maker:
    """Calls of it make one plugin."""

    def __init__(self, definition):
        self._definition = definition
        self.input_tensor_names = list(definition.inputs)
        self.input_attrs = {name: attribute.hint for name, attribute in definition.attributes.items()}

    def __call__(self, *tensors, aot=None, **attributes):
        return _made(self._definition, tensors, aot, attributes)


class _Op:
    """op.namespace.name(tensors..., attributes...) is what INetworkDefinition.add_plugin() takes."""

    def __getattr__(self, space):
        if not any(d.space == space for d in _definitions.values()):
            raise AttributeError(f"no plugin of a namespace '{space}' is registered")
        return _Space(space)


op = _Op()


def _made(definition, tensors, aot, attributes):
    """The arguments of INetworkDefinition.add_plugin_v3()."""
    _announce(definition)
    names = definition.inputs + list(definition.attributes)
    if len(tensors) > len(names):
        raise TypeError(f"{definition.id} takes {', '.join(names)}; {len(tensors)} arguments were given")
    given = dict(zip(names, tensors))
    for name, value in attributes.items():
        if name in given or name not in names:
            raise TypeError(f"{definition.id} takes {', '.join(names)}; '{name}' was given" +
                            (" twice" if name in given else ""))
        given[name] = value
    values = {}
    for name, attribute in definition.attributes.items():
        if name not in given and attribute.default is inspect.Parameter.empty:
            raise TypeError(f"{definition.id}: attribute '{name}' is missing")
        values[name] = attribute.check(given.get(name, attribute.default))
    missing = [n for n in definition.inputs if not isinstance(given.get(n), _trt.ITensor)]
    if missing:
        raise TypeError(f"{definition.id}: {', '.join(missing)} must be tensors of a network")
    inputs = [given[n] for n in definition.inputs]
    plugin = FunctionPlugin(definition, values, [len(t.shape) for t in inputs])
    plugin.choose(aot)
    return inputs, [], plugin
