// A TensorRT 7 program like the ports of ResNets: batch normalization as scale layers, shortcuts, a fully connected
// head, INT8 from dynamic ranges through the old builder, an allocator and a profiler of the program's, and new weights
// by layer and role while contexts exist.
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "NvInferRuntime.h"
#include "bindings/common.h"

using namespace nvinfer1;

namespace {

constexpr int kMost = 3, kChannels = 8, kSide = 6, kClasses = 5;

class CountingAllocator : public IGpuAllocator {
 public:
  void* allocate(uint64_t size, uint64_t, uint32_t) override {
    void* memory = nullptr;
    ++made;
    return cudaMalloc(&memory, size) == cudaSuccess ? memory : nullptr;
  }
  void free(void* memory) override {
    freed += memory != nullptr;
    cudaFree(memory);
  }
  int made = 0, freed = 0;
};

class Times : public IProfiler {
 public:
  void reportLayerTime(char const* name, float ms) override { total[name] += ms; }
  std::map<std::string, float> total;
};

struct Model {
  std::vector<float> stem = noise(kChannels * 3 * 9, 1);
  std::vector<float> block = noise(kChannels * kChannels * 9, 2);
  std::vector<float> gamma = noise(kChannels, 3), beta = noise(kChannels, 4), mean = noise(kChannels, 5),
                     variance = noise(kChannels, 6);
  std::vector<float> head = noise(kClasses * kChannels, 7), head_bias = noise(kClasses, 8);
  std::vector<float> scale, shift, power = std::vector<float>(kChannels, 1.0F);
  Model() {
    for (int c = 0; c < kChannels; ++c) {
      variance[c] = 0.5F + variance[c] * variance[c];
      scale.push_back(gamma[c] / std::sqrt(variance[c] + 1e-5F));
      shift.push_back(beta[c] - mean[c] * scale[c]);
    }
  }
};

ITensor* normalized(INetworkDefinition& network, ITensor& x, Model const& m, char const* name) {
  IScaleLayer* scale =
      network.addScale(x, ScaleMode::kCHANNEL, weights_of(m.shift), weights_of(m.scale), weights_of(m.power));
  scale->setName(name);
  return scale->getOutput(0);
}

void describe(INetworkDefinition& network, Model const& m, bool int8) {
  ITensor* x = network.addInput("image", DataType::kFLOAT, DimsCHW{3, kSide, kSide});
  IConvolutionLayer* stem = network.addConvolution(*x, kChannels, DimsHW{3, 3}, weights_of(m.stem), no_weights());
  stem->setPadding(DimsHW{1, 1});
  stem->setName("stem");
  ITensor* y = normalized(network, *stem->getOutput(0), m, "stem_bn");
  y = network.addActivation(*y, ActivationType::kRELU)->getOutput(0);
  IConvolutionLayer* block = network.addConvolution(*y, kChannels, DimsHW{3, 3}, weights_of(m.block), no_weights());
  block->setPadding(DimsHW{1, 1});
  block->setName("block");
  ITensor* z = normalized(network, *block->getOutput(0), m, "block_bn");
  z = network.addElementWise(*z, *y, ElementWiseOperation::kSUM)->getOutput(0);
  z = network.addActivation(*z, ActivationType::kRELU)->getOutput(0);
  IPoolingLayer* pool = network.addPooling(*z, PoolingType::kAVERAGE, DimsHW{kSide, kSide});
  IFullyConnectedLayer* head =
      network.addFullyConnected(*pool->getOutput(0), kClasses, weights_of(m.head), weights_of(m.head_bias));
  head->setName("head");
  head->getOutput(0)->setName("scores");
  network.markOutput(*head->getOutput(0));
  if (int8) {
    x->setDynamicRange(-1.0F, 1.0F);
    for (int l = 0; l < network.getNbLayers(); ++l) {
      ILayer* layer = network.getLayer(l);
      for (int o = 0; o < layer->getNbOutputs(); ++o) {
        EXPECT(layer->getOutput(o)->setDynamicRange(-24.0F, 24.0F));
      }
    }
  }
}

std::vector<double> expected(Model const& m, std::vector<float> const& images, int batch) {
  auto bn = [&](Maps x) {
    for (int n = 0; n < x.n; ++n) {
      for (int c = 0; c < x.c; ++c) {
        for (int i = 0; i < x.h * x.w; ++i) {
          x.at(n, c, i / x.w, i % x.w) = x.at(n, c, i / x.w, i % x.w) * m.scale[c] + m.shift[c];
        }
      }
    }
    return x;
  };
  auto relu = [](double v) { return v > 0 ? v : 0; };
  Maps const y = apply(bn(conv(maps_of(images, batch, 3, kSide, kSide), m.stem, {}, kChannels, 3, 1, 1)), relu);
  Maps z = bn(conv(y, m.block, {}, kChannels, 3, 1, 1));
  for (size_t i = 0; i < z.v.size(); ++i) {
    z.v[i] = relu(z.v[i] + y.v[i]);
  }
  return dense(pool(z, kSide, kSide, true).v, batch, m.head, m.head_bias, kClasses);
}

double run(IExecutionContext& context, Model const& m) {
  Buffers buffers({kMost * 3 * kSide * kSide, kMost * kClasses});
  double worst = 0;
  for (int batch = 1; batch <= kMost; ++batch) {
    std::vector<float> const images = noise(static_cast<size_t>(batch) * 3 * kSide * kSide, 60);
    buffers.upload(0, images);
    EXPECT(context.execute(batch, buffers.bindings()));
    worst =
        std::fmax(worst, error(buffers.download(1, static_cast<size_t>(batch) * kClasses), expected(m, images, batch)));
  }
  return worst;
}

}  // namespace

int main() {
  KeepingLogger logger;
  CountingAllocator allocator;
  Model const model;
  IBuilder* builder = createInferBuilder(logger);
  builder->setMaxBatchSize(kMost);
  builder->setGpuAllocator(&allocator);
  {  // INT8 by ranges, the old way
    INetworkDefinition* network = builder->createNetwork();
    describe(*network, model, true);
    builder->setInt8Mode(true);
    builder->setInt8Calibrator(nullptr);
    ICudaEngine* engine = builder->buildCudaEngine(*network);
    EXPECT(engine != nullptr);
    IExecutionContext* context = engine->createExecutionContext();
    double const off = run(*context, model);
    EXPECT(off > 1e-4 && off < 0.25);  // 8 bits were used, and are near
    context->destroy();
    engine->destroy();
    network->destroy();
    builder->setInt8Mode(false);
  }
  INetworkDefinition* network = builder->createNetwork();
  describe(*network, model, false);
  IBuilderConfig* config = builder->createBuilderConfig();
  config->setMaxWorkspaceSize(1 << 20);
  config->setFlag(BuilderFlag::kREFIT);
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr && engine->isRefittable());
  config->destroy();
  network->destroy();
  IExecutionContext* context = engine->createExecutionContext();
  Times times;
  context->setProfiler(&times);
  EXPECT(run(*context, model) < 1e-4 && !times.total.empty());
  context->setProfiler(nullptr);

  Model other;
  for (size_t i = 0; i < other.block.size(); ++i) {
    other.block[i] = -other.block[i];
  }
  for (int c = 0; c < kChannels; ++c) {
    other.shift[c] += 0.5F;
  }
  IRefitter* refitter = createInferRefitter(*engine, logger);
  EXPECT(refitter->setWeights("block", WeightsRole::kKERNEL, weights_of(other.block)));
  EXPECT(refitter->setWeights("stem_bn", WeightsRole::kSHIFT, weights_of(other.shift)));
  EXPECT(refitter->setWeights("block_bn", WeightsRole::kSHIFT, weights_of(other.shift)));
  EXPECT(!refitter->setWeights("block", WeightsRole::kSHIFT, weights_of(other.shift)));  // it has none
  EXPECT(!refitter->setWeights("nobody", WeightsRole::kKERNEL, weights_of(other.block)));
  int const missing = refitter->getMissing(0, nullptr, nullptr);
  std::vector<char const*> names(static_cast<size_t>(missing));
  std::vector<WeightsRole> roles(static_cast<size_t>(missing));
  refitter->getMissing(missing, names.data(), roles.data());
  for (int i = 0; i < missing; ++i) {  // what belongs together is given again
    std::string const name = names[i];
    std::vector<float> const& same = name == "stem"    ? other.stem
                                     : name == "block" ? other.block
                                     : name == "head"  ? (roles[i] == WeightsRole::kBIAS ? other.head_bias : other.head)
                                     : roles[i] == WeightsRole::kSCALE ? other.scale
                                                                       : other.shift;
    EXPECT(refitter->setWeights(names[i], roles[i], weights_of(same)));
  }
  EXPECT(refitter->refitCudaEngine());
  refitter->destroy();
  EXPECT(run(*context, other) < 1e-4);
  context->destroy();
  engine->destroy();
  builder->destroy();
  EXPECT(allocator.made > 0 && allocator.made == allocator.freed);
  return finish(logger, 2);  // the two weights that nothing has
}
