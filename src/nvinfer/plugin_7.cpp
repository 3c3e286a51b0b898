// TensorRT 7's IPlugin and IPluginExt, which the user owns and which exist once for networks, engines and contexts.
#include "nvinfer/plugin_object.h"

#if TRT_UNTIL(7)
#include <algorithm>

namespace tenon::nvinfer {
namespace {

/// What copies share: the plugin is initialized with its first engine and ended with its last.
struct Shared {
  IPlugin* plugin = nullptr;
  int engines = 0;
};

class OldPluginObject final : public PluginObject {
 public:
  OldPluginObject(std::shared_ptr<Shared> shared, IPluginExt* ext, const BatchRule& batch)
      : shared_(std::move(shared)), ext_(ext), batch_(batch) {}
  ~OldPluginObject() override {
    if (initialized_ && --shared_->engines == 0)
      guard(Reports(first_logger()), "IPlugin::terminate", [&] { get()->terminate(); });
  }
  OldPluginObject(const OldPluginObject&) = delete;
  OldPluginObject& operator=(const OldPluginObject&) = delete;
  IPlugin* get() const { return shared_->plugin; }
  const char* kind() const override { return ext_ ? "IPluginExt" : "IPlugin"; }
  const char* name() const override { return kind(); }
  const char* version() const override { return ""; }
  const char* space() const override { return ""; }
  int32_t outputs() const override { return get()->getNbOutputs(); }
  void limit_batch(int32_t most) override { batch_.most = most; }
  std::unique_ptr<PluginObject> clone() const override {
    return std::make_unique<OldPluginObject>(shared_, ext_, batch_);
  }

  ops::trt::PluginOutputs describe(const std::vector<ops::trt::PluginOperand>& inputs, size_t,
                                   ir::SymbolTable&) override {
    std::vector<Dims> dims;
    ir::Shape hidden_batch;
    for (const auto& input : inputs) {
      ir::Shape shape = input.shape;
      if (batch_.implicit && !shape.empty()) {
        if (hidden_batch.empty()) hidden_batch.push_back(shape[0]);
        shape.erase(shape.begin());
      }
      require(ir::is_static(shape), ErrorCode::kUnsupported, place(), " takes fixed dims");
      dims.push_back(to_api(ir::static_dims(shape)));
    }
    ops::trt::PluginOutputs out;
    for (int32_t i = 0; i < outputs(); ++i) {
      ir::Shape shape = hidden_batch;
      for (int64_t n : to_core(get()->getOutputDimensions(i, dims.data(), static_cast<int32_t>(dims.size()))))
        shape.emplace_back(n);
      out.shapes.push_back(std::move(shape));
      out.types.push_back(ext_ && !inputs.empty() ? inputs[0].dtype : ir::DType::kF32);
    }
    out.limits.assign(out.types.size(), ir::Dim(-1));
    return out;
  }

  bool supports(const PluginRanges& ranges, size_t position) override {
    const PluginTensorDesc& d = desc_at(ranges, position);
    if (!ext_) return d.type == DataType::kFLOAT && d.format == PluginFormat::kLINEAR;
    return d.format == desc_at(ranges, 0).format && ext_->supportsFormat(d.type, d.format);
  }

  void configure(const PluginRanges& ranges) override {
    std::vector<Dims> in, out;
    for (const auto& r : ranges.in) in.push_back(hidden(r.desc.dims));
    for (const auto& r : ranges.out) out.push_back(hidden(r.desc.dims));
    const auto inputs = static_cast<int32_t>(in.size()), outputs = static_cast<int32_t>(out.size());
    if (ext_)
      ext_->configureWithFormat(in.data(), inputs, out.data(), outputs,
                                ranges.in.empty() ? DataType::kFLOAT : ranges.in[0].desc.type,
                                desc_at(ranges, 0).format, batch_.most);
    else
      get()->configure(in.data(), inputs, out.data(), outputs, batch_.most);
  }

  std::optional<size_t> workspace(const PluginDescs& d) override {
    return get()->getWorkspaceSize(std::max(batch_.most, batch(d)));
  }
  std::vector<std::byte> state() override {
    std::vector<std::byte> bytes(get()->getSerializationSize());
    get()->serialize(bytes.data());
    return bytes;
  }
  void initialize() override {
    if (initialized_) return;
    if (shared_->engines == 0) check(get()->initialize(), "initialize");
    ++shared_->engines;
    initialized_ = true;
  }
  std::unique_ptr<PluginObject> for_context(const PluginResources&) override { return clone(); }
  void enqueue(const PluginDescs& d, const void* const* inputs, void* const* outputs, void* workspace,
               cudaStream_t stream) override {
    check(get()->enqueue(batch(d), inputs, const_cast<void**>(outputs), workspace, stream), "enqueue");
  }

 private:
  Dims hidden(Dims dims) const {
    if (!batch_.implicit || dims.nbDims == 0) return dims;
    std::copy(dims.d + 1, dims.d + dims.nbDims, dims.d);
    --dims.nbDims;
    return dims;
  }
  int32_t batch(const PluginDescs& d) const {
    return batch_.implicit && !d.in.empty() && d.in[0].dims.nbDims > 0 ? static_cast<int32_t>(d.in[0].dims.d[0]) : 1;
  }

  std::shared_ptr<Shared> shared_;
  IPluginExt* ext_;
  BatchRule batch_;
  bool initialized_ = false;
};

}  // namespace

std::unique_ptr<PluginObject> wrap(IPlugin* plugin, IPluginExt* ext, const BatchRule& batch) {
  auto shared = std::make_shared<Shared>();
  shared->plugin = need(plugin, "plugin");
  return std::make_unique<OldPluginObject>(std::move(shared), ext, batch);
}

IPlugin* old_of(const PluginObject& object) {
  const auto* old = dynamic_cast<const OldPluginObject*>(&object);
  return old ? old->get() : nullptr;
}

}  // namespace tenon::nvinfer
#endif
