// IPluginV2 and its descendants. Which one an object is stands in the top byte of getTensorRTVersion().
#include <algorithm>

#include "nvinfer/plugin_object.h"

namespace tenon::nvinfer {
namespace {

enum class Kind { kV2, kExt, kIOExt, kDynamicExt };
constexpr const char* kKindNames[] = {"IPluginV2", "IPluginV2Ext", "IPluginV2IOExt", "IPluginV2DynamicExt"};

Kind kind_of(const IPluginV2& plugin) {
  constexpr int32_t kPythonBit = 0x40;
  const int32_t kind = (plugin.getTensorRTVersion() >> 24) & 0xFF & ~kPythonBit;
  require(kind >= 0 && kind <= 3, ErrorCode::kUnsupported, "plugin '", plugin.getPluginType(), "' has interface ", kind,
          ", 0 to 3 are known");
  return static_cast<Kind>(kind);
}

template <class Desc>
std::vector<Dims> dims_of_all(const std::vector<Desc>& descs) {
  std::vector<Dims> out;
  for (const Desc& d : descs) out.push_back(d.dims);
  return out;
}

std::vector<DataType> types_of_all(const std::vector<PluginTensorDesc>& descs) {
  std::vector<DataType> out;
  for (const PluginTensorDesc& d : descs) out.push_back(d.type);
  return out;
}

std::vector<PluginTensorDesc> plain(const std::vector<DynamicPluginTensorDesc>& ranges) {
  std::vector<PluginTensorDesc> out;
  for (const DynamicPluginTensorDesc& r : ranges) out.push_back(r.desc);
  return out;
}

bool is_float(DataType type) { return type != DataType::kINT32 && type != DataType::kBOOL; }

class PluginV2Object final : public PluginObject {
 public:
  PluginV2Object(IPluginV2* plugin, const BatchRule& batch) : plugin_(plugin), batch_(batch), kind_(kind_of(*plugin)) {}
  ~PluginV2Object() override {
    guard(Reports(first_logger()), "IPluginV2::destroy", [&] {
      if (attached_) ext().detachFromContext();
      if (initialized_) plugin_->terminate();
      plugin_->destroy();
    });
  }
  PluginV2Object(const PluginV2Object&) = delete;
  PluginV2Object& operator=(const PluginV2Object&) = delete;

  IPluginV2* get() const { return plugin_; }
  const char* kind() const override { return kKindNames[static_cast<int>(kind_)]; }
  const char* name() const override { return need(plugin_->getPluginType(), "getPluginType()"); }
  const char* version() const override { return need(plugin_->getPluginVersion(), "getPluginVersion()"); }
  const char* space() const override {
    const char* space = plugin_->getPluginNamespace();
    return space ? space : "";
  }
  int32_t outputs() const override { return plugin_->getNbOutputs(); }
  void limit_batch(int32_t most) override { batch_.most = most; }
  std::unique_ptr<PluginObject> clone() const override { return copy(); }

  ops::trt::PluginOutputs describe(const std::vector<ops::trt::PluginOperand>& inputs, size_t,
                                   ir::SymbolTable& symbols) override {
    ops::trt::PluginOutputs out;
    out.shapes = kind_ == Kind::kDynamicExt ? dynamic_shapes(inputs, symbols) : fixed_shapes(inputs);
    std::vector<DataType> types;
    for (const auto& input : inputs) types.push_back(to_api(input.dtype));
    for (int32_t i = 0; i < outputs(); ++i) {
      const DataType first = types.empty() ? DataType::kFLOAT : types[0];
      const DataType type =
          kind_ == Kind::kV2 ? first : ext().getOutputDataType(i, types.data(), static_cast<int32_t>(types.size()));
      out.types.push_back(to_core(type));
    }
    out.limits.assign(out.types.size(), ir::Dim(-1));
    return out;
  }

  bool supports(const PluginRanges& ranges, size_t position) override {
    std::vector<PluginTensorDesc> all = hidden(plain(ranges.in));
    const auto inputs = static_cast<int32_t>(all.size()), at = static_cast<int32_t>(position);
    const std::vector<PluginTensorDesc> out = hidden(plain(ranges.out));
    const auto outputs = static_cast<int32_t>(out.size());
    all.insert(all.end(), out.begin(), out.end());
    if (kind_ == Kind::kIOExt)
      return static_cast<IPluginV2IOExt&>(*plugin_).supportsFormatCombination(at, all.data(), inputs, outputs);
    if (kind_ == Kind::kDynamicExt) return dynamic().supportsFormatCombination(at, all.data(), inputs, outputs);
    // One format for all operands.
    const PluginTensorDesc& d = all.at(position);
    if (!is_float(d.type)) return d.format == PluginFormat::kLINEAR;
    const auto first = std::find_if(all.begin(), all.end(), [](const auto& any) { return is_float(any.type); });
    return d.format == first->format && plugin_->supportsFormat(d.type, d.format);
  }

  void configure(const PluginRanges& ranges) override {
    const auto in = hidden(plain(ranges.in)), out = hidden(plain(ranges.out));
    const auto inputs = static_cast<int32_t>(in.size()), outputs = static_cast<int32_t>(out.size());
    if (kind_ == Kind::kDynamicExt) {
      dynamic().configurePlugin(ranges.in.data(), inputs, ranges.out.data(), outputs);
    } else if (kind_ == Kind::kIOExt) {
      static_cast<IPluginV2IOExt&>(*plugin_).configurePlugin(in.data(), inputs, out.data(), outputs);
    } else {
      const auto in_dims = dims_of_all(in), out_dims = dims_of_all(out);
      const auto in_types = types_of_all(in), out_types = types_of_all(out);
      const auto all = in.empty() ? out : in;
      const auto first = std::find_if(all.begin(), all.end(), [](const auto& any) { return is_float(any.type); });
      const PluginFormat format = first == all.end() ? PluginFormat::kLINEAR : first->format;
      const auto in_broadcast = broadcast(ranges.in), out_broadcast = broadcast(ranges.out);
      if (kind_ == Kind::kExt)
        ext().configurePlugin(in_dims.data(), inputs, out_dims.data(), outputs, in_types.data(), out_types.data(),
                              in_broadcast.get(), out_broadcast.get(), format, batch_.most);
      else
        plugin_->configureWithFormat(in_dims.data(), inputs, out_dims.data(), outputs,
                                     in_types.empty() ? DataType::kFLOAT : in_types[0], format, batch_.most);
    }
  }

  std::optional<size_t> workspace(const PluginDescs& d) override {
    if (kind_ != Kind::kDynamicExt) return plugin_->getWorkspaceSize(std::max(batch_.most, batch(d)));
    return dynamic().getWorkspaceSize(d.in.data(), static_cast<int32_t>(d.in.size()), d.out.data(),
                                      static_cast<int32_t>(d.out.size()));
  }

  std::vector<std::byte> state() override {
    std::vector<std::byte> bytes(plugin_->getSerializationSize());
    plugin_->serialize(bytes.data());
    return bytes;
  }

  void initialize() override {
    check(plugin_->initialize(), "initialize");
    initialized_ = true;
  }

  std::unique_ptr<PluginObject> for_context(const PluginResources& resources) override {
    auto made = copy();
    if (kind_ != Kind::kV2) {
      made->ext().attachToContext(resources.cudnn, resources.cublas, resources.allocator);
      made->attached_ = true;
    }
    return made;
  }

  bool takes_libraries() const override { return kind_ != Kind::kV2; }

  void shapes_changed(const PluginDescs& d) override {
    if (kind_ != Kind::kDynamicExt) return;
    PluginRanges ranges;
    for (const PluginTensorDesc& desc : d.in) ranges.in.push_back(fixed(desc));
    for (const PluginTensorDesc& desc : d.out) ranges.out.push_back(fixed(desc));
    configure(ranges);
  }

  void enqueue(const PluginDescs& d, const void* const* inputs, void* const* outputs, void* workspace,
               cudaStream_t stream) override {
    const int32_t status = kind_ == Kind::kDynamicExt
                               ? dynamic().enqueue(d.in.data(), d.out.data(), inputs, outputs, workspace, stream)
                               : plugin_->enqueue(batch(d), inputs, outputs, workspace, stream);
    check(status, "enqueue");
  }

 private:
  IPluginV2Ext& ext() const { return static_cast<IPluginV2Ext&>(*plugin_); }
  IPluginV2DynamicExt& dynamic() const { return static_cast<IPluginV2DynamicExt&>(*plugin_); }

  std::unique_ptr<PluginV2Object> copy() const {
    IPluginV2* made = plugin_->clone();
    require(made != nullptr, ErrorCode::kInternal, place(), ": clone gave null");
    made->setPluginNamespace(space());
    return std::make_unique<PluginV2Object>(made, batch_);
  }

  static DynamicPluginTensorDesc fixed(const PluginTensorDesc& desc) {
    DynamicPluginTensorDesc r{};
    r.desc = desc;
    r.min = r.max = desc.dims;
#if NV_TENSORRT_MAJOR >= 10
    r.opt = desc.dims;
#endif
    return r;
  }

  std::vector<PluginTensorDesc> hidden(std::vector<PluginTensorDesc> descs) const {
    for (PluginTensorDesc& d : descs) {
      if (!batch_.implicit || d.dims.nbDims == 0) continue;
      std::copy(d.dims.d + 1, d.dims.d + d.dims.nbDims, d.dims.d);
      --d.dims.nbDims;
    }
    return descs;
  }

  int32_t batch(const PluginDescs& d) const {
    int32_t most = 1;
    for (const PluginTensorDesc& desc : d.in)
      if (batch_.implicit && desc.dims.nbDims > 0) most = std::max(most, static_cast<int32_t>(desc.dims.d[0]));
    return most;
  }

  // What is the same for every element of an implicit batch, which networks have up to level 8.
#if TRT_UNTIL(8)
  bool takes_once(int32_t input) const override {
    return !batch_.implicit || (kind_ != Kind::kV2 && ext().canBroadcastInputAcrossBatch(input));
  }
  bool gives_once(int32_t output, const bool* once, int32_t inputs) const {
    return kind_ != Kind::kV2 && ext().isOutputBroadcastAcrossBatch(output, once, inputs);
  }
#else
  static bool gives_once(int32_t, const bool*, int32_t) { return false; }
#endif

  /// Whether operands are the same for every element of an implicit batch.
  std::unique_ptr<bool[]> broadcast(const std::vector<DynamicPluginTensorDesc>& ranges) const {
    std::unique_ptr<bool[]> flags(new bool[ranges.size() + 1]());
    for (size_t i = 0; i < ranges.size(); ++i)
      flags[i] = batch_.implicit && ranges[i].desc.dims.nbDims > 0 && ranges[i].desc.dims.d[0] == 1;
    return flags;
  }

  std::vector<ir::Shape> dynamic_shapes(const std::vector<ops::trt::PluginOperand>& inputs, ir::SymbolTable& symbols) {
    ExprBuilder builder(symbols);
    std::vector<DimsExprs> dims;
    for (const auto& input : inputs) dims.push_back(builder.expressions(input.shape));
    std::vector<ir::Shape> shapes;
    for (int32_t i = 0; i < outputs(); ++i)
      shapes.push_back(
          builder.shape(dynamic().getOutputDimensions(i, dims.data(), static_cast<int32_t>(dims.size()), builder)));
    return shapes;
  }

  std::vector<ir::Shape> fixed_shapes(const std::vector<ops::trt::PluginOperand>& inputs) {
    std::vector<Dims> dims;
    ir::Shape hidden_batch;
    const std::unique_ptr<bool[]> flags(new bool[inputs.size() + 1]());
    for (size_t i = 0; i < inputs.size(); ++i) {
      ir::Shape shape = inputs[i].shape;
      if (batch_.implicit && !shape.empty()) {
        flags[i] = shape[0] == 1 && takes_once(static_cast<int32_t>(i));
        if (hidden_batch.empty()) hidden_batch.push_back(shape[0]);
        if (shape[0] != 1) hidden_batch[0] = shape[0];
        shape.erase(shape.begin());
      }
      require(ir::is_static(shape), ErrorCode::kUnsupported, place(), " has the interface ", kind(),
              ", which takes fixed dims; dynamic ones need IPluginV2DynamicExt");
      dims.push_back(to_api(ir::static_dims(shape)));
    }
    std::vector<ir::Shape> shapes;
    for (int32_t i = 0; i < outputs(); ++i) {
      const Dims d = plugin_->getOutputDimensions(i, dims.data(), static_cast<int32_t>(dims.size()));
      ir::Shape shape = hidden_batch;
      if (!shape.empty() && gives_once(i, flags.get(), static_cast<int32_t>(inputs.size()))) shape[0] = 1;
      for (int64_t n : to_core(d)) {
        require(n >= 0, ErrorCode::kInvalidArgument, place(), ": getOutputDimensions gave ", n, " as a size of output ",
                i);
        shape.emplace_back(n);
      }
      shapes.push_back(std::move(shape));
    }
    return shapes;
  }

  IPluginV2* plugin_;
  BatchRule batch_;
  Kind kind_;
  bool initialized_ = false, attached_ = false;
};

}  // namespace

std::unique_ptr<PluginObject> wrap(IPluginV2* plugin, const BatchRule& batch) {
  return std::make_unique<PluginV2Object>(need(plugin, "plugin"), batch);
}

IPluginV2* v2_of(const PluginObject& object) {
  const auto* v2 = dynamic_cast<const PluginV2Object*>(&object);
  return v2 ? v2->get() : nullptr;
}

}  // namespace tenon::nvinfer
