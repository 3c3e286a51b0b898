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

class PluginQuickObject final : public PluginV3Of<IPluginV3QuickCore, IPluginV3QuickBuild, IPluginV3QuickRuntime> {
 public:
  explicit PluginQuickObject(IPluginV3* plugin)
      : PluginV3Of(plugin, kQuickCore, "PLUGIN_V3QUICK_BUILD", "PLUGIN_V3QUICK_RUNTIME") {}

  const char* kind() const override { return "IPluginV3Quick"; }
  std::unique_ptr<PluginObject> clone() const override { return std::make_unique<PluginQuickObject>(cloned()); }

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

  std::optional<size_t> workspace(const PluginDescs&) override { return 0; }
  std::unique_ptr<PluginObject> for_context(const PluginResources&) override { return clone(); }

  std::vector<int64_t> aliases() override { return aliases_of(build()); }

  void enqueue(const PluginDescs& d, const void* const* inputs, void* const* outputs, void*,
               cudaStream_t stream) override {
    const std::vector<Dims> in = strides_of(d.in), out = strides_of(d.out);
    check(runtime().enqueue(d.in.data(), d.out.data(), inputs, outputs, in.data(), out.data(),
                            static_cast<int32_t>(in.size()), static_cast<int32_t>(out.size()), stream),
          "enqueue");
  }

 protected:
  void ask_types(std::vector<DataType>& out, const std::vector<DataType>& types,
                 const std::vector<int32_t>& ranks) const override {
    check(build().getOutputDataTypes(out.data(), static_cast<int32_t>(out.size()), types.data(), ranks.data(),
                                     static_cast<int32_t>(types.size())),
          "getOutputDataTypes");
  }
};

}  // namespace

std::unique_ptr<PluginObject> wrap_quick(IPluginV3* plugin) { return std::make_unique<PluginQuickObject>(plugin); }

}  // namespace tenon::nvinfer
#endif
