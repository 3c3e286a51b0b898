"""Plugins and creators of the quick interfaces (IPluginV3Quick…), run through IPluginV3's others."""

from . import _plugins
from ._trt import PluginCapabilityType, QuickPluginCreationRequest

_RANKS = (4, 3, 2, 1, 5, 6, 7, 8, 0)  # tried in turn: types are asked for before ranks are known


class QuickPlugin(_plugins.IPluginV3, _plugins.IPluginV3OneCore, _plugins.IPluginV3OneBuildV2,
                  _plugins.IPluginV3OneRuntime):
    """A plugin whose parts are of the quick interfaces."""

    def __init__(self, plugin):
        super().__init__()
        self.plugin = plugin
        core, self.build, self.runtime = (plugin.get_capability_interface(kind) for kind in (
            PluginCapabilityType.CORE, PluginCapabilityType.BUILD, PluginCapabilityType.RUNTIME))
        self.plugin_name, self.plugin_version = core.plugin_name, core.plugin_version
        self.plugin_namespace, self.num_outputs = core.plugin_namespace, self.build.num_outputs

    def get_output_data_types(self, input_types):
        first = None
        for rank in _RANKS:
            try:
                return self.build.get_output_data_types(input_types, [rank] * len(input_types))
            except Exception as error:  # a plugin may want ranks that this guess does not have
                first = first or error
        raise first

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        return self.build.get_output_shapes(inputs, shape_inputs, expr_builder)

    def configure_plugin(self, in_, out):
        if isinstance(self.build, _plugins.IPluginV3QuickAOTBuild):
            raise RuntimeError(f"plugin '{self.plugin_name}' is compiled ahead of time for a GPU; the CPU runs plugins "
                               "with an IPluginV3QuickRuntime")
        self.build.configure_plugin(in_, out)

    def supports_format_combination(self, pos, in_out, num_inputs):
        found, count = self.build.get_supported_format_combinations(in_out, num_inputs), len(in_out)
        wanted = [(d.desc.type, d.desc.format) for d in in_out[:pos + 1]]
        return any([(d.type, d.format) for d in found[start:start + pos + 1]] == wanted
                   for start in range(0, len(found), count))

    def get_aliased_input(self, output_index):
        return self.build.get_aliased_input(output_index) if hasattr(self.build, "get_aliased_input") else -1

    def get_valid_tactics(self):
        return self.build.get_valid_tactics() if hasattr(self.build, "get_valid_tactics") else []

    def set_tactic(self, tactic):
        if hasattr(self.runtime, "set_tactic"):
            self.runtime.set_tactic(tactic)

    def get_fields_to_serialize(self):
        return self.runtime.get_fields_to_serialize()

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        self.runtime.enqueue(input_desc, output_desc, inputs, outputs, [_strides(d) for d in input_desc],
                             [_strides(d) for d in output_desc], stream)

    def clone(self):
        return QuickPlugin(self.plugin.clone())

    def attach_to_context(self, context):
        return self.clone()


def _strides(desc):
    strides, step = [], 1
    for dim in reversed(tuple(desc.dims)):
        strides.append(step)
        step *= dim
    return tuple(reversed(strides))


class QuickCreator(_plugins.IPluginCreatorV3One):
    """A quick creator as one that parsers and plans know."""

    def __init__(self, creator):
        super().__init__()
        self.adapts = creator
        self.name, self.plugin_version = creator.name, creator.plugin_version
        self.plugin_namespace, self.field_names = creator.plugin_namespace, creator.field_names

    def create_plugin(self, name, field_collection, phase):
        return self.adapts.create_plugin(name, self.plugin_namespace, field_collection, phase,
                                         QuickPluginCreationRequest.PREFER_JIT)
