// Bindings in memory that the engine cannot reach are refused by name, whichever call they come with, and the next call
// runs. Without a GPU all memory is the host's, and all of it is accepted.
#include "common.h"
#include "gpu/present.h"

using namespace nvinfer1;

namespace {

constexpr size_t kCount = 32;

struct Memory {
  explicit Memory(std::vector<float> const& values) : host(values), result(values.size(), 0.0F) {
    EXPECT(cudaMalloc(&device, kCount * sizeof(float)) == cudaSuccess &&
           cudaMalloc(&device_result, kCount * sizeof(float)) == cudaSuccess);
    EXPECT(cudaMemcpy(device, values.data(), kCount * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~Memory() {
    cudaFree(device);
    cudaFree(device_result);
  }
  Memory(Memory const&) = delete;
  Memory& operator=(Memory const&) = delete;
  std::vector<float> host, result;
  void *device = nullptr, *device_result = nullptr;
};

/// One way to run a context.
typedef bool (*Run)(IExecutionContext&, void**);
bool by_execute_v2(IExecutionContext& c, void** bindings) { return c.executeV2(bindings); }
bool by_enqueue_v2(IExecutionContext& c, void** bindings) { return c.enqueueV2(bindings, nullptr, nullptr); }
bool by_execute(IExecutionContext& c, void** bindings) { return c.execute(1, bindings); }
bool by_enqueue(IExecutionContext& c, void** bindings) { return c.enqueue(1, bindings, nullptr, nullptr); }

void right(void const* y, std::vector<double> const& wanted) {
  std::vector<float> found(kCount);
  EXPECT(cudaDeviceSynchronize() == cudaSuccess);
  EXPECT(cudaMemcpy(found.data(), y, kCount * sizeof(float), cudaMemcpyDefault) == cudaSuccess);
  EXPECT(error(found, wanted) < 1e-5);
}

/// `on_gpu`: where the engine runs, null pointers for memory of the other place that there is none of.
void test(IExecutionContext& context, KeepingLogger& logger, Memory& memory, std::vector<double> const& wanted,
          bool gpu, bool on_gpu, Run run) {
  void* x = on_gpu ? memory.device : memory.host.data();
  void* y = on_gpu ? memory.device_result : memory.result.data();
  void* good[] = {x, y};
  EXPECT(run(context, good));
  right(y, wanted);
  if (!gpu) {
    return;
  }
  void* other_x = on_gpu ? memory.host.data() : memory.device;
  void* other_y = on_gpu ? memory.result.data() : memory.device_result;
  char const* const word = on_gpu ? "is host memory" : "is device memory";
  void* wrong_x[] = {other_x, y};
  void* wrong_y[] = {x, other_y};
  for (void** bindings : {wrong_x, wrong_y}) {
    size_t const before = logger.errors.size();
    EXPECT(!run(context, bindings) && logger.errors.size() == before + 1);
    char const* const name = bindings == wrong_x ? "input 'x'" : "output 'y'";
    EXPECT(logger.errors.back().find(name) != std::string::npos &&
           logger.errors.back().find(word) != std::string::npos);
  }
  EXPECT(run(context, good));
  right(y, wanted);
}

ICudaEngine* build(IBuilder& builder, bool implicit, bool shaped) {
  INetworkDefinition* network = builder.createNetworkV2(implicit ? 0U : explicit_batch());
  Dims dims{};
  dims.nbDims = 1;
  dims.d[0] = static_cast<int32_t>(kCount);
  Dims2 const rows(4, static_cast<int32_t>(kCount / 4));
  ITensor* x = network->addInput("x", DataType::kFLOAT, implicit ? dims : Dims(rows));
  ITensor* y = network->addActivation(*x, ActivationType::kTANH)->getOutput(0);
  IBuilderConfig* config = builder.createBuilderConfig();
  if (shaped) {
    Dims two{};
    two.nbDims = 1;
    two.d[0] = 2;
    ITensor* shape = network->addInput("shape", DataType::kINT32, two);
    IShuffleLayer* shuffle = network->addShuffle(*y);
    shuffle->setInput(1, *shape);
    y = shuffle->getOutput(0);
    IOptimizationProfile* profile = builder.createOptimizationProfile();
    int32_t const least[] = {1, 1}, most[] = {static_cast<int32_t>(kCount), static_cast<int32_t>(kCount)};
    int32_t const usual[] = {2, static_cast<int32_t>(kCount / 2)};
    profile->setShapeValues("shape", OptProfileSelector::kMIN, least, 2);
    profile->setShapeValues("shape", OptProfileSelector::kOPT, usual, 2);
    profile->setShapeValues("shape", OptProfileSelector::kMAX, most, 2);
    config->addOptimizationProfile(profile);
  }
  y->setName("y");
  network->markOutput(*y);
  builder.setMaxBatchSize(2);
  ICudaEngine* engine = builder.buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  config->destroy();
  network->destroy();
  return engine;
}

/// The values of a shape tensor are the host's on every device.
void test_shape_values(IBuilder& builder, KeepingLogger& logger, Memory& memory, std::vector<double> const& wanted,
                       bool gpu, bool on_gpu) {
  ICudaEngine* engine = build(builder, false, true);
  IExecutionContext* context = engine->createExecutionContext();
  int const at = engine->getBindingIndex("shape");
  EXPECT(engine->isShapeBinding(at));
  int32_t const sizes[] = {8, static_cast<int32_t>(kCount / 8)};
  if (gpu) {
    void* device = nullptr;
    EXPECT(cudaMalloc(&device, sizeof(sizes)) == cudaSuccess);
    size_t const before = logger.errors.size();
    EXPECT(!context->setInputShapeBinding(at, static_cast<int32_t*>(device)) && logger.errors.size() == before + 1);
    EXPECT(logger.errors.back().find("'shape'") != std::string::npos &&
           logger.errors.back().find("device memory") != std::string::npos);
    cudaFree(device);
  }
  EXPECT(context->setInputShapeBinding(at, sizes) && context->allInputShapesSpecified());
  int32_t known[2] = {};
  EXPECT(context->getShapeBinding(at, known) && known[0] == 8);
  std::vector<void*> bindings(static_cast<size_t>(engine->getNbBindings()), nullptr);
  bindings[static_cast<size_t>(engine->getBindingIndex("x"))] = on_gpu ? memory.device : memory.host.data();
  bindings[static_cast<size_t>(at)] = const_cast<int32_t*>(sizes);
  void* const y = on_gpu ? memory.device_result : memory.result.data();
  bindings[static_cast<size_t>(engine->getBindingIndex("y"))] = y;
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT(context->enqueueV2(bindings.data(), nullptr, nullptr));
    right(y, wanted);
  }
  context->destroy();
  engine->destroy();
}

}  // namespace

int main() {
  bool const gpu = gpu_present();
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  Memory memory(noise(kCount, 3));
  std::vector<double> wanted(memory.host.begin(), memory.host.end());
  for (double& v : wanted) {
    v = std::tanh(v);
  }
  for (bool on_gpu : {true, false}) {
    if (!on_gpu) {
      setenv("TENON_DEVICE", "cpu", 1);
    }
    for (bool implicit : {false, true}) {
      ICudaEngine* engine = build(*builder, implicit, false);
      IExecutionContext* context = engine->createExecutionContext();
      for (Run run : {by_execute_v2, by_enqueue_v2, by_execute, by_enqueue}) {
        if (!implicit || run == by_execute || run == by_enqueue) {
          test(*context, logger, memory, wanted, gpu, on_gpu, run);
        }
      }
      context->destroy();
      engine->destroy();
    }
    test_shape_values(*builder, logger, memory, wanted, gpu, on_gpu);
  }
  EXPECT(logger.errors.size() == (gpu ? 2U * (6U * 2U + 1U) : 0U));
  builder->destroy();
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
