// Plugins that Python functions declare (tensorrt.plugin): combinations of formats in one list, no workspace, strides
// given at each run.
#include "nvinfer/level.h"

#if NV_TENSORRT_MAJOR >= 10
#include <impl/NvInferPythonPlugin.h>

#include <algorithm>

#include "nvinfer/plugin_v3.h"

namespace tenon::nvinfer {
namespace {

std::vector<Dims> strides_of(const std::vector<PluginTensorDesc>& descs) {
  std::vector<Dims> out;
  for (const PluginTensorDesc& desc : descs) {
    Dims strides = desc.dims;
    int64_t step = 1;
    for (int32_t i = desc.dims.nbDims; i-- > 0; step *= std::max<int64_t>(desc.dims.d[i], 1)) strides.d[i] = step;
    out.push_back(strides);
  }
  return out;
}

class PluginQuickObject final : public PluginV3Base {
 public:
  explicit PluginQuickObject(IPluginV3* plugin) : PluginV3Base(plugin) {
    core_ = capability<IPluginV3QuickCore>(PluginCapabilityType::kCORE, kQuickCore);
    build_ = capability<IPluginV3QuickBuild>(PluginCapabilityType::kBUILD, "PLUGIN_V3QUICK_BUILD");
    runtime_ = capability<IPluginV3QuickRuntime>(PluginCapabilityType::kRUNTIME, "PLUGIN_V3QUICK_RUNTIME");
  }

  const char* kind() const override { return "IPluginV3Quick"; }
  const char* name() const override { return need(core_->getPluginName(), "getPluginName()"); }
  const char* version() const override { return need(core_->getPluginVersion(), "getPluginVersion()"); }
  const char* space() const override {
    const char* space = core_->getPluginNamespace();
    return space ? space : "";
  }
  int32_t outputs() const override { return build().getNbOutputs(); }
  std::unique_ptr<PluginObject> clone() const override {
    IPluginV3* made = get()->clone();
    require(made != nullptr, ErrorCode::kInternal, place(), ": clone gave null");
    return std::make_unique<PluginQuickObject>(made);
  }

  bool supports(const PluginRanges& ranges, size_t position) override {
    std::vector<DynamicPluginTensorDesc> all = ranges.in;
    all.insert(all.end(), ranges.out.begin(), ranges.out.end());
    const auto inputs = static_cast<int32_t>(ranges.in.size()), results = static_cast<int32_t>(ranges.out.size());
    const int32_t count = build().getNbSupportedFormatCombinations(all.data(), inputs, results);
    require(count >= 0 && count < 65536, ErrorCode::kInvalidArgument, place(),
            ": getNbSupportedFormatCombinations answered ", count);
    std::vector<PluginTensorDesc> taken(static_cast<size_t>(count) * all.size());
    check(build().getSupportedFormatCombinations(all.data(), inputs, results, taken.data(), count),
          "getSupportedFormatCombinations");
    for (size_t at = 0; at < taken.size(); at += all.size()) {
      const auto same = [&](size_t i) {
        return taken[at + i].type == all[i].desc.type && taken[at + i].format == all[i].desc.format;
      };
      size_t i = 0;
      while (i <= position && same(i)) ++i;
      if (i > position) return true;
    }
    return false;
  }

  void configure(const PluginRanges& r) override {
    check(build().configurePlugin(r.in.data(), static_cast<int32_t>(r.in.size()), r.out.data(),
                                  static_cast<int32_t>(r.out.size())),
          "configurePlugin");
  }
  std::optional<size_t> workspace(const PluginDescs&) override { return 0; }
  std::vector<std::byte> state() override {
    const PluginFieldCollection* fields = runtime().getFieldsToSerialize();
    return write_fields(fields ? *fields : PluginFieldCollection{0, nullptr});
  }
  std::unique_ptr<PluginObject> for_context(const PluginResources&) override { return clone(); }

  std::vector<int32_t> tactics() override {
    const int32_t count = build().getNbTactics();
    require(count >= 0 && count < 4096, ErrorCode::kInvalidArgument, place(), ": getNbTactics answered ", count);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    if (count > 0) check(build().getValidTactics(ids.data(), count), "getValidTactics");
    return ids;
  }
  void set_tactic(int32_t tactic) override { check(runtime().setTactic(tactic), "setTactic"); }

  std::vector<int64_t> aliases() override {
    std::vector<int64_t> out;
    for (int32_t i = 0; i < outputs(); ++i) out.push_back(build().getAliasedInput(i));
    const bool any = std::any_of(out.begin(), out.end(), [](int64_t a) { return a >= 0; });
    return any ? out : std::vector<int64_t>();
  }

  void enqueue(const PluginDescs& d, const void* const* inputs, void* const* outputs, void*,
               cudaStream_t stream) override {
    const std::vector<Dims> in = strides_of(d.in), out = strides_of(d.out);
    check(runtime().enqueue(d.in.data(), d.out.data(), inputs, outputs, in.data(), out.data(),
                            static_cast<int32_t>(in.size()), static_cast<int32_t>(out.size()), stream),
          "enqueue");
  }

  std::string metadata() override {
    const char* text = build_ ? build_->getMetadataString() : nullptr;
    return text ? text : "";
  }

 protected:
  void ask_types(std::vector<DataType>& out, const std::vector<DataType>& types,
                 const std::vector<int32_t>& ranks) const override {
    check(build().getOutputDataTypes(out.data(), static_cast<int32_t>(out.size()), types.data(), ranks.data(),
                                     static_cast<int32_t>(types.size())),
          "getOutputDataTypes");
  }
  void ask_shapes(std::vector<DimsExprs>& out, const std::vector<DimsExprs>& dims,
                  const std::vector<DimsExprs>& elements, IExprBuilder& builder) const override {
    check(build().getOutputShapes(dims.data(), static_cast<int32_t>(dims.size()), elements.data(),
                                  static_cast<int32_t>(elements.size()), out.data(), static_cast<int32_t>(out.size()),
                                  builder),
          "getOutputShapes");
  }

 private:
  IPluginV3QuickBuild& build() const {
    require(build_ != nullptr, ErrorCode::kInvalidArgument, place(), " has no build capability");
    return *build_;
  }
  IPluginV3QuickRuntime& runtime() const {
    require(runtime_ != nullptr, ErrorCode::kInvalidArgument, place(), " has no runtime capability");
    return *runtime_;
  }

  IPluginV3QuickCore* core_ = nullptr;
  IPluginV3QuickBuild* build_ = nullptr;
  IPluginV3QuickRuntime* runtime_ = nullptr;
};

}  // namespace

std::unique_ptr<PluginObject> wrap_quick(IPluginV3* plugin) { return std::make_unique<PluginQuickObject>(plugin); }

}  // namespace tenon::nvinfer
#endif
