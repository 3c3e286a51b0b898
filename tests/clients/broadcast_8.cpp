// A TensorRT 8 program with an implicit batch: an input that every element of the batch shares, read by a layer and by
// an IPluginV2Ext that takes it once.
#include <cstring>
#include <memory>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

constexpr int kLength = 4;

struct Seen {
  int configured = 0, batch = 0;
  bool first = true, second = false, output = true;
};
Seen& seen() {
  static Seen all;
  return all;
}

/// y = a + b, where b has no batch.
class AddShared : public IPluginV2Ext {
 public:
  explicit AddShared(bool shares) : shares_(shares) {}
  int32_t getNbOutputs() const noexcept override { return 1; }
  Dims getOutputDimensions(int32_t, Dims const* inputs, int32_t) noexcept override { return inputs[0]; }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const noexcept override { return types[0]; }
  bool isOutputBroadcastAcrossBatch(int32_t, bool const* in, int32_t count) const noexcept override {
    return count == 2 && in[0] && in[1];
  }
  bool canBroadcastInputAcrossBatch(int32_t input) const noexcept override { return shares_ && input == 1; }
  bool supportsFormat(DataType type, PluginFormat format) const noexcept override {
    return type == DataType::kFLOAT && format == PluginFormat::kLINEAR;
  }
  void configurePlugin(Dims const* in, int32_t, Dims const*, int32_t, DataType const*, DataType const*,
                       bool const* in_broadcast, bool const* out_broadcast, PluginFormat format,
                       int32_t batch) noexcept override {
    EXPECT(in[0].nbDims == 1 && in[1].nbDims == 1 && format == PluginFormat::kLINEAR);
    seen().configured += 1;
    seen().batch = batch;
    seen().first = in_broadcast[0];
    seen().second = in_broadcast[1];
    seen().output = out_broadcast[0];
  }
  IPluginV2Ext* clone() const noexcept override { return new AddShared(*this); }
  int32_t initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getWorkspaceSize(int32_t) const noexcept override { return 0; }
  int32_t enqueue(int32_t batch, void const* const* inputs, void* const* outputs, void*,
                  cudaStream_t) noexcept override {
    for (int i = 0; i < batch * kLength; ++i) {
      static_cast<float*>(outputs[0])[i] =
          static_cast<float const*>(inputs[0])[i] + static_cast<float const*>(inputs[1])[shares_ ? i % kLength : i];
    }
    return 0;
  }
  size_t getSerializationSize() const noexcept override { return 0; }
  void serialize(void*) const noexcept override {}
  void destroy() noexcept override { delete this; }
  char const* getPluginType() const noexcept override { return "AddShared"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  bool shares_;
};

/// A plugin that wants each element's own input gets the shared one repeated.
bool repeats(IBuilder& builder) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0U));
  Dims dims{};
  dims.nbDims = 1;
  dims.d[0] = kLength;
  ITensor* inputs[] = {network->addInput("a", DataType::kFLOAT, dims), network->addInput("b", DataType::kFLOAT, dims)};
  inputs[1]->setBroadcastAcrossBatch(true);
  AddShared plugin(false);
  network->markOutput(*network->addPluginV2(inputs, 2, plugin)->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(*network, *config));
  std::unique_ptr<IExecutionContext> context(engine ? engine->createExecutionContext() : nullptr);
  float a[2 * kLength] = {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F, 8.0F}, b[kLength] = {10.0F, 20.0F, 30.0F, 40.0F};
  float y[2 * kLength] = {};
  void* bindings[] = {a, b, y};
  bool right = context && context->execute(2, bindings) && !seen().first && !seen().second;
  for (int i = 0; i < 2 * kLength; ++i) {
    right = right && y[i] == a[i] + b[i % kLength];
  }
  return right;
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  builder->setMaxBatchSize(3);
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0U));
  Dims dims{};
  dims.nbDims = 1;
  dims.d[0] = kLength;
  ITensor* inputs[] = {network->addInput("a", DataType::kFLOAT, dims), network->addInput("b", DataType::kFLOAT, dims)};
  EXPECT(!inputs[1]->getBroadcastAcrossBatch());
  inputs[1]->setBroadcastAcrossBatch(true);
  EXPECT(inputs[1]->getBroadcastAcrossBatch() && !inputs[0]->getBroadcastAcrossBatch());
  EXPECT(inputs[1]->getDimensions().nbDims == 1 && inputs[1]->getDimensions().d[0] == kLength);
  AddShared plugin(true);
  IPluginV2Layer* added = network->addPluginV2(inputs, 2, plugin);
  IElementWiseLayer* product = network->addElementWise(*added->getOutput(0), *inputs[1], ElementWiseOperation::kPROD);
  EXPECT(!product->getOutput(0)->getBroadcastAcrossBatch());
  product->getOutput(0)->setBroadcastAcrossBatch(true);  // only inputs have the choice
  EXPECT(logger.errors.size() == 1 && !product->getOutput(0)->getBroadcastAcrossBatch());
  logger.errors.clear();
  network->markOutput(*product->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  EXPECT(engine != nullptr && logger.errors.empty());
  EXPECT(seen().configured == 1 && seen().batch == 3 && !seen().first && seen().second && !seen().output);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  for (int batch = 1; batch <= 3; ++batch) {
    std::vector<float> a(static_cast<size_t>(batch) * kLength), b{1.0F, -2.0F, 3.0F, 0.5F}, y(a.size());
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = static_cast<float>(i);
    }
    void* bindings[] = {a.data(), b.data(), y.data()};
    EXPECT(context->execute(batch, bindings));
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT(y[i] == (a[i] + b[i % kLength]) * b[i % kLength]);
    }
  }
  EXPECT(logger.errors.empty());
  EXPECT(repeats(*builder));
  for (std::string const& error : logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
