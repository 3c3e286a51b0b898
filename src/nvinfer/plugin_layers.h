// Layers over plugin nodes.
#pragma once
#include "layers.h"
#include "nvinfer/plugin_op.h"

namespace tenon::nvinfer {

/// The plugin behind a node "trt.Plugin" that this façade made.
const PluginOp& plugin_of(const ir::Node& node);

class PluginV2Layer final : public PluginV2LayerFields {
 public:
  using PluginV2LayerFields::PluginV2LayerFields;
  IPluginV2& getPlugin() noexcept { return *v2_of(plugin_of(node()).object()); }
};

#if NV_TENSORRT_MAJOR >= 10
class PluginV3Layer final : public PluginV3LayerFields {
 public:
  using PluginV3LayerFields::PluginV3LayerFields;
  IPluginV3& getPlugin() noexcept { return *v3_of(plugin_of(node()).object()); }
};
#endif

#if TRT_UNTIL(7)
class PluginLayer final : public PluginLayerFields {
 public:
  using PluginLayerFields::PluginLayerFields;
  IPlugin& getPlugin() noexcept { return *old_of(plugin_of(node()).object()); }
};
#endif

/// The layer of a plugin node that a parser made.
std::unique_ptr<Layer> plugin_layer(Network& network, ir::NodeId node);

}  // namespace tenon::nvinfer
