// New dynamic ranges in an INT8 engine, through IRefitter. Compiled at 7, 8 and 10.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "NvInferRuntime.h"
#include "client.h"
#include "reference.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;
constexpr int kChannels = 3, kPixels = 8;

/// Whether an engine that copies x rounds it as a range of ±most says.
bool rounds_to(ICudaEngine& engine, float most) {
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  std::vector<float> x = noise(kChannels * kPixels, 4), y(x.size());
  void* bindings[] = {x.data(), y.data()};
  EXPECT(context->executeV2(bindings));
  double const step = most / 127.0;
  bool right = true, rounded = false;
  for (size_t i = 0; i < x.size(); ++i) {
    double const want = std::max(-127.0, std::min(127.0, std::nearbyint(x[i] / step))) * step;
    right = right && std::fabs(y[i] - want) < 1e-5;
    rounded = rounded || std::fabs(y[i] - x[i]) > step / 8;
  }
  return right && rounded;
}

ICudaEngine* load(IHostMemory const& plan) {
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
#if NV_TENSORRT_MAJOR == 7
  return runtime->deserializeCudaEngine(plan.data(), plan.size(), nullptr);
#else
  return runtime->deserializeCudaEngine(plan.data(), plan.size());
#endif
}

std::unique_ptr<IHostMemory> build(float most) {
  std::vector<float> identity(kChannels * kChannels, 0.0F);
  for (int c = 0; c < kChannels; ++c) {
    identity[static_cast<size_t>(c * kChannels + c)] = 1;
  }
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4(1, kChannels, 2, 4));
  IConvolutionLayer* conv =
      network->addConvolutionNd(*x, kChannels, DimsHW(1, 1), Weights{DataType::kFLOAT, identity.data(), 9},
                                Weights{DataType::kFLOAT, nullptr, 0});
  conv->setName("conv");
  network->markOutput(*conv->getOutput(0));
  EXPECT(x->setDynamicRange(-most, most));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  config->setFlag(BuilderFlag::kREFIT);
#if NV_TENSORRT_MAJOR == 7
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  return std::unique_ptr<IHostMemory>(engine->serialize());
#else
  return std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config));
#endif
}

}  // namespace

int main() {
  std::unique_ptr<IHostMemory> plan = build(1.0F);
  std::unique_ptr<ICudaEngine> engine(load(*plan));
  EXPECT(rounds_to(*engine, 1.0F));
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  char const* names[2] = {};
  EXPECT(refitter->getTensorsWithDynamicRange(2, names) == 1 && std::strcmp(names[0], "x") == 0);
  EXPECT(std::fabs(refitter->getDynamicRangeMax("x") - 1) < 1e-6F);
  EXPECT(refitter->setDynamicRange("x", -2.0F, 4.0F));
  EXPECT(std::fabs(refitter->getDynamicRangeMax("x") - 4) < 1e-6F);
  EXPECT(std::fabs(refitter->getDynamicRangeMin("x") + 4) < 1e-6F);
  EXPECT(rounds_to(*engine, 1.0F));  // until it is said
  EXPECT(refitter->refitCudaEngine() && rounds_to(*engine, 4.0F));
  // The new range stays with weights that change later, and with the plan.
  EXPECT(refitter->refitCudaEngine() && rounds_to(*engine, 4.0F));
  std::unique_ptr<IHostMemory> again(engine->serialize());
  std::unique_ptr<ICudaEngine> second(load(*again));
  EXPECT(rounds_to(*second, 4.0F));
  EXPECT(logger.errors.empty());
  EXPECT(!refitter->setDynamicRange("nothing", -1.0F, 1.0F) && !refitter->setDynamicRange("x", 1.0F, -1.0F));
  EXPECT(!refitter->setDynamicRange("x", 0.0F, 0.0F) && refitter->getDynamicRangeMax("nothing") == 0);
  EXPECT(logger.errors.size() == 4);
  EXPECT(refitter->refitCudaEngine() && rounds_to(*engine, 4.0F));
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
