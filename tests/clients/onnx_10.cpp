// A TensorRT 10 program: an ONNX file parsed, its network looked at, built with a timing cache, saved and run.
#include <fstream>
#include <iterator>
#include <memory>

#include "NvOnnxParser.h"
#include "client.h"

using namespace nvinfer1;

namespace {

class Monitor : public IProgressMonitor {
 public:
  void phaseStart(char const*, char const*, int32_t) noexcept override { ++started; }
  bool stepComplete(char const*, int32_t) noexcept override { return true; }
  void phaseFinish(char const*) noexcept override { ++finished; }
  int started{0};
  int finished{0};
};

class Profiler : public IProfiler {
 public:
  void reportLayerTime(char const*, float ms) noexcept override {
    ++layers;
    total += ms;
  }
  int layers{0};
  float total{0.0F};
};

void run(ICudaEngine& engine) {
  char const* input = engine.getIOTensorName(0);
  char const* output = engine.getIOTensorName(1);
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  Dims dims = engine.getTensorShape(input);
  dims.d[0] = 2;
  EXPECT(context->setInputShape(input, dims));
  EXPECT(context->inferShapes(0, nullptr) == 0);
  int64_t count = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    count *= dims.d[i];
  }
  std::vector<float> x(count, 0.25F);
  std::vector<float> y(context->getMaxOutputSize(output) / sizeof(float), -1e30F);
  Profiler profiler;
  context->setProfiler(&profiler);
  EXPECT(context->setTensorAddress(input, x.data()) && context->setTensorAddress(output, y.data()));
  EXPECT(context->enqueueV3(nullptr));
  EXPECT(profiler.layers > 0 && profiler.total >= 0.0F);
  size_t const half = y.size() / 2;
  for (size_t i = 0; i < half; ++i) {
    EXPECT(y[i] > -1e29F && y[i] == y[half + i]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  KeepingLogger logger;
  if (argc != 2) {
    return 2;
  }
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(parser->supportsOperator("Conv") && !parser->supportsOperator("NoSuchOperator"));
  EXPECT(!parser->parse("junk", 4) && parser->getNbErrors() == 1 && parser->getError(0)->desc()[0] != '\0');
  parser->clearErrors();
  EXPECT(parser->parseFromFile(argv[1], 1) && parser->getNbErrors() == 0);
  EXPECT(network->getNbLayers() > 0 && network->getNbInputs() == 1 && network->getNbOutputs() == 1);
  for (int i = 0; i < network->getNbLayers(); ++i) {
    EXPECT(network->getLayer(i)->getNbOutputs() > 0);
  }
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<ITimingCache> cache(config->createTimingCache(nullptr, 0));
  Monitor monitor;
  EXPECT(config->setTimingCache(*cache, false));
  config->setProgressMonitor(&monitor);
  config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, 1U << 28);
  EXPECT(config->getMemoryPoolLimit(MemoryPoolType::kWORKSPACE) == 1U << 28);
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  ITensor* input = network->getInput(0);
  Dims dims = input->getDimensions();
  EXPECT(input->isNetworkInput() && dims.nbDims > 1 && dims.d[0] == -1);
  for (int i = 0; i < 3; ++i) {
    dims.d[0] = i + 1;
    EXPECT(profile->setDimensions(input->getName(), static_cast<OptProfileSelector>(i), dims));
  }
  config->addOptimizationProfile(profile);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr && monitor.started > 0 && monitor.started == monitor.finished);
  std::unique_ptr<IHostMemory> times(cache->serialize());
  EXPECT(times != nullptr && times->size() > 0);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  EXPECT(engine != nullptr);
  if (engine) {
    run(*engine);
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
