// A plan that was built for the GPU runs on the processor, one that was built for the processor on the GPU; one with a
// plugin, whose code works with the CUDA runtime of its process, runs where that runtime does and says so elsewhere.
#include <cstring>

#include "common.h"
#include "gpu/present.h"
#include "gpu/same_shape.h"

using namespace nvinfer1;

namespace {

constexpr int kBatch = 2, kMaps = 16, kSide = 12, kClasses = 10;

/// The processor for what is built and loaded while it lives.
class OnProcessor {
 public:
  explicit OnProcessor(bool wanted) {
    if (wanted) {
      setenv("TENON_DEVICE", "cpu", 1);
    }
  }
  ~OnProcessor() { unsetenv("TENON_DEVICE"); }
  OnProcessor(OnProcessor const&) = delete;
  OnProcessor& operator=(OnProcessor const&) = delete;
};

/// y = x.
class Same : public SameShapeV2<Same> {
 public:
  Same() : SameShapeV2("Same") {}
  int32_t enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    size_t bytes = sizeof(float);
    for (int i = 0; i < desc[0].dims.nbDims; ++i) {
      bytes *= static_cast<size_t>(desc[0].dims.d[i]);
    }
    return cudaMemcpyAsync(out[0], in[0], bytes, cudaMemcpyDefault, stream) == cudaSuccess ? 0 : 1;
  }
};

class SameCreator : public IPluginCreator {
 public:
  char const* getPluginName() const noexcept override { return "Same"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override { return new Same; }
  IPluginV2* deserializePlugin(char const*, void const*, size_t) noexcept override { return new Same; }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  PluginFieldCollection none_{0, nullptr};
};
REGISTER_TENSORRT_PLUGIN(SameCreator);

/// Convolution, pooling, dense layer, softmax, at any batch up to kBatch.
struct Classifier {
  std::vector<float> const w = noise(kMaps * 3 * 9, 1), b = noise(kMaps, 2),
                           v = noise(kClasses * kMaps * kSide / 2 * kSide / 2, 3), c = noise(kClasses, 4);
  std::vector<float> const x = noise(kBatch * 3 * kSide * kSide, 5);

  Owned<IHostMemory> plan(Project& p, bool with_plugin) const {
    ITensor* in = p.network->addInput("x", DataType::kFLOAT, dims_of({-1, 3, kSide, kSide}));
    ITensor* h = in;
    if (with_plugin) {
      Same same;
      IPluginV2Layer* layer = p.network->addPluginV2(&in, 1, same);
      layer->setName("same");
      h = layer->getOutput(0);
    }
    IConvolutionLayer* conv = p.network->addConvolutionNd(*h, kMaps, DimsHW{3, 3}, weights_of(w), weights_of(b));
    conv->setPaddingNd(DimsHW{1, 1});
    ITensor* bent = p.network->addActivation(*conv->getOutput(0), ActivationType::kRELU)->getOutput(0);
    IPoolingLayer* pool = p.network->addPoolingNd(*bent, PoolingType::kMAX, DimsHW{2, 2});
    pool->setStrideNd(DimsHW{2, 2});
    IConvolutionLayer* dense = p.network->addConvolutionNd(*pool->getOutput(0), kClasses, DimsHW{kSide / 2, kSide / 2},
                                                           weights_of(v), weights_of(c));
    ISoftMaxLayer* soft = p.network->addSoftMax(*dense->getOutput(0));
    soft->setAxes(2);
    output(*p.network, *soft->getOutput(0), "y");
    IOptimizationProfile* profile = p.builder->createOptimizationProfile();
    profile->setDimensions("x", OptProfileSelector::kMIN, dims_of({1, 3, kSide, kSide}));
    profile->setDimensions("x", OptProfileSelector::kOPT, dims_of({kBatch, 3, kSide, kSide}));
    profile->setDimensions("x", OptProfileSelector::kMAX, dims_of({kBatch, 3, kSide, kSide}));
    p.config->addOptimizationProfile(profile);
    return Owned<IHostMemory>(p.builder->buildSerializedNetwork(*p.network, *p.config));
  }
  std::vector<double> run() const {
    Maps const h = conv(maps_of(x, kBatch, 3, kSide, kSide), w, b, kMaps, 3, 1, 1);
    Maps bent = h;
    for (double& value : bent.v) {
      value = std::fmax(value, 0.0);
    }
    Maps y = conv(pool(bent, 2, 2, false), v, c, kClasses, kSide / 2, 1, 0);
    for (int i = 0; i < kBatch; ++i) {
      double sum = 0;
      for (int j = 0; j < kClasses; ++j) {
        sum += std::exp(y.at(i, j, 0, 0));
      }
      for (int j = 0; j < kClasses; ++j) {
        y.at(i, j, 0, 0) = std::exp(y.at(i, j, 0, 0)) / sum;
      }
    }
    return y.v;
  }
};

/// On the processor tensors lie in the host's memory, whichever runtime the process has.
std::vector<float> outputs_of(ICudaEngine& engine, std::vector<float> const& x, bool processor) {
  std::vector<float> y(kBatch * kClasses);
  Session s(engine);
  EXPECT(s.context->setInputShape("x", dims_of({kBatch, 3, kSide, kSide})));
  if (!processor) {
    s.set("x", x);
    s.expect("y", y.size() * sizeof(float));
    EXPECT(s.run());
    return s.get<float>("y", y.size());
  }
  EXPECT(s.context->setInputTensorAddress("x", x.data()) && s.context->setTensorAddress("y", y.data()));
  EXPECT(s.run() && cudaStreamSynchronize(s.stream) == cudaSuccess);
  return y;
}

Owned<ICudaEngine> load(Project& p, IHostMemory const& plan, bool processor) {
  OnProcessor const device(processor);
  return Owned<ICudaEngine>(p.runtime->deserializeCudaEngine(plan.data(), plan.size()));
}

void refused(Project& p, bool succeeded) {
  bool const one = p.logger.errors.size() == 1;
  EXPECT(!succeeded && one && p.logger.errors[0].find("'same'") != std::string::npos &&
         p.logger.errors[0].find("plugins of this process work with the CUDA runtime") != std::string::npos &&
         p.logger.errors[0].find("run it on the GPU") != std::string::npos);
  for (std::string const& error : p.logger.errors) {
    std::printf("%s\n", error.c_str());
  }
  p.logger.errors.clear();
}

}  // namespace

int main() {
  bool const gpu = gpu_present();
  Classifier const classifier;
  std::vector<double> const wanted = classifier.run();
  for (bool processor : {false, true}) {
    Project p;
    Owned<IHostMemory> plan;
    {
      OnProcessor const device(processor);
      plan = classifier.plan(p, false);
    }
    EXPECT(plan != nullptr);
    for (bool runs_on_processor : {true, false, true}) {
      Owned<ICudaEngine> engine = load(p, *plan, runs_on_processor);
      EXPECT(engine != nullptr);
      double const off = error(outputs_of(*engine, classifier.x, runs_on_processor), wanted);
      EXPECT(off < 2e-3);
      Owned<IHostMemory> again(engine->serialize());  // what was loaded is a plan as well
      Owned<ICudaEngine> other = load(p, *again, !runs_on_processor);
      EXPECT(other != nullptr && error(outputs_of(*other, classifier.x, !runs_on_processor), wanted) < 2e-3);
      std::printf("built for the %s, run on the %s: %.1e\n", processor ? "processor" : "GPU",
                  runs_on_processor ? "processor" : "GPU", off);
    }
    EXPECT(p.logger.errors.empty());
  }

  Project p;
  Owned<IHostMemory> plan = classifier.plan(p, true);
  EXPECT(plan != nullptr);
  Owned<ICudaEngine> engine = load(p, *plan, false);
  EXPECT(engine != nullptr && error(outputs_of(*engine, classifier.x, false), wanted) < 2e-3);
  EXPECT(p.logger.errors.empty());
  if (gpu) {
    refused(p, load(p, *plan, true) != nullptr);
    Project other;
    OnProcessor const device(true);
    refused(other, classifier.plan(other, true) != nullptr);
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
