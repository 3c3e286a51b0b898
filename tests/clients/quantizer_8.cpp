// A TensorRT 8 program that ships a network quantized in training: Q/DQ around a convolution whose weights are
// quantized by channel, timing caches of two builds combined into a third, an algorithm selector that records what was
// chosen and one that asks for just that, and a float head that is refitted afterwards.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>

#include "NvInfer.h"
#include "bindings/common.h"

using namespace nvinfer1;

namespace {

constexpr int kChannels = 4, kMaps = 6, kSide = 7, kClasses = 3;
float const kInputScale = 1.0F / 127.0F, kMiddleScale = 4.0F / 127.0F;

struct Choice {
  int64_t implementation, tactic;
  bool operator==(Choice const& other) const {
    return implementation == other.implementation && tactic == other.tactic;
  }
};
using Choices = std::map<std::string, Choice>;

Choice choice_of(IAlgorithm const& algorithm) {
  return Choice{algorithm.getAlgorithmVariant().getImplementation(), algorithm.getAlgorithmVariant().getTactic()};
}

/// Takes the last offer of each layer and keeps what was taken; with `wanted`, takes that alone.
class Selector : public IAlgorithmSelector {
 public:
  explicit Selector(Choices const* wanted = nullptr) : wanted_(wanted) {}
  int32_t selectAlgorithms(IAlgorithmContext const& context, IAlgorithm const* const* offers, int32_t count,
                           int32_t* selection) noexcept override {
    EXPECT(count > 0 && context.getNbOutputs() > 0);
    for (int32_t i = 0; wanted_ && i < count; ++i) {
      auto const known = wanted_->find(context.getName());
      if (known != wanted_->end() && choice_of(*offers[i]) == known->second) {
        selection[0] = i;
        ++found;
        return 1;
      }
    }
    selection[0] = count - 1;
    return 1;
  }
  void reportAlgorithms(IAlgorithmContext const* const* contexts, IAlgorithm const* const* algorithms,
                        int32_t count) noexcept override {
    for (int32_t i = 0; i < count; ++i) {
      EXPECT(algorithms[i]->getAlgorithmIOInfoByIndex(0) != nullptr);
      taken[contexts[i]->getName()] = choice_of(*algorithms[i]);
    }
  }
  Choices taken;
  int found = 0;

 private:
  Choices const* wanted_;
};

struct Model {
  std::vector<float> kernel = noise(kMaps * kChannels * 9, 1), bias = noise(kMaps, 2),
                     head = noise(kClasses * kMaps, 3), scales;
  Model() {
    for (int m = 0; m < kMaps; ++m) {
      float most = 0.0F;
      for (int i = 0; i < kChannels * 9; ++i) {
        most = std::fmax(most, std::fabs(kernel[m * kChannels * 9 + i]));
      }
      scales.push_back(most / 127.0F);
    }
  }
};

ITensor* rounded(INetworkDefinition& network, ITensor& x, ITensor& scale, int axis) {
  IQuantizeLayer* down = network.addQuantize(x, scale);
  IDequantizeLayer* up = network.addDequantize(*down->getOutput(0), scale);
  if (axis >= 0) {
    down->setAxis(axis);
    up->setAxis(axis);
  }
  return up->getOutput(0);
}

void describe(INetworkDefinition& network, Model const& m) {
  Dims none{};
  Dims maps{};
  maps.nbDims = 1, maps.d[0] = kMaps;
  ITensor* x = network.addInput("x", DataType::kFLOAT, Dims4(1, kChannels, kSide, kSide));
  ITensor* in = network.addConstant(none, Weights{DataType::kFLOAT, &kInputScale, 1})->getOutput(0);
  ITensor* middle = network.addConstant(none, Weights{DataType::kFLOAT, &kMiddleScale, 1})->getOutput(0);
  ITensor* scales = network.addConstant(maps, weights_of(m.scales))->getOutput(0);
  ITensor* kernel = network.addConstant(Dims4(kMaps, kChannels, 3, 3), weights_of(m.kernel))->getOutput(0);
  IConvolutionLayer* conv =
      network.addConvolutionNd(*rounded(network, *x, *in, -1), kMaps, Dims2(3, 3), no_weights(), weights_of(m.bias));
  conv->setInput(1, *rounded(network, *kernel, *scales, 0));
  conv->setPaddingNd(Dims2(1, 1));
  conv->setName("quantized");
  ITensor* y = network.addActivation(*conv->getOutput(0), ActivationType::kRELU)->getOutput(0);
  y = rounded(network, *y, *middle, -1);
  IConvolutionLayer* head = network.addConvolutionNd(*y, kClasses, Dims2(1, 1), weights_of(m.head), no_weights());
  head->setName("head");
  IReduceLayer* mean = network.addReduce(*head->getOutput(0), ReduceOperation::kAVG, 12U, false);
  mean->getOutput(0)->setName("y");
  network.markOutput(*mean->getOutput(0));
}

double grid(double v, double scale) { return std::fmin(127, std::fmax(-128, std::nearbyint(v / scale))) * scale; }

std::vector<double> expected(Model const& m, std::vector<float> const& x) {
  Maps in = apply(maps_of(x, 1, kChannels, kSide, kSide), [](double v) { return grid(v, kInputScale); });
  std::vector<float> kernel = m.kernel;
  for (size_t i = 0; i < kernel.size(); ++i) {
    kernel[i] = static_cast<float>(grid(kernel[i], m.scales[i / (kChannels * 9)]));
  }
  Maps y = apply(conv(in, kernel, m.bias, kMaps, 3, 1, 1), [](double v) { return grid(v > 0 ? v : 0, kMiddleScale); });
  return pool(conv(y, m.head, {}, kClasses, 1, 1, 0), kSide, kSide, true).v;
}

template <class T>
using Owned = std::unique_ptr<T>;

/// A plan, and the timing cache that the build left; `cache`: what it starts with.
Owned<IHostMemory> build(IBuilder& builder, Model const& m, Selector* selector, IHostMemory const* cache,
                         Owned<IHostMemory>* left) {
  Owned<INetworkDefinition> network(builder.createNetworkV2(explicit_batch()));
  describe(*network, m);
  Owned<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  config->setFlag(BuilderFlag::kREFIT);
  config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  config->setAlgorithmSelector(selector);
  EXPECT(config->getAlgorithmSelector() == selector);
  Owned<ITimingCache> times(config->createTimingCache(cache ? cache->data() : nullptr, cache ? cache->size() : 0));
  EXPECT(times != nullptr && config->setTimingCache(*times, false));
  Owned<IHostMemory> plan(builder.buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr);
  if (left) {
    left->reset(config->getTimingCache()->serialize());
  }
  return plan;
}

std::vector<float> run(ICudaEngine& engine, std::vector<float> const& x) {
  Owned<IExecutionContext> context(engine.createExecutionContext());
  Buffers buffers({x.size(), kClasses});
  buffers.upload(0, x);
  EXPECT(context->executeV2(buffers.bindings()));
  return buffers.download(1);
}

}  // namespace

int main() {
  KeepingLogger logger;
  Model const model;
  std::vector<float> const x = noise(kChannels * kSide * kSide, 9);
  Owned<IBuilder> builder(createInferBuilder(logger));
  Owned<IRuntime> runtime(createInferRuntime(logger));
  Owned<IHostMemory> caches[2];
  Selector first;
  Owned<IHostMemory> plans[2] = {build(*builder, model, &first, nullptr, &caches[0]),
                                 build(*builder, model, nullptr, nullptr, &caches[1])};
  EXPECT(!first.taken.empty() && caches[0]->size() > 0 && caches[1]->size() > 0);
  Owned<IBuilderConfig> config(builder->createBuilderConfig());
  Owned<ITimingCache> all(config->createTimingCache(caches[0]->data(), caches[0]->size()));
  Owned<ITimingCache> more(config->createTimingCache(caches[1]->data(), caches[1]->size()));
  EXPECT(all->combine(*more, false));
  Owned<IHostMemory> combined(all->serialize());
  EXPECT(combined->size() >= caches[0]->size() && combined->size() >= caches[1]->size());
  Selector same(&first.taken);
  Owned<IHostMemory> again = build(*builder, model, &same, combined.get(), nullptr);
  EXPECT(same.found > 0 && same.taken.size() == first.taken.size());
  for (auto const& entry : first.taken) {
    EXPECT(same.taken.count(entry.first) == 1 && same.taken[entry.first] == entry.second);
  }
  Owned<ICudaEngine> engines[3];
  IHostMemory* const all_plans[3] = {plans[0].get(), plans[1].get(), again.get()};
  for (int i = 0; i < 3; ++i) {
    engines[i].reset(runtime->deserializeCudaEngine(all_plans[i]->data(), all_plans[i]->size()));
    EXPECT(engines[i] != nullptr);
    EXPECT(error(run(*engines[i], x), expected(model, x)) < 1e-3);
  }
  EXPECT(run(*engines[0], x) == run(*engines[2], x));  // the same algorithms: the same bits
  Owned<IEngineInspector> inspector(engines[0]->createEngineInspector());
  std::string const told = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  EXPECT(told.find("Int8") != std::string::npos);

  Model other;
  for (float& v : other.head) {
    v = 0.5F - v;
  }
  Owned<IRefitter> refitter(createInferRefitter(*engines[2], logger));
  EXPECT(refitter->setWeights("head", WeightsRole::kKERNEL, weights_of(other.head)) && refitter->refitCudaEngine());
  EXPECT(error(run(*engines[2], x), expected(other, x)) < 1e-3);
  EXPECT(error(run(*engines[0], x), expected(model, x)) < 1e-3);
  return finish(logger);
}
