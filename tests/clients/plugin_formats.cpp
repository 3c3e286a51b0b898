// A plugin that takes its tensors in one format and type only: the engine converts around it. Compiled at 8 and 10.
#include <cstring>
#include <memory>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;

size_t bytes_of(DataType type) { return type == DataType::kFLOAT ? 4 : type == DataType::kHALF ? 2 : 1; }

struct Layout {
  TensorFormat format;
  int spatial, vector;
  bool channels_last;
};

/// Where element (n, c, s) of [., channels, inner] lies.
size_t place(Layout const& layout, int64_t channels, int64_t inner, int64_t n, int64_t c, int64_t s) {
  int64_t const groups = (channels + layout.vector - 1) / layout.vector;
  if (layout.format == TensorFormat::kLINEAR) {
    return static_cast<size_t>((n * channels + c) * inner + s);
  }
  if (layout.channels_last) {
    return static_cast<size_t>((n * inner + s) * groups * layout.vector + c);
  }
  return static_cast<size_t>(((n * groups + c / layout.vector) * inner + s) * layout.vector + c % layout.vector);
}

/// The channels in reverse order.
class Reverse : public IPluginV2DynamicExt {
 public:
  Reverse(Layout const& layout, DataType type) : layout_(layout), type_(type) {}
  IPluginV2DynamicExt* clone() const noexcept override { return new Reverse(*this); }
  DimsExprs getOutputDimensions(int32_t, DimsExprs const* inputs, int32_t, IExprBuilder&) noexcept override {
    return inputs[0];
  }
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].type == type_ && all[pos].format == layout_.format;
  }
  void configurePlugin(DynamicPluginTensorDesc const* in, int32_t, DynamicPluginTensorDesc const* out,
                       int32_t) noexcept override {
    EXPECT(in[0].desc.format == layout_.format && out[0].desc.format == layout_.format);
    EXPECT(in[0].desc.type == type_ && out[0].desc.type == type_);
    EXPECT(type_ != DataType::kINT8 || (in[0].desc.scale == 2.0F && out[0].desc.scale == 2.0F));
  }
  size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) const noexcept override {
    return 100;
  }
  int32_t enqueue(PluginTensorDesc const* in, PluginTensorDesc const* out, void const* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t) noexcept override {
    if (in[0].format != layout_.format || out[0].format != layout_.format || in[0].type != type_) {
      return 1;
    }
    std::memset(workspace, 0xAB, 100);
    Dims const dims = in[0].dims;
    int64_t const channels = dims.d[1];
    int64_t inner = 1;
    for (int i = 2; i < dims.nbDims; ++i) {
      inner *= dims.d[i];
    }
    size_t const size = bytes_of(type_);
    for (int64_t n = 0; n < dims.d[0]; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t s = 0; s < inner; ++s) {
          std::memcpy(
              static_cast<char*>(outputs[0]) + size * place(layout_, channels, inner, n, c, s),
              static_cast<char const*>(inputs[0]) + size * place(layout_, channels, inner, n, channels - 1 - c, s),
              size);
        }
      }
    }
    return 0;
  }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const noexcept override { return types[0]; }
  char const* getPluginType() const noexcept override { return "Reverse"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getSerializationSize() const noexcept override { return sizeof(layout_) + sizeof(type_); }
  void serialize(void* buffer) const noexcept override {
    std::memcpy(buffer, &layout_, sizeof(layout_));
    std::memcpy(static_cast<char*>(buffer) + sizeof(layout_), &type_, sizeof(type_));
  }
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  Layout layout_;
  DataType type_;
  std::string space_;
};

class ReverseCreator : public IPluginCreator {
 public:
  char const* getPluginName() const noexcept override { return "Reverse"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override { return nullptr; }
  IPluginV2* deserializePlugin(char const*, void const* data, size_t) noexcept override {
    Layout layout;
    DataType type;
    std::memcpy(&layout, data, sizeof(layout));
    std::memcpy(&type, static_cast<char const*>(data) + sizeof(layout), sizeof(type));
    return new Reverse(layout, type);
  }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  PluginFieldCollection none_{0, nullptr};
  std::string space_;
};
REGISTER_TENSORRT_PLUGIN(ReverseCreator);

/// x → Reverse → y, in floats at both ends. Null if the build failed.
std::unique_ptr<IHostMemory> build(Layout const& layout, DataType type, Dims const& dims, bool ranges) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  ITensor* x = network->addInput("x", DataType::kFLOAT, dims);
  Reverse plugin(layout, type);
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, plugin);
  layer->getOutput(0)->setName("y");
  network->markOutput(*layer->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  if (ranges) {
    config->setFlag(BuilderFlag::kINT8);
    EXPECT(x->setDynamicRange(-254.0F, 254.0F) && layer->getOutput(0)->setDynamicRange(-254.0F, 254.0F));
  }
  return std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config));
}

void check(Layout const& layout, DataType type) {
  Dims dims{};
  dims.nbDims = layout.spatial + 2;
  int64_t inner = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    dims.d[i] = i == 0 ? 2 : i == 1 ? 5 : i + 1;
    inner *= i < 2 ? 1 : dims.d[i];
  }
  std::unique_ptr<IHostMemory> plan = build(layout, type, dims, type == DataType::kINT8);
  EXPECT(plan != nullptr);
  if (!plan) {
    return;
  }
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  std::vector<float> x(static_cast<size_t>(10 * inner)), y(x.size(), -1.0F);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = 2.0F * static_cast<float>(static_cast<int>(i * 7 % 101) - 50);  // exact in every type
  }
  void* bindings[] = {x.data(), y.data()};
  EXPECT(context->executeV2(bindings));
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t c = 0; c < 5; ++c) {
      for (int64_t s = 0; s < inner; ++s) {
        EXPECT(y[static_cast<size_t>((n * 5 + c) * inner + s)] == x[static_cast<size_t>((n * 5 + 4 - c) * inner + s)]);
      }
    }
  }
}

}  // namespace

int main() {
  Layout const linear{TensorFormat::kLINEAR, 2, 1, false};
  Layout const layouts[] = {linear,
                            {TensorFormat::kCHW2, 2, 2, false},
                            {TensorFormat::kCHW4, 2, 4, false},
                            {TensorFormat::kCHW16, 2, 16, false},
                            {TensorFormat::kCHW32, 2, 32, false},
                            {TensorFormat::kHWC, 2, 1, true},
                            {TensorFormat::kHWC8, 2, 8, true},
                            {TensorFormat::kHWC16, 2, 16, true},
                            {TensorFormat::kDHWC, 3, 1, true},
                            {TensorFormat::kDHWC8, 3, 8, true},
                            {TensorFormat::kCDHW32, 3, 32, false}};
  for (Layout const& layout : layouts) {
    for (DataType type : {DataType::kFLOAT, DataType::kHALF, DataType::kINT8}) {
      check(layout, type);
    }
  }
  EXPECT(logger.errors.empty());
  // 8 bits without a range, and a format of another device.
  Dims4 const dims(1, 4, 2, 2);
  EXPECT(build(linear, DataType::kINT8, dims, false) == nullptr && logger.errors.size() == 1);
  EXPECT(build({TensorFormat::kDLA_LINEAR, 2, 1, false}, DataType::kHALF, dims, false) == nullptr);
  EXPECT(logger.errors.size() == 2 && logger.errors[1].find("'Reverse'") != std::string::npos);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
