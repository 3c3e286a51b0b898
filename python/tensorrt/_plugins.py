"""Plugins written in Python: classes to derive from, and the fields that creators exchange."""

import abc

import numpy as np

from . import _trt
from ._trt import PluginFieldType

__all__ = ["PluginField", "PluginFieldCollection", "PluginFieldCollection_", "IPluginV2DynamicExtBase",
           "IPluginV2DynamicExt", "IPluginCapability", "IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild",
           "IPluginV3OneBuildV2", "IPluginV3OneRuntime", "IPluginV3QuickCore", "IPluginV3QuickBuild",
           "IPluginV3QuickAOTBuild", "IPluginV3QuickRuntime", "IPluginCreatorInterface", "IPluginCreator",
           "IPluginCreatorV3One", "IPluginCreatorV3Quick", "IPluginResource", "ICaffePluginFactoryV2"]

_NUMPY = {PluginFieldType.FLOAT16: np.float16, PluginFieldType.FLOAT32: np.float32, PluginFieldType.FLOAT64: np.float64,
          PluginFieldType.INT8: np.int8, PluginFieldType.INT16: np.int16, PluginFieldType.INT32: np.int32,
          PluginFieldType.INT64: np.int64, PluginFieldType.CHAR: np.int8, PluginFieldType.UNKNOWN: np.int8}


class PluginField:
    """A named value of a plugin: an array, bytes or text."""

    __slots__ = {"name": "The field's name.", "data": "An array, bytes, text or None.", "type": "The PluginFieldType."}

    def __init__(self, name="", data=None, type=PluginFieldType.UNKNOWN):
        self.name, self.data, self.type = name, data, type

    @property
    def size(self):
        """The number of values."""
        return self._array().size

    def _array(self):
        if self.data is None:
            return np.empty(0, np.int8)
        if isinstance(self.data, str):
            return np.frombuffer(self.data.encode(), np.int8)
        if isinstance(self.data, (bytes, bytearray, memoryview)):
            return np.frombuffer(self.data, np.int8)
        return np.ascontiguousarray(self.data)


class PluginFieldCollection(list):
    """A list of PluginField."""


PluginFieldCollection_ = PluginFieldCollection


def _field(name, address, kind, length):
    """A field with a copy of the data at an address."""
    dtype = np.dtype(_NUMPY.get(kind, np.int8))
    data = np.frombuffer(_trt._bytes_at(address, length * dtype.itemsize), dtype).copy() if address else None
    return PluginField(name, data, kind)


class IPluginV2DynamicExtBase(metaclass=abc.ABCMeta):
    """What plugins for dynamic shapes have in common."""


class IPluginV2DynamicExt(IPluginV2DynamicExtBase):
    """A plugin for dynamic shapes. A class derives from it, calls its __init__, and sets num_outputs, plugin_type,
    plugin_version and plugin_namespace."""

    FORMAT_COMBINATION_LIMIT = 100
    num_outputs, plugin_type, plugin_version, plugin_namespace = 1, "", "1", ""

    def __init__(self):
        pass

    def initialize(self):
        """Before the first enqueue of an engine."""

    def terminate(self):
        """After the last enqueue."""

    def destroy(self):
        """When the engine or network lets the plugin go."""

    def get_serialization_size(self):
        """Bytes that serialize() makes."""
        return len(self.serialize())

    def serialize(self):
        """What the creator's deserialize_plugin() gets back."""
        return b""

    def get_workspace_size(self, input_desc, output_desc):
        """Bytes of scratch memory that an enqueue needs."""
        return 0

    def configure_plugin(self, pos, in_out):
        """Told the shapes' ranges before a build."""

    def get_output_datatype(self, index, input_types):
        """The DataType of an output, by index, for those of the inputs."""
        return input_types[0]

    @abc.abstractmethod
    def get_output_dimensions(self, output_index, inputs, expr_builder):
        """DimsExprs of an output from those of the inputs."""

    @abc.abstractmethod
    def supports_format_combination(self, pos, in_out, num_inputs):
        """Whether the tensor at `pos` may have its type and format, given those before it."""

    @abc.abstractmethod
    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        """Computes; inputs, outputs, workspace and stream are addresses."""

    @abc.abstractmethod
    def clone(self):
        """A plugin with the same parameters."""


class IPluginCapability:
    """A part of an IPluginV3."""

    def __init__(self):
        pass


class IPluginV3:
    """A plugin in parts; get_capability_interface() tells which object is which part."""

    def __init__(self):
        pass

    def get_capability_interface(self, type):
        """The object that is a part, of a PluginCapabilityType."""
        return self

    def clone(self):
        """A plugin with the same parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no clone()")

    def destroy(self):
        """When the engine or network lets the plugin go."""


class IPluginV3OneCore(IPluginCapability):
    """The part that names the plugin."""

    plugin_name, plugin_version, plugin_namespace = "", "1", ""


class IPluginV3OneBuild(IPluginCapability):
    """The part that builds: types, shapes, formats. A class has get_output_data_types(input_types),
    get_output_shapes(inputs, shape_inputs, expr_builder) and supports_format_combination(pos, in_out, num_inputs)."""

    DEFAULT_FORMAT_COMBINATION_LIMIT = 100
    num_outputs, format_combination_limit, metadata_string, timing_cache_id = 1, 100, None, None

    def configure_plugin(self, in_, out):
        """Told the shapes' ranges before a build."""

    def get_workspace_size(self, in_, out):
        """Bytes of scratch memory that an enqueue needs."""
        return 0

    def get_valid_tactics(self):
        """Numbers above 0 of ways to compute, which the build times; set_tactic() tells the one that was chosen."""
        return []

    def get_output_data_types(self, input_types):
        """The DataTypes of the outputs for those of the inputs."""
        return [input_types[0]] * self.num_outputs

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        """The DimsExprs of the outputs, from those of the inputs and of the inputs that decide shapes."""
        return [inputs[0]] * self.num_outputs

    def supports_format_combination(self, pos, in_out, num_inputs):
        """Whether the tensor at `pos` may have its type and format, given those before it."""
        raise NotImplementedError(f"{type(self).__name__} has no supports_format_combination()")


class IPluginV3OneBuildV2(IPluginV3OneBuild):
    """With outputs that may share an input's memory."""

    def get_aliased_input(self, output_index):
        """The input whose memory an output shares; -1 for none."""
        return -1


class IPluginV3OneRuntime(IPluginCapability):
    """The part that runs. A class has enqueue(input_desc, output_desc, inputs, outputs, workspace, stream) and
    clone()."""

    def set_tactic(self, tactic):
        """Told the tactic that was chosen."""

    def on_shape_change(self, in_, out):
        """Told the shapes before an enqueue with other ones."""

    def attach_to_context(self, context):
        """The plugin that a context runs, told what it may ask for, an IPluginResourceContext."""
        return self.clone()

    def get_fields_to_serialize(self):
        """The PluginFields that the creator makes the plugin of again."""
        return PluginFieldCollection()

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        """Computes; inputs, outputs, workspace and stream are addresses."""
        raise NotImplementedError(f"{type(self).__name__} has no enqueue()")


class IPluginV3QuickCore(IPluginCapability):
    """The part that names a plugin made of functions."""

    plugin_name, plugin_version, plugin_namespace = "", "1", ""


class IPluginV3QuickBuild(IPluginCapability):
    """The part that builds a plugin made of functions. A class has get_output_data_types(input_types, ranks),
    get_output_shapes(inputs, shape_inputs, expr_builder) and get_supported_format_combinations(in_out, num_inputs),
    which returns PluginTensorDesc of all tensors for one combination after another."""

    num_outputs = 1

    def configure_plugin(self, in_, out):
        """Told the shapes' ranges before a build."""


class IPluginV3QuickAOTBuild(IPluginV3QuickBuild):
    """The same for kernels compiled ahead of time."""


class IPluginV3QuickRuntime(IPluginCapability):
    """The part that runs a plugin made of functions. A class has enqueue(input_desc, output_desc, inputs, outputs,
    in_strides, out_strides, stream)."""

    def get_fields_to_serialize(self):
        """The PluginFields that the creator makes the plugin of again."""
        return PluginFieldCollection()


class IPluginCreatorInterface(metaclass=abc.ABCMeta):
    """What creators have in common."""


class IPluginCreator(IPluginCreatorInterface):
    """Makes IPluginV2 plugins. A class sets name, plugin_version, plugin_namespace and field_names."""

    name, plugin_version, plugin_namespace, tensorrt_version = "", "1", "", _trt._version()

    def __init__(self):
        self.field_names = PluginFieldCollection()

    def create_plugin(self, name, field_collection):
        """A plugin of a PluginFieldCollection; None for values that it refuses."""
        raise NotImplementedError(f"{type(self).__name__} has no create_plugin()")

    def deserialize_plugin(self, name, serialized_plugin):
        """The plugin of the bytes that its serialize() made."""
        raise NotImplementedError(f"{type(self).__name__} has no deserialize_plugin()")

    field_names = ()


class IPluginCreatorV3One(IPluginCreatorInterface):
    """Makes IPluginV3 plugins. A class sets name, plugin_version, plugin_namespace and field_names."""

    name, plugin_version, plugin_namespace, field_names = "", "1", "", ()

    def __init__(self):
        self.field_names = PluginFieldCollection()

    def create_plugin(self, name, field_collection, phase):
        """A plugin of a PluginFieldCollection, for a build or for running; None for values that it refuses."""
        raise NotImplementedError(f"{type(self).__name__} has no create_plugin()")


class IPluginCreatorV3Quick(IPluginCreatorInterface):
    """Makes plugins that are made of functions."""

    name, plugin_version, plugin_namespace, field_names = "", "1", "", ()

    def __init__(self):
        self.field_names = PluginFieldCollection()

    def create_plugin(self, name, namespace, field_collection, phase, quick_plugin_creation_request):
        """A plugin of a PluginFieldCollection, for a build or for running; None for values that it refuses."""
        raise NotImplementedError(f"{type(self).__name__} has no create_plugin()")


class IPluginResource:
    """What plugins share; the registry keeps one clone a key."""

    def __init__(self):
        pass

    def release(self):
        """When nobody uses the resource any more."""

    def clone(self):
        """The object that the registry keeps."""
        return self


class ICaffePluginFactoryV2:
    """Made plugins for the Caffe parser."""

    def is_plugin_v2(self, layer_name):
        """Whether a layer is a plugin."""
        return False

    def create_plugin(self, layer_name, weights, num_weights, plugin_namespace):
        """The plugin of a layer."""
        raise NotImplementedError(f"{type(self).__name__} has no create_plugin()")


def _as_v3(plugin):
    """A plugin with the parts that engines run."""
    if not isinstance(plugin, IPluginV3QuickBuild):
        return plugin
    from ._quick import QuickPlugin

    return QuickPlugin(plugin)


def _as_creator(creator):
    """The same of creators."""
    if not isinstance(creator, IPluginCreatorV3Quick):
        return creator
    from ._quick import QuickCreator

    return QuickCreator(creator)


# Creators and plugins of libraries are instances as well.
IPluginCreatorInterface.register(_trt._CreatorInterface)
IPluginCreator.register(_trt._CreatorV1)
IPluginCreatorV3One.register(_trt._CreatorV3)
