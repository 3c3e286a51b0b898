// Memory from the program's allocator: activations of contexts, and the weights of an engine where they are copied to a
// device. All of it comes back.
#include <algorithm>
#include <mutex>

#include "common.h"

using namespace nvinfer1;

namespace {

class Counting : public IGpuAllocator {
 public:
  void* allocate(uint64_t size, uint64_t, AllocatorFlags) noexcept override {
    void* memory = nullptr;
    if (cudaMalloc(&memory, size) != cudaSuccess) {
      return nullptr;
    }
    std::lock_guard<std::mutex> const lock(mutex_);
    sizes_[memory] = size;
    live += size;
    most = std::max(most, live);
    return memory;
  }
  bool deallocate(void* memory) noexcept override {
    std::lock_guard<std::mutex> const lock(mutex_);
    auto const known = sizes_.find(memory);
    if (known == sizes_.end()) {
      return false;
    }
    live -= known->second;
    sizes_.erase(known);
    return cudaFree(memory) == cudaSuccess;
  }
  uint64_t live = 0, most = 0;

 private:
  std::mutex mutex_;
  std::map<void*, uint64_t> sizes_;
};

constexpr double kTolerance = 2e-3;  // products of a GPU may be in TF32
constexpr int64_t kRows = 3, kIn = 16, kHidden = 2048;
constexpr uint64_t kWeights = 2 * kHidden * kIn * sizeof(float);

}  // namespace

int main() {
  Counting allocator;
  Project p;
  std::vector<float> const w1 = noise(kHidden * kIn, 1), w2 = noise(kIn * kHidden, 2);
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{kRows, kIn});
  auto product = [&](ITensor& in, std::vector<float> const& w, int64_t out, int64_t width) -> ITensor& {
    ITensor& weights = constant(*p.network, {out, width}, w);
    return *p.network->addMatrixMultiply(in, MatrixOperation::kNONE, weights, MatrixOperation::kTRANSPOSE)
                ->getOutput(0);
  };
  ITensor& hidden = *p.network->addActivation(product(*x, w1, kHidden, kIn), ActivationType::kRELU)->getOutput(0);
  output(*p.network, product(hidden, w2, kIn, kHidden), "y");
  p.runtime->setGpuAllocator(&allocator);
  std::vector<float> const in = noise(kRows * kIn, 3);
  std::vector<double> h =
      dense(std::vector<double>(in.begin(), in.end()), kRows, w1, std::vector<float>(kHidden), kHidden);
  for (double& v : h) {
    v = std::fmax(v, 0.0);
  }
  std::vector<double> const wanted = dense(h, kRows, w2, std::vector<float>(kIn), kIn);
  Owned<ICudaEngine> engine = p.engine();
  {
    Session first(*engine), second(*engine);
    uint64_t with_one = 0;
    for (Session* s : {&first, &second}) {
      s->set("x", in);
      s->expect("y", wanted.size() * sizeof(float));
      EXPECT(s->run());
      EXPECT(error(s->get<float>("y"), wanted) < kTolerance);
      if (s == &first) {
        with_one = allocator.live;
      }
    }
    uint64_t const activations = kRows * kHidden * sizeof(float);
    EXPECT(with_one >= activations && allocator.live >= with_one + activations);
    Owned<IExecutionContext> bare(engine->createExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED));
    int64_t const needed = engine->getDeviceMemorySizeV2();
    void* memory = nullptr;
    EXPECT(needed > 0 && cudaMalloc(&memory, static_cast<size_t>(needed)) == cudaSuccess);
    bare->setDeviceMemoryV2(memory, needed);
    uint64_t const before = allocator.live;
    EXPECT(bare->setTensorAddress("x", const_cast<void*>(first.context->getTensorAddress("x"))) &&
           bare->setTensorAddress("y", const_cast<void*>(first.context->getTensorAddress("y"))));
    EXPECT(bare->enqueueV3(first.stream) && allocator.live == before);
    EXPECT(error(first.get<float>("y"), wanted) < kTolerance);
    bare.reset();
    cudaFree(memory);
  }
  // A device keeps the weights, once for all contexts, some kernels as two numbers each; the processor reads them in
  // the plan.
  EXPECT(allocator.live == 0 || (allocator.live >= kWeights && allocator.live < 3 * kWeights));
  engine.reset();
  EXPECT(allocator.live == 0 && allocator.most > 0);
  return p.finish();
}
