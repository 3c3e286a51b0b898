// A plan that one level's library wrote, read by another's: PROGRAM write|read FILE. The engine is of the library that
// reads it, with dims, types and profiles as they were.
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "NvInfer.h"
#include "client.h"

using namespace nvinfer1;

namespace {

INetworkDefinition* network_of(IBuilder& builder) {
#if NV_TENSORRT_MAJOR <= 10
  return builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
#else
  return builder.createNetworkV2(0U);
#endif
}

/// y = relu(x * w), z = shape of y
void write(char const* path, ILogger& logger) {
  static float const w[6] = {1.0F, -2.0F, 3.0F, -4.0F, 5.0F, -6.0F};
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(network_of(*builder));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(-1, 3));
  ITensor* k = network->addConstant(Dims2(3, 2), Weights{DataType::kFLOAT, w, 6})->getOutput(0);
  ITensor* product = network->addMatrixMultiply(*x, MatrixOperation::kNONE, *k, MatrixOperation::kNONE)->getOutput(0);
  ITensor* y = network->addActivation(*product, ActivationType::kRELU)->getOutput(0);
  ITensor* z = network->addTopK(*y, TopKOperation::kMAX, 1, 2U)->getOutput(1);
  y->setName("y");
  z->setName("z");
  network->markOutput(*y);
  network->markOutput(*z);
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, Dims2(1, 3));
  profile->setDimensions("x", OptProfileSelector::kOPT, Dims2(2, 3));
  profile->setDimensions("x", OptProfileSelector::kMAX, Dims2(4, 3));
  config->addOptimizationProfile(profile);
#if NV_TENSORRT_MAJOR >= 8
  config->setFlag(BuilderFlag::kVERSION_COMPATIBLE);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
#else
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  std::unique_ptr<IHostMemory> plan(engine->serialize());
#endif
  EXPECT(plan != nullptr);
  if (plan) {
    std::ofstream(path, std::ios::binary)
        .write(static_cast<char const*>(plan->data()), static_cast<std::streamsize>(plan->size()));
  }
}

void read(char const* path, ILogger& logger) {
  std::ifstream file(path, std::ios::binary);
  std::string const plan((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
#if NV_TENSORRT_MAJOR >= 8
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
#else
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size(), nullptr));
#endif
  EXPECT(engine != nullptr);
  if (!engine) {
    return;
  }
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  float x[6] = {1.0F, 1.0F, 1.0F, -1.0F, 0.5F, 2.0F}, y[4] = {};
  int32_t z[2] = {-1, -1};
#if NV_TENSORRT_MAJOR >= 8
  Dims const most = engine->getProfileShape("x", 0, OptProfileSelector::kMAX);
  EXPECT(engine->getTensorDataType("z") == DataType::kINT32 && engine->getTensorShape("x").d[0] == -1);
  EXPECT(context->setInputShape("x", Dims2(2, 3)) && context->setTensorAddress("x", x));
  EXPECT(context->setTensorAddress("y", y) && context->setTensorAddress("z", z) && context->enqueueV3(nullptr));
#else
  Dims const most = engine->getProfileDimensions(0, 0, OptProfileSelector::kMAX);
  EXPECT(engine->getBindingDataType(2) == DataType::kINT32 && engine->getBindingDimensions(0).d[0] == -1);
  void* bindings[] = {x, y, z};
  EXPECT(context->setBindingDimensions(0, Dims2(2, 3)) && context->executeV2(bindings));
#endif
  EXPECT(most.nbDims == 2 && most.d[0] == 4 && most.d[1] == 3);
  // x * w = {{9, -12}, {10.5, -12}}
  EXPECT(y[0] == 9.0F && y[1] == 0.0F && y[2] == 10.5F && y[3] == 0.0F && z[0] == 0 && z[1] == 0);
}

}  // namespace

int main(int, char** argv) {
  KeepingLogger logger;
  if (std::strcmp(argv[1], "write") == 0) {
    write(argv[2], logger);
  } else {
    read(argv[2], logger);
  }
  EXPECT(logger.errors.empty());
  for (std::string const& error : logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
