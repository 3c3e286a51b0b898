// A TensorRT 8 program that refits an engine by layer and role and by name, after a selector has had its say in which
// algorithms the engine runs.
#include <cmath>
#include <memory>
#include <set>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

constexpr int kChannels = 2, kPixels = 4;

Weights weights(std::vector<float> const& values) {
  return Weights{DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
}

/// Takes what comes first, then what the report said.
class Selector : public IAlgorithmSelector {
 public:
  int32_t selectAlgorithms(IAlgorithmContext const& context, IAlgorithm const* const* choices, int32_t count,
                           int32_t* selection) noexcept override {
    EXPECT(count > 0 && context.getNbOutputs() == 1);
    EXPECT(choices[0]->getTimingMSec() >= 0.0F && choices[0]->getAlgorithmIOInfoByIndex(0) != nullptr);
    asked.insert(context.getName());
    selection[0] = 0;
    ++calls;
    implementations.insert(choices[0]->getAlgorithmVariant().getImplementation());
    return 1;
  }
  void reportAlgorithms(IAlgorithmContext const* const* contexts, IAlgorithm const* const* choices,
                        int32_t count) noexcept override {
    for (int32_t i = 0; i < count; ++i) {
      EXPECT(asked.count(contexts[i]->getName()) == 1);
      EXPECT(implementations.count(choices[i]->getAlgorithmVariant().getImplementation()) == 1);
    }
    reported += count;
  }
  std::set<std::string> asked;
  std::set<int64_t> implementations;
  int reported = 0, calls = 0;
};

std::vector<float> run(ICudaEngine& engine) {
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  std::vector<float> x(kChannels * kPixels), y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i) - 3.0F;
  }
  void* bindings[] = {x.data(), y.data()};
  EXPECT(context->executeV2(bindings));
  return y;
}

bool gives(ICudaEngine& engine, std::vector<float> const& kernel, std::vector<float> const& bias) {
  std::vector<float> const y = run(engine);
  for (int c = 0; c < kChannels; ++c) {
    for (int i = 0; i < kPixels; ++i) {
      double sum = bias[c];
      for (int k = 0; k < kChannels; ++k) {
        sum += static_cast<double>(kernel[c * kChannels + k]) * (k * kPixels + i - 3.0);
      }
      if (!(std::fabs(y[c * kPixels + i] - std::fmax(sum, 0.0)) < 1e-5)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::vector<float> const kernel{1.0F, -2.0F, 0.5F, 3.0F}, bias{0.25F, -1.0F};
  std::vector<float> const new_kernel{-1.0F, 4.0F, 2.0F, 0.5F}, new_bias{2.0F, 3.0F};
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4(1, kChannels, 2, 2));
  IConvolutionLayer* conv = network->addConvolutionNd(*x, kChannels, DimsHW(1, 1), weights(kernel), weights(bias));
  conv->setName("conv");
  EXPECT(network->setWeightsName(conv->getKernelWeights(), "conv.w"));
  IActivationLayer* relu = network->addActivation(*conv->getOutput(0), ActivationType::kRELU);
  network->markOutput(*relu->getOutput(0));
  Selector selector;
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  config->setFlag(BuilderFlag::kREFIT);
  config->setAlgorithmSelector(&selector);
  EXPECT(config->getAlgorithmSelector() == &selector);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr && !selector.asked.empty() && selector.reported == selector.calls);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  EXPECT(engine && engine->isRefittable() && gives(*engine, kernel, bias));

  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  char const* layers[4];
  WeightsRole roles[4];
  EXPECT(refitter->getAll(4, layers, roles) == 2 && refitter->getMissing(4, layers, roles) == 0);
  EXPECT(refitter->getAll(0, nullptr, nullptr) == 2);
  char const* names[4];
  EXPECT(refitter->getAllWeights(4, names) == 2 && refitter->getMissingWeights(4, names) == 0);
  EXPECT(refitter->setNamedWeights("conv.w", weights(new_kernel)));
  EXPECT(refitter->setWeights("conv", WeightsRole::kBIAS, weights(new_bias)));
  EXPECT(gives(*engine, kernel, bias));  // until it is said
  EXPECT(refitter->refitCudaEngine() && gives(*engine, new_kernel, new_bias));
  EXPECT(logger.errors.empty());
  // What does not fit changes nothing.
  EXPECT(!refitter->setWeights("conv", WeightsRole::kKERNEL, weights(new_bias)));
  EXPECT(!refitter->setWeights("relu", WeightsRole::kKERNEL, weights(new_kernel)));
  EXPECT(!refitter->setNamedWeights("nothing", weights(new_kernel)) && logger.errors.size() == 3);
  EXPECT(refitter->refitCudaEngine() && gives(*engine, new_kernel, new_bias));
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
