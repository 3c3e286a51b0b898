// Plugins from plans and from parsers, through the registry.
#include "nvinfer/level.h"
#if NV_TENSORRT_MAJOR >= 10
#include <impl/NvInferPythonPlugin.h>
#endif

#include <algorithm>

#include "nvinfer/plugin_op.h"
#include "nvinfer/registry.h"

namespace tenon::nvinfer {
namespace {

[[noreturn]] void fail_unknown(const ops::CustomAttrs& a) {
  fail(ErrorCode::kUnsupported, "getPluginCreator could not find plugin '", a.name, "', version '", a.version,
       "', namespace '", a.space,
       "': register its creator or load its library (IPluginRegistry::loadLibrary) before the plan");
}

std::unique_ptr<PluginObject> load_v2(const ops::CustomAttrs& a, const std::string& layer, const BatchRule& batch) {
#if NV_TENSORRT_MAJOR >= 11
  IPluginCreatorInterface* any = getPluginRegistry()->getCreator(a.name.c_str(), a.version.c_str(), a.space.c_str());
  const bool fits = any && std::string_view(any->getInterfaceInfo().kind) == "PLUGIN CREATOR_V1";
  IPluginCreator* creator = fits ? static_cast<IPluginCreator*>(any) : nullptr;
#else
  IPluginCreator* creator = getPluginRegistry()->getPluginCreator(a.name.c_str(), a.version.c_str(), a.space.c_str());
#endif
  if (!creator) fail_unknown(a);
  IPluginV2* plugin = creator->deserializePlugin(layer.c_str(), a.state.data().data(), a.state.data().size());
  require(plugin != nullptr, ErrorCode::kInvalidArgument, "the creator of plugin '", a.name, "' version '", a.version,
          "' could not read its state of ", a.state.bytes(), " bytes");
  plugin->setPluginNamespace(a.space.c_str());
  return wrap(plugin, batch);
}

#if NV_TENSORRT_MAJOR >= 10
IPluginCreatorV3One* v3_creator(const std::string& name, const std::string& version, const std::string& space) {
  IPluginCreatorInterface* any = getPluginRegistry()->getCreator(name.c_str(), version.c_str(), space.c_str());
  if (!any || std::string_view(any->getInterfaceInfo().kind) != "PLUGIN CREATOR_V3ONE") return nullptr;
  return static_cast<IPluginCreatorV3One*>(any);
}

/// A plugin that Python functions declare is found by its own name, which is no layer's.
std::unique_ptr<PluginObject> load_quick(const ops::CustomAttrs& a) {
  IPluginCreatorInterface* any = getPluginRegistry()->getCreator(a.name.c_str(), a.version.c_str(), a.space.c_str());
  if (!any || std::string_view(any->getInterfaceInfo().kind) != "PLUGIN CREATOR_V3QUICK") fail_unknown(a);
  std::vector<PluginField> fields;
  const PluginFieldCollection collection = read_fields(a.state.data(), fields);
  IPluginV3* plugin = static_cast<IPluginCreatorV3Quick*>(any)->createPlugin(
      a.name.c_str(), a.space.c_str(), &collection, TensorRTPhase::kRUNTIME, QuickPluginCreationRequest::kUNKNOWN);
  require(plugin != nullptr, ErrorCode::kInvalidArgument, "the creator of plugin '", a.name, "' version '", a.version,
          "' gave null for the plan's ", fields.size(), " fields");
  return wrap(plugin);
}

std::unique_ptr<PluginObject> load_v3(const ops::CustomAttrs& a, const std::string& layer) {
  IPluginCreatorV3One* creator = v3_creator(a.name, a.version, a.space);
  if (!creator) fail_unknown(a);
  std::vector<PluginField> fields;
  const PluginFieldCollection collection = read_fields(a.state.data(), fields);
  IPluginV3* plugin = creator->createPlugin(layer.c_str(), &collection, TensorRTPhase::kRUNTIME);
  require(plugin != nullptr, ErrorCode::kInvalidArgument, "the creator of plugin '", a.name, "' version '", a.version,
          "' gave null for the plan's ", fields.size(), " fields");
  return wrap(plugin);
}
#endif

/// Fields that the creator names and the request has values for.
std::vector<PluginField> fields_for(const PluginFieldCollection* names, const PluginRequest& request) {
  std::vector<PluginField> fields;
  for (int32_t i = 0; names && names->fields && i < names->nbFields; ++i) {
    PluginField field = names->fields[i];
    if (field.name && request.value(field.name, field.type, field)) fields.push_back(field);
  }
  return fields;
}

}  // namespace

void load_plugins(ir::Graph& graph, const Backend& backend, const BatchRule& batch,
                  [[maybe_unused]] PluginFactory* factory) {
  for_each_node(graph, "Custom", [&](ir::Graph& g, ir::NodeId n) {
    ir::Node& node = g.node(n);
    auto& a = ops::edit_custom_attrs(node.attrs);
    const PluginSettings settings{a.workspace, a.tactic, a.tactic >= 0,   a.aliases,
                                  a.formats,   a.scales, backend.device()};
    try {
      check_runtime_for_plugins(backend);
      std::unique_ptr<PluginObject> object;
      if (a.kind.rfind("IPluginV2", 0) == 0) object = load_v2(a, node.name, batch);
#if NV_TENSORRT_MAJOR >= 10
      if (a.kind == "IPluginV3") object = load_v3(a, node.name);
      if (a.kind == "IPluginV3Quick") object = load_quick(a);
#endif
#if TRT_UNTIL(7)
      if (a.kind == "IPlugin" || a.kind == "IPluginExt") {
        require(factory != nullptr, ErrorCode::kUnsupported, "an ", a.kind,
                " needs an IPluginFactory to read its plan");
        IPlugin* plugin = factory->createPlugin(node.name.c_str(), a.state.data().data(), a.state.data().size());
        object = wrap(plugin, a.kind == "IPluginExt" ? static_cast<IPluginExt*>(plugin) : nullptr, batch);
      }
#endif
      require(object != nullptr, ErrorCode::kUnsupported, "plugin '", a.name, "' has the interface ", a.kind,
              ", which this TensorRT level does not have");
      a.live = std::make_shared<PluginOp>(std::move(object), settings);
    } catch (const Error& e) {
      throw e.at(cat("layer '", node.name, "'"));
    }
  });
}

std::shared_ptr<const ops::trt::PluginSource> create_plugin(const PluginRequest& r, const BatchRule& batch) {
#if NV_TENSORRT_MAJOR >= 10
  if (IPluginCreatorV3One* creator = v3_creator(r.name, r.version, r.space)) {
    const auto fields = fields_for(creator->getFieldNames(), r);
    const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
    return std::make_shared<PluginOp>(wrap(creator->createPlugin(r.layer.c_str(), &collection, TensorRTPhase::kBUILD)));
  }
  IPluginCreatorInterface* any = getPluginRegistry()->getCreator(r.name.c_str(), r.version.c_str(), r.space.c_str());
  const bool fits = any && std::string_view(any->getInterfaceInfo().kind) == "PLUGIN CREATOR_V1";
  IPluginCreator* creator = fits ? static_cast<IPluginCreator*>(any) : nullptr;
#else
  IPluginCreator* creator = getPluginRegistry()->getPluginCreator(r.name.c_str(), r.version.c_str(), r.space.c_str());
#endif
  if (!creator) return nullptr;
  const auto fields = fields_for(creator->getFieldNames(), r);
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  return std::make_shared<PluginOp>(wrap(creator->createPlugin(r.layer.c_str(), &collection), batch));
}

}  // namespace tenon::nvinfer
