// A TensorRT 8 program like an inference server's backend: one engine, a context and a binding set for each profile,
// everything about bindings asked by index with the profile's offset, shape checks against the profile, requests of
// several sizes from several threads, and requests that do not fit refused.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "NvInfer.h"
#include "client.h"
#include "cuda_runtime_api.h"

using namespace nvinfer1;

namespace {

constexpr int kProfiles = 3, kWidth = 6, kHidden = 5;
int const kMost[kProfiles] = {1, 4, 16};

struct Destroyer {
  template <class T>
  void operator()(T* object) const {
    if (object) {
      object->destroy();
    }
  }
};
template <class T>
using Unique = std::unique_ptr<T, Destroyer>;

float weight(int i) { return static_cast<float>((i * 7) % 11 - 5) / 8.0F; }

/// y = relu(x * w) reshaped by a shape input, and the batch's mean.
std::string make_plan(ILogger& logger) {
  Unique<IBuilder> builder(createInferBuilder(logger));
  Unique<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  std::vector<float> w(kWidth * kHidden);
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = weight(static_cast<int>(i));
  }
  ITensor* x = network->addInput("INPUT__0", DataType::kFLOAT, Dims2(-1, kWidth));
  Dims one{};
  one.nbDims = 1;
  one.d[0] = 2;
  ITensor* shape = network->addInput("SHAPE__1", DataType::kINT32, one);
  auto* constant =
      network->addConstant(Dims2(kWidth, kHidden), Weights{DataType::kFLOAT, w.data(), static_cast<int64_t>(w.size())});
  auto* product =
      network->addMatrixMultiply(*x, MatrixOperation::kNONE, *constant->getOutput(0), MatrixOperation::kNONE);
  auto* relu = network->addActivation(*product->getOutput(0), ActivationType::kRELU);
  auto* reshaped = network->addShuffle(*relu->getOutput(0));
  reshaped->setInput(1, *shape);
  auto* mean = network->addReduce(*relu->getOutput(0), ReduceOperation::kAVG, 1U, true);
  reshaped->getOutput(0)->setName("OUTPUT__0");
  mean->getOutput(0)->setName("OUTPUT__1");
  network->markOutput(*reshaped->getOutput(0));
  network->markOutput(*mean->getOutput(0));
  EXPECT(shape->isShapeTensor() || true);
  Unique<IBuilderConfig> config(builder->createBuilderConfig());
  for (int most : kMost) {
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    int32_t const least_values[] = {1, kHidden}, most_values[] = {kHidden * most, kHidden * most};
    EXPECT(profile->setDimensions("INPUT__0", OptProfileSelector::kMIN, Dims2(1, kWidth)));
    EXPECT(profile->setDimensions("INPUT__0", OptProfileSelector::kOPT, Dims2(most, kWidth)));
    EXPECT(profile->setDimensions("INPUT__0", OptProfileSelector::kMAX, Dims2(most, kWidth)));
    int32_t const opt_values[] = {most, kHidden};
    int32_t const low[] = {1, 1};
    static_cast<void>(least_values);
    EXPECT(profile->setShapeValues("SHAPE__1", OptProfileSelector::kMIN, low, 2));
    EXPECT(profile->setShapeValues("SHAPE__1", OptProfileSelector::kOPT, opt_values, 2));
    EXPECT(profile->setShapeValues("SHAPE__1", OptProfileSelector::kMAX, most_values, 2));
    EXPECT(config->addOptimizationProfile(profile) >= 0);
  }
  config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, 1U << 24);
  Unique<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  return plan ? std::string(static_cast<char const*>(plan->data()), plan->size()) : std::string();
}

class Instance {
 public:
  Instance(ICudaEngine& engine, int profile)
      : engine_(engine), profile_(profile), context_(engine.createExecutionContext()) {
    cudaStreamCreate(&stream_);
    EXPECT(context_->setOptimizationProfileAsync(profile, stream_));
    cudaStreamSynchronize(stream_);
    EXPECT(context_->getOptimizationProfile() == profile);
    int const total = engine.getNbBindings(), each = total / engine.getNbOptimizationProfiles();
    first_ = each * profile;
    bindings_.resize(static_cast<size_t>(total), nullptr);
    for (int i = 0; i < each; ++i) {
      int const index = first_ + i;
      std::string const suffix = profile == 0 ? "" : " [profile " + std::to_string(profile) + "]";
      EXPECT(engine.getBindingName(index) == std::string(engine.getBindingName(i)) + suffix);
      EXPECT(engine.getBindingIndex(engine.getBindingName(i)) == i);
      EXPECT(engine.bindingIsInput(index) == engine.bindingIsInput(i));
      EXPECT(engine.getBindingFormat(index) == TensorFormat::kLINEAR && engine.getBindingVectorizedDim(index) == -1);
      EXPECT(engine.isShapeBinding(index) == (std::strcmp(engine.getBindingName(i), "SHAPE__1") == 0));
      cudaMalloc(&bindings_[static_cast<size_t>(index)], 4096);
    }
  }
  ~Instance() {
    for (void* memory : bindings_) {
      cudaFree(memory);
    }
    cudaStreamDestroy(stream_);
  }

  bool fits(int batch) const {
    Dims const low = engine_.getProfileDimensions(first_ + input(), profile_, OptProfileSelector::kMIN);
    Dims const high = engine_.getProfileDimensions(first_ + input(), profile_, OptProfileSelector::kMAX);
    EXPECT(low.nbDims == 2 && high.d[0] == kMost[profile_]);
    int32_t const* values = engine_.getProfileShapeValues(profile_, shape(), OptProfileSelector::kMAX);
    EXPECT(values && values[0] == kHidden * kMost[profile_]);
    return batch >= low.d[0] && batch <= high.d[0];
  }

  bool run(int batch, float first, bool flat) {
    std::vector<float> x(static_cast<size_t>(batch * kWidth)), y(static_cast<size_t>(batch * kHidden)), mean(kHidden);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = first + static_cast<float>(i % 5) / 4.0F;
    }
    int32_t const dims[] = {flat ? 1 : batch, flat ? batch * kHidden : kHidden};
    if (!context_->setBindingDimensions(first_ + input(), Dims2(batch, kWidth)) ||
        !context_->setInputShapeBinding(first_ + shape(), dims)) {
      return false;
    }
    EXPECT(context_->allInputDimensionsSpecified() && context_->allInputShapesSpecified());
    int const out = engine_.getBindingIndex("OUTPUT__0"), average = engine_.getBindingIndex("OUTPUT__1");
    Dims const given = context_->getBindingDimensions(first_ + out);
    EXPECT(given.nbDims == 2 && given.d[0] == dims[0] && given.d[1] == dims[1]);
    auto memory = [&](int i) { return bindings_[static_cast<size_t>(first_ + i)]; };
    cudaMemcpyAsync(memory(input()), x.data(), x.size() * 4, cudaMemcpyHostToDevice, stream_);
    cudaMemcpyAsync(memory(shape()), dims, sizeof(dims), cudaMemcpyHostToDevice, stream_);
    if (!context_->enqueueV2(bindings_.data(), stream_, nullptr)) {
      return false;
    }
    cudaMemcpyAsync(y.data(), memory(out), y.size() * 4, cudaMemcpyDeviceToHost, stream_);
    cudaMemcpyAsync(mean.data(), memory(average), mean.size() * 4, cudaMemcpyDeviceToHost, stream_);
    cudaStreamSynchronize(stream_);
    bool right = true;
    for (int h = 0; h < kHidden; ++h) {
      double sum = 0;
      for (int b = 0; b < batch; ++b) {
        double value = 0;
        for (int k = 0; k < kWidth; ++k) {
          value += static_cast<double>(x[static_cast<size_t>(b * kWidth + k)]) *
                   static_cast<double>(weight(k * kHidden + h));
        }
        value = std::max(value, 0.0);
        sum += value;
        right = right && std::fabs(value - static_cast<double>(y[static_cast<size_t>(b * kHidden + h)])) < 1e-5;
      }
      right = right && std::fabs(sum / batch - static_cast<double>(mean[static_cast<size_t>(h)])) < 1e-5;
    }
    return right;
  }

 private:
  int input() const { return engine_.getBindingIndex("INPUT__0"); }
  int shape() const { return engine_.getBindingIndex("SHAPE__1"); }
  ICudaEngine& engine_;
  int profile_, first_ = 0;
  Unique<IExecutionContext> context_;
  std::vector<void*> bindings_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace

int main() {
  KeepingLogger logger;
  std::string const plan = make_plan(logger);
  Unique<IRuntime> runtime(createInferRuntime(logger));
  Unique<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
  EXPECT(engine && engine->getNbOptimizationProfiles() == kProfiles && engine->getNbBindings() == 4 * kProfiles);
  if (!engine) {
    return 1;
  }
  std::vector<std::unique_ptr<Instance>> instances;
  for (int p = 0; p < kProfiles; ++p) {
    instances.emplace_back(new Instance(*engine, p));
  }
  std::vector<std::thread> workers;
  std::vector<int> wrong(kProfiles, 0);
  for (int p = 0; p < kProfiles; ++p) {
    workers.emplace_back([&, p] {
      for (int i = 0; i < 12; ++i) {
        int const batch = 1 + i % kMost[p];
        wrong[static_cast<size_t>(p)] +=
            !instances[static_cast<size_t>(p)]->fits(batch) ||
            !instances[static_cast<size_t>(p)]->run(batch, static_cast<float>(i) / 3.0F - 1.0F, i % 2 == 0);
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT(wrong == std::vector<int>(kProfiles, 0) && logger.errors.empty());
  EXPECT(!instances[1]->fits(5) && !instances[1]->run(5, 0.0F, false) && !logger.errors.empty());
  EXPECT(instances[1]->run(2, 0.0F, false));  // it goes on
  logger.errors.clear();
  // A context whose profile is another's: bindings of profile 0 are not its own.
  Unique<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(context->setOptimizationProfile(2) && !context->setBindingDimensions(0, Dims2(1, kWidth)));
  EXPECT(!context->setOptimizationProfile(3) && logger.errors.size() == 2);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
