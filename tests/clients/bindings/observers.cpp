// What users hang on the objects: a profiler, an error recorder that is counted, an allocator, and what wrong use
// gives.
#include <map>

#include "common.h"

using namespace nvinfer1;

namespace {

class Times : public IProfiler {
 public:
  void reportLayerTime(char const* layer, float ms) noexcept override { times[layer] += ms; }
  std::map<std::string, float> times;
};

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(errors.size()); }
  ErrorCode getErrorCode(int32_t i) const noexcept override { return errors[i].first; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return errors[i].second.c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { errors.clear(); }
  bool reportError(ErrorCode code, ErrorDesc text) noexcept override {
    errors.emplace_back(code, text);
    return false;
  }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  std::vector<std::pair<ErrorCode, std::string>> errors;
  int references = 0;
};

class Allocator : public IGpuAllocator {
 public:
  void* allocate(uint64_t size, uint64_t, uint32_t) noexcept override {
    void* memory = nullptr;
    if (cudaMalloc(&memory, size) != cudaSuccess) {
      return nullptr;
    }
    ++live;
    return memory;
  }
  void free(void* memory) noexcept override {
    live -= memory != nullptr;
    cudaFree(memory);
  }
  int live = 0;
};

}  // namespace

int main() {
  KeepingLogger logger;
  Recorder recorder;
  Allocator allocator;
  Times times;
  IBuilder* builder = createInferBuilder(logger);
  builder->setErrorRecorder(&recorder);
  builder->setGpuAllocator(&allocator);
  EXPECT(builder->getErrorRecorder() == &recorder && recorder.references > 0);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{1, 2, 4, 4});
  ISoftMaxLayer* softmax = network->addSoftMax(*x);
  softmax->setName("the softmax");
  softmax->setAxes(1U << 1);
  softmax->getOutput(0)->setName("y");
  IBuilderConfig* config = builder->createBuilderConfig();
  // No output is marked yet.
  EXPECT(builder->buildEngineWithConfig(*network, *config) == nullptr);
  EXPECT(recorder.errors.size() == 1 && logger.errors.size() == 1);
  network->markOutput(*softmax->getOutput(0));
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  IExecutionContext* context = engine->createExecutionContext();
  context->setProfiler(&times);
  EXPECT(context->getProfiler() == &times);
  context->setName("worker");
  EXPECT(std::string(context->getName()) == "worker" && &context->getEngine() == engine);
  std::vector<float> const image = noise(32, 1);
  Buffers buffers({32, 32});
  buffers.upload(0, image);
  EXPECT(context->executeV2(buffers.bindings()));
  EXPECT(times.times.count("the softmax") == 1);
  std::vector<double> expected(32);
  for (int i = 0; i < 16; ++i) {
    double const e = std::exp(static_cast<double>(image[16 + i]) - image[i]);
    expected[i] = 1.0 / (1.0 + e);
    expected[16 + i] = e / (1.0 + e);
  }
  EXPECT(error(buffers.download(1), expected) < 1e-6);
  // Null bindings, null names, indices that do not exist.
  context->setErrorRecorder(&recorder);
  recorder.clear();
  EXPECT(!context->executeV2(nullptr) && recorder.getNbErrors() == 1);
  EXPECT(recorder.getErrorCode(0) == ErrorCode::kINVALID_ARGUMENT);
  EXPECT(engine->getBindingIndex("nothing") == -1 && engine->getBindingName(7) == nullptr);
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  EXPECT(recorder.references == 0 && allocator.live == 0);
  logger.errors.clear();
  return finish(logger);
}
