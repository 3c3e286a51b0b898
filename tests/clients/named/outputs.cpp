// Outputs whose size only the data tells: an output allocator gets the memory's size and the shape.
#include "common.h"

using namespace nvinfer1;

namespace {

class Growing : public IOutputAllocator {
 public:
  ~Growing() override { cudaFree(memory); }
  void* reallocateOutputAsync(char const* name, void*, uint64_t size, uint64_t, cudaStream_t) noexcept override {
    asked = name;
    if (size > capacity) {
      cudaFree(memory);
      memory = nullptr;
      cudaMalloc(&memory, size);
      capacity = size;
    }
    return memory;
  }
  void* reallocateOutput(char const* name, void* current, uint64_t size, uint64_t alignment) noexcept override {
    return reallocateOutputAsync(name, current, size, alignment, nullptr);
  }
  void notifyShape(char const*, Dims const& dims) noexcept override { shape = dims; }
  void* memory = nullptr;
  uint64_t capacity = 0;
  std::string asked;
  Dims shape{};
};

}  // namespace

int main() {
  Project p;
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{3, 4});
  std::vector<float> const zero(1, 0.0F);
  ITensor& none = constant(*p.network, {1, 1}, zero);
  ITensor& positive = *p.network->addElementWise(*x, none, ElementWiseOperation::kGREATER)->getOutput(0);
#if NV_TENSORRT_MAJOR >= 11
  INonZeroLayer* where = p.network->addNonZero(positive, DataType::kINT32);
#else
  INonZeroLayer* where = p.network->addNonZero(positive);
#endif
  output(*p.network, *where->getOutput(0), "places");
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr && engine->getTensorShape("places").d[0] == 2 &&
         engine->getTensorShape("places").d[1] == -1);
  bool const wide = engine->getTensorDataType("places") == DataType::kINT64;
  Session s(*engine);
  Growing allocator;
  EXPECT(s.context->setOutputAllocator("places", &allocator));
  EXPECT(s.context->getOutputAllocator("places") == &allocator);
  for (uint32_t seed = 1; seed < 4; ++seed) {
    std::vector<float> const values = noise(12, seed);
    s.set("x", values);
    EXPECT(s.run() && cudaStreamSynchronize(s.stream) == cudaSuccess);
    std::vector<int64_t> rows, columns;
    for (int i = 0; i < 12; ++i) {
      if (values[i] > 0.0F) {
        rows.push_back(i / 4);
        columns.push_back(i % 4);
      }
    }
    int64_t const count = static_cast<int64_t>(rows.size());
    EXPECT(allocator.asked == "places" && allocator.shape.nbDims == 2 && allocator.shape.d[1] == count);
    std::vector<int64_t> words(24);
    EXPECT(cudaMemcpy(words.data(), allocator.memory, static_cast<size_t>(2 * count) * (wide ? 8 : 4),
                      cudaMemcpyDeviceToHost) == cudaSuccess);
    for (int64_t i = 0; i < count; ++i) {
      auto found = [&](int64_t at) {
        return wide ? words[static_cast<size_t>(at)]
                    : static_cast<int64_t>(reinterpret_cast<int32_t const*>(words.data())[at]);
      };
      EXPECT(found(i) == rows[static_cast<size_t>(i)] && found(count + i) == columns[static_cast<size_t>(i)]);
    }
  }
  return p.finish();
}
