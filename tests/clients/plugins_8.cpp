// A TensorRT 8 program: an IPluginV2IOExt under an implicit batch, and an IPluginV2DynamicExt in half precision.
#include <cmath>

#include "NvInferRuntime.h"
#include "client.h"
#include "stretch_plugin.h"

using namespace nvinfer1;

namespace {

int& alive() {
  static int count = 0;
  return count;
}

/// y[c] = x[c] * (c + 1) + bias over the rows of [c, w]; the plugin never sees the batch dimension.
class RowScale : public IPluginV2IOExt {
 public:
  explicit RowScale(float bias) : bias_(bias) { ++alive(); }
  RowScale(void const* data, size_t) : RowScale(0.0F) {
    std::memcpy(&bias_, data, sizeof(bias_));
    std::memcpy(&rows_, static_cast<char const*>(data) + 4, sizeof(rows_));
    std::memcpy(&columns_, static_cast<char const*>(data) + 8, sizeof(columns_));
  }
  ~RowScale() override { --alive(); }
  int32_t getNbOutputs() const noexcept override { return 1; }
  Dims getOutputDimensions(int32_t, Dims const* inputs, int32_t) noexcept override { return inputs[0]; }
  int32_t initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getWorkspaceSize(int32_t batch) const noexcept override { return static_cast<size_t>(batch); }
  int32_t enqueue(int32_t batch, void const* const* inputs, void* const* outputs, void*,
                  cudaStream_t) noexcept override {
    float const* x = static_cast<float const*>(inputs[0]);
    float* y = static_cast<float*>(outputs[0]);
    for (int i = 0; i < batch * rows_ * columns_; ++i) {
      y[i] = x[i] * static_cast<float>(i / columns_ % rows_ + 1) + bias_;
    }
    return 0;
  }
  size_t getSerializationSize() const noexcept override { return 12; }
  void serialize(void* buffer) const noexcept override {
    std::memcpy(buffer, &bias_, 4);
    std::memcpy(static_cast<char*>(buffer) + 4, &rows_, 4);
    std::memcpy(static_cast<char*>(buffer) + 8, &columns_, 4);
  }
  void configurePlugin(PluginTensorDesc const* in, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    EXPECT(in[0].dims.nbDims == 2);
    rows_ = in[0].dims.d[0];
    columns_ = in[0].dims.d[1];
  }
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) const noexcept override {
    return all[pos].format == TensorFormat::kLINEAR && all[pos].type == DataType::kFLOAT;
  }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const noexcept override { return types[0]; }
  bool isOutputBroadcastAcrossBatch(int32_t, bool const*, int32_t) const noexcept override { return false; }
  bool canBroadcastInputAcrossBatch(int32_t) const noexcept override { return false; }
  char const* getPluginType() const noexcept override { return "RowScale"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  void destroy() noexcept override { delete this; }
  IPluginV2Ext* clone() const noexcept override {
    RowScale* copy = new RowScale(bias_);
    copy->rows_ = rows_;
    copy->columns_ = columns_;
    return copy;
  }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return "rows"; }

 private:
  float bias_;
  int32_t rows_ = 0, columns_ = 0;
};

class RowScaleCreator : public IPluginCreator {
 public:
  char const* getPluginName() const noexcept override { return "RowScale"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return nullptr; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override { return new RowScale(0.0F); }
  IPluginV2* deserializePlugin(char const*, void const* data, size_t size) noexcept override {
    return new RowScale(data, size);
  }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return "rows"; }
};

void test_implicit(IBuilder& builder, KeepingLogger& logger) {
  RowScaleCreator creator;
  EXPECT(getPluginRegistry()->registerCreator(creator, "rows"));
  INetworkDefinition* network = builder.createNetworkV2(0);
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{2, 3});
  RowScale plugin(0.5F);
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, plugin);
  EXPECT(layer->getOutput(0)->getDimensions().nbDims == 2 && layer->getOutput(0)->getDimensions().d[1] == 3);
  layer->getOutput(0)->setName("y");
  network->markOutput(*layer->getOutput(0));
  builder.setMaxBatchSize(4);
  IBuilderConfig* config = builder.createBuilderConfig();
  IHostMemory* plan = builder.buildSerializedNetwork(*network, *config);
  EXPECT(plan != nullptr);
  IRuntime* runtime = createInferRuntime(logger);
  ICudaEngine* engine = runtime->deserializeCudaEngine(plan->data(), plan->size());
  EXPECT(engine != nullptr && engine->hasImplicitBatchDimension());
  IExecutionContext* context = engine->createExecutionContext();
  for (int batch : {1, 4, 3}) {
    std::vector<float> in(static_cast<size_t>(batch) * 6), out(in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      in[i] = static_cast<float>(i % 5) - 2.0F;
    }
    void* bindings[] = {in.data(), out.data()};
    EXPECT(context->execute(batch, bindings));
    for (size_t i = 0; i < in.size(); ++i) {
      EXPECT(std::fabs(out[i] - (static_cast<double>(in[i]) * (i / 3 % 2 + 1) + 0.5)) < 1e-5);
    }
  }
  context->destroy();
  engine->destroy();
  runtime->destroy();
  plan->destroy();
  config->destroy();
  network->destroy();
  EXPECT(getPluginRegistry()->deregisterCreator(creator));
  EXPECT(alive() == 1);  // the one on this stack
  EXPECT(logger.errors.empty());
}

/// Stretch takes floats only; in a network of halfs its operands are converted.
void test_half(IBuilder& builder, KeepingLogger& logger) {
  INetworkDefinition* network =
      builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
  ITensor* x = network->addInput("x", DataType::kHALF, Dims2{1, 2});
  Stretch plugin(3.0F, 1);
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, plugin);
  ITensor* y = network->addCast(*layer->getOutput(0), DataType::kFLOAT)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  IBuilderConfig* config = builder.createBuilderConfig();
  ICudaEngine* engine = builder.buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  if (engine) {
    IExecutionContext* context = engine->createExecutionContext();
    uint16_t in[] = {0x3C00, 0xC000};  // 1, -2
    float out[4] = {};
    void* bindings[] = {in, out};
    EXPECT(context->executeV2(bindings));
    EXPECT(out[0] == 4.0F && out[1] == -5.0F && out[2] == 1.0F && out[3] == -2.0F);
    context->destroy();
    engine->destroy();
  }
  config->destroy();
  network->destroy();
  EXPECT(logger.errors.empty());
}

}  // namespace

int main() {
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  test_implicit(*builder, logger);
  test_half(*builder, logger);
  builder->destroy();
  EXPECT(stretch_counts().alive == 0);
  for (std::string const& error : logger.errors) {
    std::printf("error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
