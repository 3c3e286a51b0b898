// An engine on the processor in a process that has a GPU driver: device memory is refused by name, not read, and
// plugins are refused once the process works with NVIDIA's CUDA runtime. The driver here is fake_driver.cpp, which
// calls one range of addresses the device's.
#include <dlfcn.h>

#include <memory>

#include "NvInfer.h"
#include "client.h"
#include "stretch_plugin.h"

using namespace nvinfer1;

namespace {

class Given : public IOutputAllocator {
 public:
  void* reallocateOutputAsync(char const*, void*, uint64_t, uint64_t, cudaStream_t) noexcept override { return memory; }
  void notifyShape(char const*, Dims const&) noexcept override {}
  void* memory = nullptr;
};

class GivenMemory : public IGpuAllocator {
 public:
  explicit GivenMemory(void* all) : memory(all) {}
  void* allocate(uint64_t, uint64_t, AllocatorFlags) noexcept override { return memory; }
  bool deallocate(void*) noexcept override { return true; }
  void* memory;
};

class Batches : public IInt8EntropyCalibrator2 {
 public:
  explicit Batches(void* batch) : batch_(batch) {}
  int32_t getBatchSize() const noexcept override { return 2; }
  bool getBatch(void* bindings[], char const*[], int32_t) noexcept override { return bindings[0] = batch_, true; }
  void const* readCalibrationCache(size_t& length) noexcept override { return length = 0, nullptr; }
  void writeCalibrationCache(void const*, size_t) noexcept override {}

 private:
  void* batch_;
};

bool builds_plugin(IBuilder& builder) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0U));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(2, 2));
  Stretch plugin(2.0F, 1);
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, plugin);
  layer->setName("stretch");
  network->markOutput(*layer->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  return std::unique_ptr<IHostMemory>(builder.buildSerializedNetwork(*network, *config)) != nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc == 3);
  void* driver = dlopen(argv[1], RTLD_NOW);
  EXPECT(driver != nullptr);
  auto const claim = reinterpret_cast<void (*)(void const*, size_t, int)>(dlsym(driver, "fakeClaim"));
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0U));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(2, 2));
  IActivationLayer* relu = network->addActivation(*x, ActivationType::kRELU);
  relu->getOutput(0)->setName("y");
  network->markOutput(*relu->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  alignas(256) float device[1024];
  float host[4] = {-1.0F, 2.0F, -3.0F, 4.0F}, y[4], managed[4] = {1.0F, -1.0F, 0.5F, -0.5F};
  claim(device, sizeof(device), 0);
  EXPECT(context->setTensorAddress("x", host) && context->setTensorAddress("y", y) && context->enqueueV3(nullptr));
  EXPECT(y[0] == 0.0F && y[3] == 4.0F && logger.errors.empty());
  EXPECT(!context->setTensorAddress("x", device) && logger.errors.size() == 1);
  EXPECT(logger.errors[0].find("input 'x'") != std::string::npos &&
         logger.errors[0].find("device memory") != std::string::npos);
  void* bindings[] = {host, device};
  EXPECT(!context->executeV2(bindings) && logger.errors.size() == 2);
  Given given;
  EXPECT(context->setTensorAddress("x", host) && context->setOutputAllocator("y", &given));
  given.memory = device;
  EXPECT(!context->enqueueV3(nullptr) && logger.errors.size() == 3);
  given.memory = y;
  EXPECT(context->enqueueV3(nullptr) && context->setOutputAllocator("y", nullptr) && logger.errors.size() == 3);
  context->setDeviceMemoryV2(device, sizeof(device));
  EXPECT(logger.errors.size() == 4);
  GivenMemory all(device);
  EXPECT(context->setTemporaryStorageAllocator(&all) && !context->enqueueV3(nullptr) && logger.errors.size() == 5);
  EXPECT(context->setTemporaryStorageAllocator(nullptr) && context->enqueueV3(nullptr) && logger.errors.size() == 5);
  for (size_t i = 2; i < logger.errors.size(); ++i) {
    EXPECT(logger.errors[i].find(i == 2 ? "output 'y'" : "'activations'") != std::string::npos &&
           logger.errors[i].find("device memory") != std::string::npos);
  }
  Batches batches(device);
  config->setFlag(BuilderFlag::kINT8);
  config->setInt8Calibrator(&batches);
  EXPECT(std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config)) == nullptr);
  EXPECT(logger.errors.size() == 6 &&
         logger.errors[5].find("a calibration batch is device memory") != std::string::npos);
  logger.errors.resize(2);
  claim(managed, sizeof(managed), 1);
  EXPECT(context->setTensorAddress("x", managed) && context->setTensorAddress("y", y) && context->enqueueV3(nullptr));
  EXPECT(y[0] == 1.0F && y[1] == 0.0F && logger.errors.size() == 2);
  EXPECT(builds_plugin(*builder));
  EXPECT(dlopen(argv[2], RTLD_NOW) != nullptr);
  EXPECT(!builds_plugin(*builder) && logger.errors.size() == 3);
  EXPECT(logger.errors.back().find("'stretch'") != std::string::npos &&
         logger.errors.back().find("CUDA runtime") != std::string::npos);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
