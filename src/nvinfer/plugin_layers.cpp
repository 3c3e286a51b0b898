// INetworkDefinition's plugin layers.
#include "nvinfer/plugin_layers.h"

#include "nvinfer/network_add.h"

namespace tenon::nvinfer {

const PluginOp& plugin_of(const ir::Node& node) {
  return static_cast<const PluginOp&>(*ops::trt::plugin_attrs(node.attrs).source);
}

std::unique_ptr<Layer> plugin_layer(Network& network, ir::NodeId node) {
  [[maybe_unused]] const PluginObject& object = plugin_of(network.graph().node(node)).object();
#if NV_TENSORRT_MAJOR >= 10
  if (v3_of(object)) return std::make_unique<PluginV3Layer>(network, node, LayerType::kPLUGIN_V3);
#endif
#if TRT_UNTIL(7)
  if (old_of(object)) return std::make_unique<PluginLayer>(network, node, LayerType::kPLUGIN);
#endif
  return std::make_unique<PluginV2Layer>(network, node, LayerType::kPLUGIN_V2);
}

std::shared_ptr<const ops::trt::PluginSource> Network::make_plugin(const PluginRequest& request) {
  return create_plugin(request, {implicit_});
}

template <class L>
L* Network::add_plugin(std::unique_ptr<PluginObject> object, LayerType type, std::vector<ir::ValueId> inputs,
                       size_t shape_inputs) {
  const int32_t outputs = object->outputs();
  require(outputs >= 1, ErrorCode::kInvalidArgument, "plugin '", object->name(), "' has ", outputs, " outputs");
  ops::trt::PluginAttrs attrs;
  attrs.shape_inputs = static_cast<int64_t>(shape_inputs);
  attrs.source = std::make_shared<PluginOp>(std::move(object));
  L* layer = add<L>("trt.Plugin", type, inputs, static_cast<size_t>(outputs));
  graph_.node(layer->id()).attrs = to_attrs(std::move(attrs));
  return layer;
}

IPluginV2Layer* Network::addPluginV2(ITensor* const* inputs, int32_t count, IPluginV2& plugin) noexcept {
  return adding("INetworkDefinition::addPluginV2", [&]() -> IPluginV2Layer* {
    const std::vector<ir::ValueId> ids = ids_of(inputs, count);
    IPluginV2* copy = plugin.clone();
    require(copy != nullptr, ErrorCode::kInvalidArgument, "plugin '", plugin.getPluginType(), "': clone gave null");
    copy->setPluginNamespace(plugin.getPluginNamespace());
    return add_plugin<PluginV2Layer>(wrap(copy, {implicit_}), LayerType::kPLUGIN_V2, ids);
  });
}

#if NV_TENSORRT_MAJOR >= 10
IPluginV3Layer* Network::addPluginV3(ITensor* const* inputs, int32_t count, ITensor* const* shapes, int32_t shape_count,
                                     IPluginV3& plugin) noexcept {
  return adding("INetworkDefinition::addPluginV3", [&]() -> IPluginV3Layer* {
    std::vector<ir::ValueId> ids = ids_of(inputs, count);
    const std::vector<ir::ValueId> shape_ids = ids_of(shapes, shape_count);
    ids.insert(ids.end(), shape_ids.begin(), shape_ids.end());
    return add_plugin<PluginV3Layer>(wrap(need(plugin.clone(), "clone() of the plugin")), LayerType::kPLUGIN_V3, ids,
                                     shape_ids.size());
  });
}
#endif

#if TRT_UNTIL(7)
IPluginLayer* Network::addPlugin(ITensor* const* inputs, int32_t count, IPlugin& plugin) noexcept {
  return adding("INetworkDefinition::addPlugin", [&]() -> IPluginLayer* {
    return add_plugin<PluginLayer>(wrap(&plugin, nullptr, {implicit_}), LayerType::kPLUGIN, ids_of(inputs, count));
  });
}

IPluginLayer* Network::addPluginExt(ITensor* const* inputs, int32_t count, IPluginExt& plugin) noexcept {
  return adding("INetworkDefinition::addPluginExt", [&]() -> IPluginLayer* {
    return add_plugin<PluginLayer>(wrap(&plugin, &plugin, {implicit_}), LayerType::kPLUGIN, ids_of(inputs, count));
  });
}
#endif

}  // namespace tenon::nvinfer
