// What enqueueV3 costs once shapes and addresses have been seen: no lock, no allocation on the host or the device, no
// question whose an address is, and on a GPU at most 8 us of processor time, the launch of the recording included.
#include "counted.h"

#include <time.h>

#include <algorithm>

#include "common.h"
#include "gpu/present.h"

using namespace nvinfer1;

namespace {

constexpr int kTurns = 1000, kBetweenWaits = 20;
constexpr double kMostMicroseconds = 8;
constexpr int64_t kWidth = 64;
constexpr int kLayers = 12;

double thread_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

/// Dense layers, each with an activation and a sum with what came before it: y[rows, kWidth] of x[rows, kWidth].
struct Layers {
  explicit Layers(Project& p, int64_t rows) {
    ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{rows, kWidth});
    ITensor* h = x;
    for (uint32_t i = 0; i < kLayers; ++i) {
      weights.push_back(noise(kWidth * kWidth, i + 1));
      for (float& w : weights.back()) {
        w *= 0.125F;
      }
      ITensor& w = constant(*p.network, {kWidth, kWidth}, weights.back());
      ITensor* product =
          p.network->addMatrixMultiply(*h, MatrixOperation::kNONE, w, MatrixOperation::kTRANSPOSE)->getOutput(0);
      ITensor* bent = p.network->addActivation(*product, ActivationType::kTANH)->getOutput(0);
      h = p.network->addElementWise(*bent, *h, ElementWiseOperation::kSUM)->getOutput(0);
      ISoftMaxLayer* soft = p.network->addSoftMax(*h);
      soft->setAxes(2);
      h = p.network->addElementWise(*h, *soft->getOutput(0), ElementWiseOperation::kSUM)->getOutput(0);
    }
    output(*p.network, *h, "y");
  }
  std::vector<double> run(std::vector<float> const& x) const {
    std::vector<double> h(x.begin(), x.end());
    int const rows = static_cast<int>(x.size() / kWidth);
    for (auto const& w : weights) {
      std::vector<double> const product = dense(h, rows, w, std::vector<float>(kWidth), kWidth);
      for (int r = 0; r < rows; ++r) {
        double sum = 0;
        for (int64_t i = r * kWidth; i < (r + 1) * kWidth; ++i) {
          h[i] += std::tanh(product[i]);
          sum += std::exp(h[i]);
        }
        for (int64_t i = r * kWidth; i < (r + 1) * kWidth; ++i) {
          h[i] += std::exp(h[i]) / sum;
        }
      }
    }
    return h;
  }
  std::vector<std::vector<float>> weights;
};

/// A context's tensors at one batch.
struct Batch {
  int64_t rows;
  std::vector<float> x;
  std::vector<double> wanted;
  void *in = nullptr, *out = nullptr;
};

struct Measured {
  double microseconds = 0, launch = 0;  ///< of an enqueue; of a launch of the same work recorded by the program
};

void bind(Session& s, Batch const& b) {
  EXPECT(s.context->setInputShape("x", Dims2{b.rows, kWidth}));
  EXPECT(s.context->setTensorAddress("x", b.in) && s.context->setTensorAddress("y", b.out));
}

/// The processor's time of launching the program's own recording of the engine.
double launch_of_recording(Session& s) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t recorded = nullptr;
  EXPECT(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess && s.run());
  EXPECT(cudaStreamEndCapture(s.stream, &graph) == cudaSuccess);
  EXPECT(cudaGraphInstantiate(&recorded, graph, 0) == cudaSuccess);
  double spent = 0;
  for (int turn = 0; turn < 200; ++turn) {
    double const begin = thread_microseconds();
    EXPECT(cudaGraphLaunch(recorded, s.stream) == cudaSuccess);
    spent += thread_microseconds() - begin;
    if (turn % kBetweenWaits == 0) {
      EXPECT(cudaStreamSynchronize(s.stream) == cudaSuccess);
    }
  }
  EXPECT(cudaStreamSynchronize(s.stream) == cudaSuccess);
  cudaGraphExecDestroy(recorded);
  cudaGraphDestroy(graph);
  return spent / 200;
}

Measured measure(Session& s, std::vector<Batch> const& batches, bool gpu) {
  for (int turn = 0; turn < 4; ++turn) {  // seen, recorded, replayed
    for (Batch const& b : batches) {
      bind(s, b);
      EXPECT(s.run() && cudaStreamSynchronize(s.stream) == cudaSuccess);
    }
  }
  Measured m;
  bool well = true;
  for (int turn = 0; turn < kTurns; ++turn) {
    if (batches.size() > 1) {
      bind(s, batches[static_cast<size_t>(turn) % batches.size()]);
    }
    double const begin = thread_microseconds();
    {
      counted::Scope const counting;
      well = s.run() && well;
    }
    m.microseconds += (thread_microseconds() - begin) / kTurns;
    if (turn % kBetweenWaits == 0) {  // else the launch waits for room in the queue
      well = cudaStreamSynchronize(s.stream) == cudaSuccess && well;
    }
  }
  EXPECT(well && cudaStreamSynchronize(s.stream) == cudaSuccess);
  m.launch = gpu ? launch_of_recording(s) : 0;
  return m;
}

int64_t test_width() {
  static volatile int64_t width = kWidth;
  return width;
}

void test(char const* name, std::vector<int64_t> const& sizes, bool gpu) {
  Project p;
  Layers const layers(p, sizes.size() > 1 ? -1 : sizes[0]);
  if (sizes.size() > 1) {
    IOptimizationProfile* profile = p.builder->createOptimizationProfile();
    int64_t const least = *std::min_element(sizes.begin(), sizes.end());
    int64_t const most = *std::max_element(sizes.begin(), sizes.end());
    profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{least, kWidth});
    profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{most, kWidth});
    profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{most, kWidth});
    p.config->addOptimizationProfile(profile);
  }
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  if (engine == nullptr) {
    return;
  }
  Session s(*engine);
  std::vector<Batch> batches;
  for (int64_t rows : sizes) {
    Batch b{rows, noise(static_cast<size_t>(rows * kWidth), static_cast<uint32_t>(rows)), {}};
    size_t const bytes = b.x.size() * sizeof(float);
    b.wanted = layers.run(b.x);
    EXPECT(cudaMalloc(&b.in, bytes) == cudaSuccess && cudaMalloc(&b.out, bytes) == cudaSuccess);
    EXPECT(cudaMemcpy(b.in, b.x.data(), bytes, cudaMemcpyHostToDevice) == cudaSuccess);
    batches.push_back(b);
  }
  counted::count() = 0;
  Measured const m = measure(s, batches, gpu);
  int const allocations = counted::ours(counted::kAllocation), locks = counted::ours(counted::kLock);
  int const memory = counted::ours(counted::kDriverMemory), questions = counted::ours(counted::kDriverQuestion);
  std::printf(
      "%s: %.2f us of the processor an enqueue, %.2f a launch of a recording; in %d: %d allocations, %d locks, %d "
      "of the driver's memory, %d questions about addresses\n",
      name, m.microseconds, m.launch, kTurns, allocations, locks, memory, questions);
  counted::print(name);
  EXPECT(allocations == 0 && locks == 0 && memory == 0 && questions == 0);
  EXPECT(!gpu || m.microseconds <= kMostMicroseconds);
  for (Batch const& b : batches) {
    std::vector<float> found(b.x.size());
    EXPECT(cudaMemcpy(found.data(), b.out, found.size() * sizeof(float), cudaMemcpyDeviceToHost) == cudaSuccess);
    EXPECT(error(found, b.wanted) < 2e-3);
    cudaFree(b.in);
    cudaFree(b.out);
  }
  EXPECT(p.logger.errors.empty());
}

}  // namespace

int main() {
  setenv("TENON_THREADS", "1", 1);  // a processor's engine hands nothing to other threads
  bool const gpu = gpu_present();
  test("static", {8}, gpu);
  test("dynamic", {1, 7, 32}, gpu);
  counted::count() = 0;  // the counters count
  void* memory = nullptr;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  {
    counted::Scope const counting;
    EXPECT(cudaMalloc(&memory, 1 << 26) == cudaSuccess && pthread_mutex_lock(&lock) == 0);
    std::vector<int> const some(static_cast<size_t>(test_width()));
    EXPECT(some.back() == 0);
  }
  cudaFree(memory);
  EXPECT(counted::all(counted::kAllocation) > 0 && counted::all(counted::kLock) > 0);
  EXPECT(!gpu || counted::all(counted::kDriverMemory) > 0);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
