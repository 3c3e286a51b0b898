// INT8 with an entropy calibrator that reads batches from device memory and keeps its cache.
#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kBatches = 4, kBatch = 2, kPixels = 4 * 8 * 8;

class Calibrator : public IInt8EntropyCalibrator2 {
 public:
  Calibrator() { EXPECT(cudaMalloc(&device_, kBatch * kPixels * sizeof(float)) == cudaSuccess); }
  ~Calibrator() override { cudaFree(device_); }
  int getBatchSize() const noexcept override { return kBatch; }
  bool getBatch(void* bindings[], char const* names[], int count) noexcept override {
    if (next_ == kBatches || count != 1 || std::string(names[0]) != "x") {
      return false;
    }
    std::vector<float> const batch = noise(kBatch * kPixels, 100 + next_++);
    cudaMemcpy(device_, batch.data(), batch.size() * sizeof(float), cudaMemcpyHostToDevice);
    bindings[0] = device_;
    return true;
  }
  void const* readCalibrationCache(size_t& length) noexcept override {
    length = cache.size();
    return cache.empty() ? nullptr : cache.data();
  }
  void writeCalibrationCache(void const* data, size_t length) noexcept override {
    cache.assign(static_cast<char const*>(data), length);
    ++written;
  }
  std::string cache;
  int written = 0;
  int batches() const { return next_; }

 private:
  void* device_ = nullptr;
  int next_ = 0;
};

std::vector<float> run(ICudaEngine& engine, std::vector<float> const& x) {
  IExecutionContext* context = engine.createExecutionContext();
  Buffers buffers({x.size(), static_cast<size_t>(kBatch) * 8 * 64});
  buffers.upload(0, x);
  EXPECT(context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr));
  std::vector<float> const y = buffers.download(1);
  context->destroy();
  return y;
}

ICudaEngine* build(IBuilder& builder, Calibrator* calibrator, std::vector<float> const& kernel) {
  INetworkDefinition* network = builder.createNetworkV2(explicit_batch());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{kBatch, 4, 8, 8});
  IConvolutionLayer* conv = network->addConvolutionNd(*x, 8, DimsHW{3, 3}, weights_of(kernel), no_weights());
  conv->setPaddingNd(DimsHW{1, 1});
  IActivationLayer* relu = network->addActivation(*conv->getOutput(0), ActivationType::kRELU);
  relu->getOutput(0)->setName("y");
  network->markOutput(*relu->getOutput(0));
  IBuilderConfig* config = builder.createBuilderConfig();
  EXPECT(builder.platformHasFastInt8());
  config->setFlag(BuilderFlag::kINT8);
  config->setInt8Calibrator(calibrator);
  EXPECT(config->getInt8Calibrator() == calibrator);
  ICudaEngine* engine = builder.buildEngineWithConfig(*network, *config);
  config->destroy();
  network->destroy();
  return engine;
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::vector<float> const kernel = noise(8 * 4 * 9, 1);
  std::vector<float> const x = noise(kBatch * kPixels, 2);
  std::vector<double> const exact =
      apply(conv(maps_of(x, kBatch, 4, 8, 8), kernel, {}, 8, 3, 1, 1), [](double v) { return std::fmax(v, 0.0); }).v;
  IBuilder* builder = createInferBuilder(logger);
  Calibrator fresh;
  ICudaEngine* engine = build(*builder, &fresh, kernel);
  EXPECT(engine != nullptr && fresh.batches() == kBatches && fresh.written == 1);
  std::vector<float> const y = run(*engine, x);
  double const lost = error(y, exact);
  EXPECT(lost > 1e-4 && lost < 0.05);  // eight bits are used, and used well
  engine->destroy();
  // The cache is text, one line a tensor, and spares the batches the next time.
  EXPECT(fresh.cache.compare(0, 4, "TRT-") == 0 && fresh.cache.find("\nx: ") != std::string::npos);
  Calibrator again;
  again.cache = fresh.cache;
  ICudaEngine* second = build(*builder, &again, kernel);
  EXPECT(second != nullptr && again.batches() == 0);
  EXPECT(run(*second, x) == y);
  second->destroy();
  builder->destroy();
  return finish(logger);
}
