// What plugins of the interfaces IPluginV3One and IPluginV3Quick share.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "nvinfer/plugin_object.h"

#if NV_TENSORRT_MAJOR >= 10
namespace tenon::nvinfer {

inline constexpr char kQuickCore[] = "PLUGIN_V3QUICK_CORE";

class PluginV3Base : public PluginObject {
 public:
  explicit PluginV3Base(IPluginV3* plugin) : plugin_(plugin) {}
  IPluginV3* get() const { return plugin_.get(); }
  ops::trt::PluginOutputs describe(const std::vector<ops::trt::PluginOperand>& operands, size_t shape_inputs,
                                   ir::SymbolTable& symbols) override;

 protected:
  virtual void ask_types(std::vector<DataType>& out, const std::vector<DataType>& types,
                         const std::vector<int32_t>& ranks) const = 0;
  virtual void ask_shapes(std::vector<DimsExprs>& out, const std::vector<DimsExprs>& dims,
                          const std::vector<DimsExprs>& elements, IExprBuilder& builder) const = 0;
  template <class T>
  T* capability(PluginCapabilityType type, const char* kind) {
    IPluginCapability* found = plugin_->getCapabilityInterface(type);
    if (!found) return nullptr;
    require(std::strcmp(found->getInterfaceInfo().kind, kind) == 0, ErrorCode::kUnsupported,
            "a plugin has a capability of kind '", found->getInterfaceInfo().kind, "', '", kind, "' is accepted");
    return static_cast<T*>(found);
  }

 private:
  std::unique_ptr<IPluginV3> plugin_;
};

/// A plugin whose capabilities are of the kinds IPluginV3Quick…; owned from here on.
std::unique_ptr<PluginObject> wrap_quick(IPluginV3* plugin);

}  // namespace tenon::nvinfer
#endif
