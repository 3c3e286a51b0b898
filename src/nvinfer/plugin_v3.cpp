// IPluginV3: capabilities for identity, building and running.
#include "nvinfer/plugin_v3.h"

#if NV_TENSORRT_MAJOR >= 10
#include <algorithm>
#include <cstring>
#include <string_view>

namespace tenon::nvinfer {
namespace {

class ResourceContext final : public IPluginResourceContext {
 public:
  explicit ResourceContext(const PluginResources& resources) : resources_(resources) {}
  IGpuAllocator* getGpuAllocator() const override { return resources_.allocator; }
  IErrorRecorder* getErrorRecorder() const override { return resources_.recorder; }

 private:
  PluginResources resources_;
};

class PluginV3Object final : public PluginV3Of<IPluginV3OneCore, IPluginV3OneBuild, IPluginV3OneRuntime> {
 public:
  explicit PluginV3Object(IPluginV3* plugin)
      : PluginV3Of(plugin, "PLUGIN_V3ONE_CORE", "PLUGIN_V3ONE_BUILD", "PLUGIN_V3ONE_RUNTIME") {}

  const char* kind() const override { return "IPluginV3"; }
  std::unique_ptr<PluginObject> clone() const override { return std::make_unique<PluginV3Object>(cloned()); }

  bool supports(const PluginRanges& ranges, size_t position) override {
    std::vector<DynamicPluginTensorDesc> all = ranges.in;
    all.insert(all.end(), ranges.out.begin(), ranges.out.end());
    return build().supportsFormatCombination(static_cast<int32_t>(position), all.data(),
                                             static_cast<int32_t>(ranges.in.size()),
                                             static_cast<int32_t>(ranges.out.size()));
  }

  std::optional<size_t> workspace(const PluginDescs& d) override {
    if (!build_) return std::nullopt;
    PluginRanges r;
    for (const PluginTensorDesc& desc : d.in) r.in.push_back({desc, desc.dims, desc.dims, desc.dims});
    for (const PluginTensorDesc& desc : d.out) r.out.push_back({desc, desc.dims, desc.dims, desc.dims});
    return build_->getWorkspaceSize(r.in.data(), static_cast<int32_t>(r.in.size()), r.out.data(),
                                    static_cast<int32_t>(r.out.size()));
  }

  std::unique_ptr<PluginObject> for_context(const PluginResources& resources) override {
    ResourceContext context(resources);
    IPluginV3* made = runtime().attachToContext(&context);
    require(made != nullptr, ErrorCode::kInternal, place(), ": attachToContext gave null");
    return std::make_unique<PluginV3Object>(made);
  }

  std::vector<int64_t> aliases() override {
    if (!build_ || build_->getInterfaceInfo().major < 2) return {};
    return aliases_of(static_cast<IPluginV3OneBuildV2&>(*build_));
  }

  void shapes_changed(const PluginDescs& d) override {
    check(runtime().onShapeChange(d.in.data(), static_cast<int32_t>(d.in.size()), d.out.data(),
                                  static_cast<int32_t>(d.out.size())),
          "onShapeChange");
  }

  void enqueue(const PluginDescs& d, const void* const* inputs, void* const* outputs, void* workspace,
               cudaStream_t stream) override {
    check(runtime().enqueue(d.in.data(), d.out.data(), inputs, outputs, workspace, stream), "enqueue");
  }

 protected:
  void ask_types(std::vector<DataType>& out, const std::vector<DataType>& types,
                 const std::vector<int32_t>&) const override {
    check(build().getOutputDataTypes(out.data(), static_cast<int32_t>(out.size()), types.data(),
                                     static_cast<int32_t>(types.size())),
          "getOutputDataTypes");
  }
};

size_t field_bytes(const PluginField& field) {
  const auto count = static_cast<size_t>(std::max(0, field.length));
  switch (field.type) {
    case PluginFieldType::kFLOAT64:
    case PluginFieldType::kINT64:
      return count * 8;
    case PluginFieldType::kFLOAT32:
    case PluginFieldType::kINT32:
      return count * 4;
    case PluginFieldType::kFLOAT16:
    case PluginFieldType::kBF16:
    case PluginFieldType::kINT16:
      return count * 2;
    case PluginFieldType::kDIMS:
      return count * sizeof(Dims);
    case PluginFieldType::kINT4:
    case PluginFieldType::kFP4:
      return (count + 1) / 2;
    case PluginFieldType::kINT8:
    case PluginFieldType::kFP8:
    case PluginFieldType::kCHAR:
    case PluginFieldType::kUNKNOWN:
      return count;
  }
  fail(ErrorCode::kInvalidArgument, "plugin field '", field.name ? field.name : "", "' has type ",
       static_cast<int>(field.type));
}

constexpr size_t kFieldAlign = 16;  // data of a field starts so aligned, after a zero-ended name

struct FieldHead {
  int32_t type, length;
  uint64_t name_bytes, data_bytes;
};

size_t aligned(size_t n) { return (n + kFieldAlign - 1) / kFieldAlign * kFieldAlign; }

}  // namespace

ops::trt::PluginOutputs PluginV3Base::describe(const std::vector<ops::trt::PluginOperand>& operands,
                                               size_t shape_inputs, ir::SymbolTable& symbols) {
  const size_t inputs = operands.size() - shape_inputs;
  std::vector<DataType> types;
  std::vector<int32_t> ranks;
  std::vector<DimsExprs> dims, elements;
  ExprBuilder builder(symbols);
  for (size_t i = 0; i < operands.size(); ++i) {
    if (i < inputs) types.push_back(to_api(operands[i].dtype));
    if (i < inputs) ranks.push_back(static_cast<int32_t>(operands[i].shape.size()));
    if (i < inputs) dims.push_back(builder.expressions(operands[i].shape));
    if (i >= inputs) elements.push_back(builder.expressions(operands[i].elements));
  }
  const int32_t count = outputs();
  require(count >= 0 && count < 4096, ErrorCode::kInvalidArgument, place(), ": getNbOutputs answered ", count);
  std::vector<DataType> out_types(static_cast<size_t>(count));
  std::vector<DimsExprs> out_dims(static_cast<size_t>(count));
  ask_types(out_types, types, ranks);
  ask_shapes(out_dims, dims, elements, builder);
  ops::trt::PluginOutputs out;
  for (DataType type : out_types) out.types.push_back(to_core(type));
  for (const DimsExprs& d : out_dims) out.shapes.push_back(builder.shape(d));
  out.limits = builder.limits();
  out.limits.resize(out.types.size(), ir::Dim(-1));
  return out;
}

std::unique_ptr<PluginObject> wrap(IPluginV3* plugin) {
  IPluginCapability* core = need(plugin, "plugin")->getCapabilityInterface(PluginCapabilityType::kCORE);
  if (core && std::string_view(core->getInterfaceInfo().kind) == kQuickCore) return wrap_quick(plugin);
  return std::make_unique<PluginV3Object>(plugin);
}

IPluginV3* v3_of(const PluginObject& object) {
  const auto* v3 = dynamic_cast<const PluginV3Base*>(&object);
  return v3 ? v3->get() : nullptr;
}

std::vector<std::byte> write_fields(const PluginFieldCollection& all) {
  std::vector<std::byte> out;
  for (int32_t i = 0; i < all.nbFields; ++i) {
    const PluginField& f = all.fields[i];
    const std::string name = f.name ? f.name : "";
    const FieldHead head{static_cast<int32_t>(f.type), f.length, name.size() + 1, field_bytes(f)};
    require(head.data_bytes == 0 || f.data, ErrorCode::kInvalidArgument, "plugin field '", name, "' has no data");
    const size_t at = out.size(), names = at + aligned(sizeof(head)), data = names + aligned(size_t(head.name_bytes));
    out.resize(data + aligned(size_t(head.data_bytes)));
    std::memcpy(out.data() + at, &head, sizeof(head));
    std::memcpy(out.data() + names, name.c_str(), size_t(head.name_bytes));
    if (head.data_bytes) std::memcpy(out.data() + data, f.data, size_t(head.data_bytes));
  }
  return out;
}

PluginFieldCollection read_fields(std::span<const std::byte> bytes, std::vector<PluginField>& fields) {
  fields.clear();
  for (size_t at = 0; at < bytes.size();) {
    FieldHead head{};
    const size_t room = bytes.size() - at, start = aligned(sizeof(head));
    require(room >= start, ErrorCode::kCorruptFile, "the fields of a plugin end early");
    std::memcpy(&head, bytes.data() + at, sizeof(head));
    require(head.name_bytes >= 1 && head.name_bytes <= room && head.data_bytes <= room &&
                start + aligned(size_t(head.name_bytes)) + aligned(size_t(head.data_bytes)) <= room &&
                bytes[at + start + size_t(head.name_bytes) - 1] == std::byte{0},
            ErrorCode::kCorruptFile, "a field of a plugin is longer than its section");
    const std::byte* name = bytes.data() + at + start;
    const std::byte* data = name + aligned(size_t(head.name_bytes));
    fields.emplace_back(reinterpret_cast<const char*>(name), data, static_cast<PluginFieldType>(head.type),
                        head.length);
    require(field_bytes(fields.back()) == head.data_bytes, ErrorCode::kCorruptFile, "field '", fields.back().name,
            "' of a plugin has ", head.data_bytes, " bytes for ", head.length, " elements");
    at += start + aligned(size_t(head.name_bytes)) + aligned(size_t(head.data_bytes));
  }
  return {static_cast<int32_t>(fields.size()), fields.data()};
}

}  // namespace tenon::nvinfer
#endif
