// A TensorRT 7 program: plugins of the first interfaces, read back through an IPluginFactory.
#include <cmath>
#include <cstring>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

/// y = slope * x, with the enqueue of that time. The program owns it.
class Slope : public IPluginExt {
 public:
  explicit Slope(float slope) : slope_(slope) {}
  Slope(void const* data, size_t) { std::memcpy(&slope_, data, sizeof(slope_)); }
  int getNbOutputs() const override { return 1; }
  Dims getOutputDimensions(int, Dims const* inputs, int) override { return inputs[0]; }
  bool supportsFormat(DataType type, PluginFormat format) const override {
    return type == DataType::kFLOAT && format == PluginFormat::kNCHW;
  }
  void configureWithFormat(Dims const*, int, Dims const*, int, DataType, PluginFormat, int max_batch) override {
    EXPECT(max_batch == 3);
  }
  int initialize() override { return ++initialized, 0; }
  void terminate() override { ++terminated; }
  size_t getWorkspaceSize(int) const override { return 0; }
  int enqueue(int batch, void const* const* inputs, void** outputs, void*, cudaStream_t) override {
    float const* x = static_cast<float const*>(inputs[0]);
    float* y = static_cast<float*>(outputs[0]);
    for (int i = 0; i < batch * 6; ++i) {
      y[i] = slope_ * x[i];
    }
    return 0;
  }
  size_t getSerializationSize() override { return sizeof(slope_); }
  void serialize(void* buffer) override { std::memcpy(buffer, &slope_, sizeof(slope_)); }
  // From its base only, and never called on an IPluginExt.
  void configure(Dims const*, int, Dims const*, int, int) override {}
  int initialized = 0, terminated = 0;

 private:
  float slope_ = 0.0F;
};

/// y[1] = x summed over all but the batch; an IPlugin.
class Sum : public IPlugin {
 public:
  int getNbOutputs() const override { return 1; }
  Dims getOutputDimensions(int, Dims const*, int) override { return DimsCHW{1, 1, 1}; }
  void configure(Dims const* inputs, int, Dims const*, int, int) override {
    count_ = inputs[0].d[0] * inputs[0].d[1] * inputs[0].d[2];
  }
  int initialize() override { return 0; }
  void terminate() override {}
  size_t getWorkspaceSize(int) const override { return 0; }
  int enqueue(int batch, void const* const* inputs, void** outputs, void*, cudaStream_t) override {
    for (int n = 0; n < batch; ++n) {
      float sum = 0.0F;
      for (int i = 0; i < count_; ++i) {
        sum += static_cast<float const*>(inputs[0])[n * count_ + i];
      }
      static_cast<float*>(outputs[0])[n] = sum;
    }
    return 0;
  }
  size_t getSerializationSize() override { return sizeof(count_); }
  void serialize(void* buffer) override { std::memcpy(buffer, &count_, sizeof(count_)); }
  int count_ = 0;
};

class Factory : public IPluginFactory {
 public:
  IPlugin* createPlugin(char const* layer, void const* data, size_t size) override {
    if (std::string(layer) == "slope") {
      return slope = new Slope(data, size);
    }
    sum = new Sum;
    std::memcpy(&sum->count_, data, sizeof(int));
    return sum;
  }
  ~Factory() override {
    delete slope;
    delete sum;
  }
  Slope* slope = nullptr;
  Sum* sum = nullptr;
};

void run(ICudaEngine& engine) {
  IExecutionContext* context = engine.createExecutionContext();
  for (int batch : {3, 1}) {
    std::vector<float> x(static_cast<size_t>(batch) * 6), y(static_cast<size_t>(batch));
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i) * 0.25F - 1.0F;
    }
    void* bindings[] = {x.data(), y.data()};
    EXPECT(context->execute(batch, bindings));
    for (int n = 0; n < batch; ++n) {
      double sum = 0.0;
      for (int i = 0; i < 6; ++i) {
        sum += 1.5 * x[static_cast<size_t>(n) * 6 + i];
      }
      EXPECT(std::fabs(y[n] - sum) < 1e-5);
    }
  }
  context->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetwork();
  ITensor* x = network->addInput("x", DataType::kFLOAT, DimsCHW{1, 2, 3});
  Slope slope(1.5F);
  Sum sum;
  IPluginLayer* first = network->addPluginExt(&x, 1, slope);
  EXPECT(first != nullptr && &first->getPlugin() == &slope && first->getType() == LayerType::kPLUGIN);
  first->setName("slope");
  ITensor* middle = first->getOutput(0);
  IPluginLayer* second = network->addPlugin(&middle, 1, sum);
  second->setName("sum");
  EXPECT(second->getOutput(0)->getDimensions().nbDims == 3);
  second->getOutput(0)->setName("y");
  network->markOutput(*second->getOutput(0));
  builder->setMaxBatchSize(3);
  ICudaEngine* engine = builder->buildCudaEngine(*network);
  EXPECT(engine != nullptr && slope.initialized == 1);
  run(*engine);
  IHostMemory* plan = engine->serialize();
  engine->destroy();
  EXPECT(slope.terminated == 1);
  network->destroy();
  builder->destroy();
  EXPECT(logger.errors.empty());
  IRuntime* runtime = createInferRuntime(logger);
  EXPECT(runtime->deserializeCudaEngine(plan->data(), plan->size(), nullptr) == nullptr);
  EXPECT(!logger.errors.empty() && logger.errors.back().find("IPluginFactory") != std::string::npos);
  Factory factory;
  engine = runtime->deserializeCudaEngine(plan->data(), plan->size(), &factory);
  EXPECT(engine != nullptr && factory.slope != nullptr && factory.slope->initialized == 1);
  run(*engine);
  engine->destroy();
  EXPECT(factory.slope->terminated == 1);
  plan->destroy();
  runtime->destroy();
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
