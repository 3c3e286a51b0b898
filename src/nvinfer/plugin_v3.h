// What plugins of the interfaces IPluginV3One and IPluginV3Quick share.
#pragma once
#include <algorithm>
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

/// What the capabilities of both interfaces are asked alike. Those for building and running may be absent.
template <class Core, class Build, class Runtime>
class PluginV3Of : public PluginV3Base {
 public:
  PluginV3Of(IPluginV3* plugin, const char* core, const char* build, const char* runtime) : PluginV3Base(plugin) {
    core_ = capability<Core>(PluginCapabilityType::kCORE, core);
    build_ = capability<Build>(PluginCapabilityType::kBUILD, build);
    runtime_ = capability<Runtime>(PluginCapabilityType::kRUNTIME, runtime);
    require(core_ != nullptr, ErrorCode::kInvalidArgument, "a plugin has no core capability");
  }

  const char* name() const override { return need(core_->getPluginName(), "getPluginName()"); }
  const char* version() const override { return need(core_->getPluginVersion(), "getPluginVersion()"); }
  const char* space() const override {
    const char* space = core_->getPluginNamespace();
    return space ? space : "";
  }
  int32_t outputs() const override { return build().getNbOutputs(); }

  void configure(const PluginRanges& r) override {
    check(build().configurePlugin(r.in.data(), static_cast<int32_t>(r.in.size()), r.out.data(),
                                  static_cast<int32_t>(r.out.size())),
          "configurePlugin");
  }

  std::vector<std::byte> state() override {
    const PluginFieldCollection* fields = runtime().getFieldsToSerialize();
    return write_fields(fields ? *fields : PluginFieldCollection{0, nullptr});
  }

  std::vector<int32_t> tactics() override {
    const int32_t count = build().getNbTactics();
    require(count >= 0 && count < 4096, ErrorCode::kInvalidArgument, place(), ": getNbTactics answered ", count);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    if (count > 0) check(build().getValidTactics(ids.data(), count), "getValidTactics");
    return ids;
  }
  void set_tactic(int32_t tactic) override { check(runtime().setTactic(tactic), "setTactic"); }

  std::string metadata() override {
    const char* text = build_ ? build_->getMetadataString() : nullptr;
    return text ? text : "";
  }

 protected:
  void ask_shapes(std::vector<DimsExprs>& out, const std::vector<DimsExprs>& dims,
                  const std::vector<DimsExprs>& elements, IExprBuilder& builder) const override {
    check(build().getOutputShapes(dims.data(), static_cast<int32_t>(dims.size()), elements.data(),
                                  static_cast<int32_t>(elements.size()), out.data(), static_cast<int32_t>(out.size()),
                                  builder),
          "getOutputShapes");
  }

  /// A copy by the plugin itself, for an object of the caller's class.
  IPluginV3* cloned() const {
    IPluginV3* made = get()->clone();
    require(made != nullptr, ErrorCode::kInternal, place(), ": clone gave null");
    return made;
  }
  /// The input that each output shares memory with, or -1; nothing if none does.
  template <class Aliased>
  std::vector<int64_t> aliases_of(Aliased& build) const {
    std::vector<int64_t> out;
    for (int32_t i = 0; i < outputs(); ++i) out.push_back(build.getAliasedInput(i));
    const bool any = std::any_of(out.begin(), out.end(), [](int64_t a) { return a >= 0; });
    return any ? out : std::vector<int64_t>();
  }
  Build& build() const {
    require(build_ != nullptr, ErrorCode::kInvalidArgument, place(), " has no build capability");
    return *build_;
  }
  Runtime& runtime() const {
    require(runtime_ != nullptr, ErrorCode::kInvalidArgument, place(), " has no runtime capability");
    return *runtime_;
  }

  Core* core_ = nullptr;
  Build* build_ = nullptr;
  Runtime* runtime_ = nullptr;
};

/// A plugin whose capabilities are of the kinds IPluginV3Quick…; owned from here on.
std::unique_ptr<PluginObject> wrap_quick(IPluginV3* plugin);

}  // namespace tenon::nvinfer
#endif
