// A TensorRT 8 program: explicit batch, builder config, enqueueV2 with bindings of two profiles.
#include <cmath>
#include <memory>

#include "client.h"

using namespace nvinfer1;

int main() {
  KeepingLogger logger;
  auto builder = std::unique_ptr<IBuilder>(createInferBuilder(logger));
  uint32_t const flags = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
  auto network = std::unique_ptr<INetworkDefinition>(builder->createNetworkV2(flags));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{-1, 3});
  IReduceLayer* sum = network->addReduce(*x, ReduceOperation::kSUM, 1U << 1, true);
  IElementWiseLayer* scaled = network->addElementWise(*x, *sum->getOutput(0), ElementWiseOperation::kDIV);
  ITopKLayer* best = network->addTopK(*scaled->getOutput(0), TopKOperation::kMAX, 1, 1U << 1);
  network->markOutput(*best->getOutput(0));
  network->markOutput(*best->getOutput(1));
  EXPECT(best->getOutput(1)->getType() == DataType::kINT32);
  auto config = std::unique_ptr<IBuilderConfig>(builder->createBuilderConfig());
  config->setMaxWorkspaceSize(1U << 20);
  config->setFlag(BuilderFlag::kFP16);
  EXPECT(config->getFlag(BuilderFlag::kFP16) && config->getMaxWorkspaceSize() == 1U << 20);
  config->clearFlag(BuilderFlag::kFP16);
  for (int p = 0; p < 2; ++p) {
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{1, 3});
    profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{1 + p, 3});
    profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{1 + 3 * p, 3});
    EXPECT(config->addOptimizationProfile(profile) == p);
  }
  auto plan = std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr && logger.errors.empty());
  auto runtime = std::unique_ptr<IRuntime>(createInferRuntime(logger));
  auto engine =
      std::unique_ptr<ICudaEngine>(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  EXPECT(engine != nullptr);
  if (engine) {
    EXPECT(engine->getNbBindings() == 6 && engine->getNbOptimizationProfiles() == 2);
    EXPECT(engine->getProfileDimensions(0, 1, OptProfileSelector::kMAX).d[0] == 4);
    auto context = std::unique_ptr<IExecutionContext>(engine->createExecutionContext());
    EXPECT(context->setOptimizationProfileAsync(1, nullptr));
    EXPECT(context->setBindingDimensions(3, Dims2{2, 3}) && context->allInputDimensionsSpecified());
    float in[6] = {1, 2, 5, 4, 3, 1};
    float values[2] = {};
    int32_t indices[2] = {};
    void* bindings[6] = {nullptr, nullptr, nullptr, in, values, indices};
    EXPECT(context->enqueueV2(bindings, nullptr, nullptr));
    EXPECT(std::fabs(values[0] - 0.625F) < 1e-6F && std::fabs(values[1] - 0.5F) < 1e-6F);
    EXPECT(indices[0] == 2 && indices[1] == 0);
    EXPECT(!context->setBindingDimensions(0, Dims2{1, 3}));
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
