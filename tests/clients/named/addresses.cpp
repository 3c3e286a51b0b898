// Memory that the engine's kernels cannot reach is refused where its address is given, by name and before anything
// runs: the host's for an engine on the GPU, the GPU's for one on the processor. Without a GPU all memory is the
// host's, and all of it is accepted.
#include <functional>

#include "common.h"
#include "gpu/present.h"

using namespace nvinfer1;

namespace {

constexpr int64_t kCount = 64;
constexpr size_t kBytes = kCount * sizeof(float);

/// Four kinds of memory with the same numbers.
struct Places {
  explicit Places(std::vector<float> const& values) : plain(values) {
    EXPECT(cudaMalloc(&device, kBytes) == cudaSuccess && cudaMallocHost(&pinned, kBytes) == cudaSuccess &&
           cudaMallocManaged(&managed, kBytes, cudaMemAttachGlobal) == cudaSuccess);
    fill(values);
  }
  ~Places() {
    cudaFree(device);
    cudaFreeHost(pinned);
    cudaFree(managed);
  }
  Places(Places const&) = delete;
  Places& operator=(Places const&) = delete;
  void fill(std::vector<float> const& values) {
    plain = values;
    for (void* to : {device, pinned, managed}) {
      EXPECT(cudaMemcpy(to, values.data(), kBytes, cudaMemcpyDefault) == cudaSuccess);
    }
  }
  std::vector<float> plain;
  void *device = nullptr, *pinned = nullptr, *managed = nullptr;
};

std::vector<float> read(void const* from) {
  std::vector<float> values(kCount);
  EXPECT(cudaDeviceSynchronize() == cudaSuccess);
  EXPECT(cudaMemcpy(values.data(), from, kBytes, cudaMemcpyDefault) == cudaSuccess);
  return values;
}

/// Gives what it was told to.
class GivenOutput : public IOutputAllocator {
 public:
  void* reallocateOutputAsync(char const*, void*, uint64_t, uint64_t, cudaStream_t) noexcept override { return memory; }
  void* reallocateOutput(char const*, void*, uint64_t, uint64_t) noexcept override { return memory; }
  void notifyShape(char const*, Dims const&) noexcept override {}
  void* memory = nullptr;
};

class GivenMemory : public IGpuAllocator {
 public:
  explicit GivenMemory(bool on_host) : on_host_(on_host) {}
  void* allocate(uint64_t bytes, uint64_t, AllocatorFlags) noexcept override {
    void* memory = nullptr;
    if (on_host_) {
      return posix_memalign(&memory, 256, bytes) == 0 ? memory : nullptr;
    }
    return cudaMalloc(&memory, bytes) == cudaSuccess ? memory : nullptr;
  }
  bool deallocate(void* memory) noexcept override {
    if (on_host_) {
      std::free(memory);
    } else {
      cudaFree(memory);
    }
    return true;
  }

 private:
  bool on_host_;
};

/// Counts messages of calls that are to fail.
class Refusals {
 public:
  Refusals(KeepingLogger& logger, char const* word) : logger_(logger), word_(word) {}
  /// One message that has the tensor's name and says which memory it is.
  void expect(char const* name, bool succeeded) {
    ++wanted_;
    bool const one = logger_.errors.size() == wanted_;
    bool const named = one && logger_.errors.back().find(std::string("'") + name + "'") != std::string::npos &&
                       logger_.errors.back().find(word_) != std::string::npos;
    if (succeeded || !named) {
      std::fprintf(stderr, "'%s' in %s %s; %d messages of %d, the last '%s'\n", name, word_,
                   succeeded ? "was accepted" : "was refused", static_cast<int>(logger_.errors.size()),
                   static_cast<int>(wanted_), logger_.errors.empty() ? "" : logger_.errors.back().c_str());
      ++failures();
      wanted_ = logger_.errors.size();
    }
  }
  size_t count() const { return wanted_; }

 private:
  KeepingLogger& logger_;
  char const* word_;
  size_t wanted_ = 0;
};

/// y = max(x, 0), which takes memory for a value between.
Owned<IHostMemory> plan_of(Project& p) {
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{8, kCount / 8});
  ISoftMaxLayer* soft = p.network->addSoftMax(*x);
  soft->setAxes(1);
  ISoftMaxLayer* again = p.network->addSoftMax(*soft->getOutput(0));
  again->setAxes(2);
  ITensor* y = p.network->addElementWise(*again->getOutput(0), *x, ElementWiseOperation::kSUM)->getOutput(0);
  output(*p.network, *y, "y");
  return Owned<IHostMemory>(p.builder->buildSerializedNetwork(*p.network, *p.config));
}

std::vector<double> wanted_of(std::vector<float> const& x) {
  constexpr int kRows = 8, kColumns = kCount / kRows;
  std::vector<double> y(x.begin(), x.end());
  auto over = [&](int outer, int inner, int outer_step, int inner_step) {
    for (int i = 0; i < outer; ++i) {
      double sum = 0;
      for (int j = 0; j < inner; ++j) {
        double& v = y[static_cast<size_t>(i * outer_step + j * inner_step)];
        v = std::exp(v);
        sum += v;
      }
      for (int j = 0; j < inner; ++j) {
        y[static_cast<size_t>(i * outer_step + j * inner_step)] /= sum;
      }
    }
  };
  over(kColumns, kRows, 1, kColumns);
  over(kRows, kColumns, kColumns, 1);
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] += x[i];
  }
  return y;
}

/// Everywhere that an address is given. `foreign` is memory that the engine cannot reach, null if there is none; `good`
/// are kinds that it can.
size_t test(IRuntime& runtime, KeepingLogger& logger, IHostMemory& plan, Places& places, void* foreign,
            char const* word, std::vector<void*> const& good) {
  Owned<ICudaEngine> engine(runtime.deserializeCudaEngine(plan.data(), plan.size()));
  EXPECT(engine != nullptr);
  if (engine == nullptr) {
    return 0;
  }
  logger.errors.clear();
  Refusals refusals(logger, word);
  Owned<IExecutionContext> context(engine->createExecutionContext());
  void* const home = good[0];
  std::vector<double> const wanted = wanted_of(places.plain);
  Places results(std::vector<float>(kCount, 0.0F));
  std::vector<void*> const targets{home == places.device ? results.device : results.plain.data(), results.pinned,
                                   results.managed};
  auto runs = [&] {
    bool const ran = context->enqueueV3(nullptr);
    EXPECT(ran && error(read(context->getOutputTensorAddress("y")), wanted) < 1e-5);
  };
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT(context->setInputTensorAddress("x", good[i]) && context->setOutputTensorAddress("y", targets[i]));
    runs();
    void* bindings[] = {good[i], targets[i]};
    EXPECT(context->executeV2(bindings) && error(read(targets[i]), wanted) < 1e-5);
  }
  EXPECT(logger.errors.empty());
  if (foreign == nullptr) {
    return 0;
  }
  refusals.expect("x", context->setTensorAddress("x", foreign));
  refusals.expect("y", context->setTensorAddress("y", foreign));
  refusals.expect("x", context->setInputTensorAddress("x", foreign));
  refusals.expect("y", context->setOutputTensorAddress("y", foreign));
  runs();  // with the addresses that were set before
  void* first[] = {foreign, targets[0]};
  void* second[] = {home, foreign};
  refusals.expect("x", context->executeV2(first));
  refusals.expect("y", context->executeV2(second));
  EXPECT(context->setTensorAddress("x", home) && context->setTensorAddress("y", targets[0]));
  GivenOutput given;
  EXPECT(context->setOutputAllocator("y", &given));
  given.memory = targets[0];
  runs();
  given.memory = foreign;
  refusals.expect("y", context->enqueueV3(nullptr));
  EXPECT(context->setOutputAllocator("y", nullptr) && context->setTensorAddress("y", targets[0]));
  runs();
  {
    Owned<IExecutionContext> bare(engine->createExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED));
    int64_t const needed = engine->getDeviceMemorySizeV2();
    EXPECT(needed > 0);
    bool const host = foreign != places.device;
    GivenMemory other(host);
    void* const memory = other.allocate(static_cast<uint64_t>(needed), 256, 0);
    bare->setDeviceMemoryV2(memory, needed);
    refusals.expect("activations", false);
    EXPECT(bare->setTensorAddress("x", home) && bare->setTensorAddress("y", targets[0]));
    size_t const before = logger.errors.size();
    EXPECT(!bare->enqueueV3(nullptr) && logger.errors.size() == before + 1);  // there is none still
    logger.errors.pop_back();
    other.deallocate(memory);
    EXPECT(context->setTemporaryStorageAllocator(&other));
    refusals.expect("activations", context->enqueueV3(nullptr));
    EXPECT(context->setTemporaryStorageAllocator(nullptr));
    runs();
  }
  return refusals.count();
}

/// Weights in device memory, which the refitter is told of or not. y = x w.
void test_refit(bool gpu) {
  constexpr int64_t kSide = 8;
  Project p;
  std::vector<float> const first = noise(kSide * kSide, 1), second = noise(kSide * kSide, 2), x = noise(kSide, 3);
  ITensor* in = p.network->addInput("x", DataType::kFLOAT, Dims2{1, kSide});
  IConstantLayer* w = p.network->addConstant(Dims2{kSide, kSide}, weights_of(first));
  w->setName("w");
  EXPECT(p.network->setWeightsName(weights_of(first), "the matrix"));
  output(*p.network,
         *p.network->addMatrixMultiply(*in, MatrixOperation::kNONE, *w->getOutput(0), MatrixOperation::kTRANSPOSE)
              ->getOutput(0),
         "y");
  p.config->setFlag(BuilderFlag::kREFIT);
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  Session s(*engine);
  s.set("x", x);
  s.expect("y", kSide * sizeof(float));
  auto gives = [&](std::vector<float> const& weights) {
    std::vector<double> const wanted =
        dense(std::vector<double>(x.begin(), x.end()), 1, weights, std::vector<float>(kSide), kSide);
    EXPECT(s.run() && error(s.get<float>("y"), wanted) < 2e-3);
  };
  gives(first);
  Owned<IRefitter> refitter(createInferRefitter(*engine, p.logger));
  void* device = nullptr;
  size_t const bytes = second.size() * sizeof(float);
  EXPECT(cudaMalloc(&device, bytes) == cudaSuccess);
  EXPECT(cudaMemcpy(device, second.data(), bytes, cudaMemcpyHostToDevice) == cudaSuccess);
  Weights const there{DataType::kFLOAT, device, kSide * kSide};
  if (gpu) {
    EXPECT(!refitter->setNamedWeights("the matrix", there) &&
           !refitter->setWeights("w", WeightsRole::kCONSTANT, there));
    EXPECT(!refitter->setNamedWeights("the matrix", weights_of(second), TensorLocation::kDEVICE));
    EXPECT(p.logger.errors.size() == 3);
    for (size_t i = 0; i < p.logger.errors.size(); ++i) {
      EXPECT(p.logger.errors[i].find("weights 'the matrix' are ") != std::string::npos &&
             p.logger.errors[i].find(i == 2 ? "in host memory" : "in device memory") != std::string::npos);
    }
    p.logger.errors.clear();
  }
  EXPECT(refitter->setNamedWeights("the matrix", there, TensorLocation::kDEVICE));
  EXPECT(refitter->getWeightsLocation("the matrix") == TensorLocation::kDEVICE);
  gives(first);
  EXPECT(refitter->refitCudaEngineAsync(s.stream));
  gives(second);
  EXPECT(refitter->setNamedWeights("the matrix", weights_of(first)) && refitter->refitCudaEngine());
  gives(first);
  cudaFree(device);
  EXPECT(p.logger.errors.empty());
}

}  // namespace

int main() {
  bool const gpu = gpu_present();
  Project p;
  Owned<IHostMemory> plan = plan_of(p);
  EXPECT(plan != nullptr);
  std::vector<float> const x = noise(kCount, 5);
  Places places(x);
  float* const plain = places.plain.data();
  size_t refused = 0;
  test_refit(gpu);
  if (gpu) {
    refused +=
        test(*p.runtime, p.logger, *plan, places, plain, "host memory", {places.device, places.pinned, places.managed});
    setenv("TENON_DEVICE", "cpu", 1);
    refused += test(*p.runtime, p.logger, *plan, places, places.device, "device memory",
                    {plain, places.pinned, places.managed});
    EXPECT(refused == 18);
  } else {
    test(*p.runtime, p.logger, *plan, places, nullptr, "", {places.device, places.pinned, places.managed});
  }
  std::printf("%d refused; %d failures\n", static_cast<int>(refused), failures());
  return failures() != 0;
}
