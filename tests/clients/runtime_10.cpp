// A TensorRT 10 program like the runtime of a framework's extension: an engine of unknown content is taken by its names
// alone, contexts in memory of the caller's, outputs of unknown size through an output allocator, inputs that have no
// element, a profiler whose trace goes to the caller, streams, and a context made again when the strategy changes.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "NvInfer.h"
#include "client.h"
#include "cuda_runtime_api.h"

using namespace nvinfer1;

namespace {

class DynamicOutput : public IOutputAllocator {
 public:
  ~DynamicOutput() override {
    for (auto& entry : memory_) {
      cudaFree(entry.second);
    }
  }
  void* reallocateOutputAsync(char const* name, void*, uint64_t size, uint64_t, cudaStream_t stream) override {
    cudaStreamSynchronize(stream);
    cudaFree(memory_[name]);
    memory_[name] = nullptr;
    EXPECT(cudaMalloc(&memory_[name], size > 0 ? size : 1) == cudaSuccess);
    return memory_[name];
  }
  void* reallocateOutput(char const*, void*, uint64_t, uint64_t) override { return nullptr; }
  void notifyShape(char const* name, Dims const& dims) override { shapes[name] = dims; }
  float* data(char const* name) { return static_cast<float*>(memory_[name]); }
  std::map<std::string, Dims> shapes;

 private:
  std::map<std::string, void*> memory_;
};

class Trace : public IProfiler {
 public:
  void reportLayerTime(char const* name, float ms) noexcept override {
    order.emplace_back(name);
    total += ms;
  }
  std::vector<std::string> order;
  float total = 0;
};

/// nonzero(relu(x)), relu(x) and the product of x with itself transposed; x has two dynamic dims.
std::string make_plan(ILogger& logger) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0U));
  ITensor* x = network->addInput("input_0", DataType::kFLOAT, Dims2(-1, -1));
  x->setDimensionName(0, "batch");
  auto* relu = network->addActivation(*x, ActivationType::kRELU);
  auto* nonzero = network->addNonZero(*relu->getOutput(0));
  auto* square = network->addMatrixMultiply(*x, MatrixOperation::kNONE, *x, MatrixOperation::kTRANSPOSE);
  auto* half = network->addCast(*square->getOutput(0), DataType::kHALF);
  nonzero->getOutput(0)->setName("output_0");
  relu->getOutput(0)->setName("output_1");
  half->getOutput(0)->setName("output_2");
  for (ITensor* y : {nonzero->getOutput(0), relu->getOutput(0), half->getOutput(0)}) {
    network->markOutput(*y);
  }
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  profile->setDimensions("input_0", OptProfileSelector::kMIN, Dims2(0, 1));
  profile->setDimensions("input_0", OptProfileSelector::kOPT, Dims2(4, 8));
  profile->setDimensions("input_0", OptProfileSelector::kMAX, Dims2(16, 32));
  EXPECT(config->addOptimizationProfile(profile) == 0);
  config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, 1U << 26);
  config->setBuilderOptimizationLevel(2);
  config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  return plan ? std::string(static_cast<char const*>(plan->data()), plan->size()) : std::string();
}

float number(size_t i) { return static_cast<float>(static_cast<int>(i * 5 % 9) - 4) / 2.0F; }

bool run(ICudaEngine& engine, IExecutionContext& context, int rows, int columns, cudaStream_t stream) {
  std::vector<float> x(static_cast<size_t>(rows * columns));
  size_t positive = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = number(i);
    positive += x[i] > 0.0F;
  }
  float unused = 0;
  DynamicOutput outputs;
  std::vector<char const*> names;
  for (int32_t i = 0; i < engine.getNbIOTensors(); ++i) {
    char const* name = engine.getIOTensorName(i);
    if (engine.getTensorIOMode(name) == TensorIOMode::kINPUT) {
      EXPECT(engine.getTensorLocation(name) == TensorLocation::kDEVICE && !engine.isShapeInferenceIO(name));
      if (!context.setInputShape(name, Dims2(rows, columns)) ||
          !context.setTensorAddress(name, x.empty() ? &unused : x.data())) {
        return false;
      }
    } else {
      names.push_back(name);
      if (!context.setOutputAllocator(name, &outputs)) {
        return false;
      }
    }
  }
  char const* missing[4] = {};
  EXPECT(context.inferShapes(4, missing) == 0);
  Dims const open = context.getTensorShape("output_0"), known = context.getTensorShape("output_1");
  EXPECT(open.nbDims == 2 && open.d[1] == -1 && known.nbDims == 2 && known.d[0] == rows && known.d[1] == columns);
  if (!context.enqueueV3(stream)) {
    return false;
  }
  cudaStreamSynchronize(stream);
  bool right = outputs.shapes["output_0"].d[1] == static_cast<int64_t>(positive) &&
               outputs.shapes["output_1"].d[0] == rows && outputs.shapes["output_2"].nbDims == 2 &&
               outputs.shapes["output_2"].d[1] == rows;
  for (size_t i = 0; i < x.size(); ++i) {
    right = right && outputs.data("output_1")[i] == (x[i] > 0.0F ? x[i] : 0.0F);
  }
  auto const* places = reinterpret_cast<int32_t const*>(outputs.data("output_0"));
  if (engine.getTensorDataType("output_0") == DataType::kINT32) {
    for (size_t k = 0; k < positive; ++k) {
      right = right && x[static_cast<size_t>(places[k] * columns + places[positive + k])] > 0.0F;
    }
  }
  for (char const* name : names) {
    context.setOutputAllocator(name, nullptr);
  }
  return right;
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::string const plan = make_plan(logger);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  runtime->setEngineHostCodeAllowed(true);
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
  EXPECT(engine != nullptr);
  if (!engine) {
    return 1;
  }
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(run(*engine, *context, 4, 8, stream) && run(*engine, *context, 16, 32, stream) &&
         run(*engine, *context, 1, 1, stream));
  EXPECT(run(*engine, *context, 0, 5, stream));  // no row at all
  EXPECT(logger.errors.empty());
  EXPECT(!run(*engine, *context, 17, 8, stream) && !logger.errors.empty());
  logger.errors.clear();
  // Memory of the caller's, as large as the engine says, then as large as the shapes need.
  std::unique_ptr<IExecutionContext> managed(
      engine->createExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED));
  std::vector<char> memory(static_cast<size_t>(engine->getDeviceMemorySizeV2()) + 256);
  managed->setDeviceMemoryV2(memory.data(), static_cast<int64_t>(memory.size()));
  EXPECT(run(*engine, *managed, 16, 32, stream) && run(*engine, *managed, 2, 3, stream));
  EXPECT(managed->setInputShape("input_0", Dims2(2, 2)));
  size_t const needed = managed->updateDeviceMemorySizeForShapes();
  EXPECT(needed <= memory.size());
  // A profiler that reports when it is asked.
  Trace trace;
  context->setProfiler(&trace);
  context->setEnqueueEmitsProfile(false);
  EXPECT(run(*engine, *context, 4, 8, stream) && trace.order.empty());
  EXPECT(context->reportToProfiler() && !trace.order.empty() && trace.total >= 0.0F);
  context->setProfiler(nullptr);
  std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
  EXPECT(inspector->setExecutionContext(context.get()));
  std::string const json = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  EXPECT(json.find("output_1") != std::string::npos && json.front() == '{');
  // Serialized again without loss.
  std::unique_ptr<ISerializationConfig> settings(engine->createSerializationConfig());
  EXPECT(settings->clearFlag(SerializationFlag::kEXCLUDE_WEIGHTS));
  std::unique_ptr<IHostMemory> again(engine->serializeWithConfig(*settings));
  std::unique_ptr<ICudaEngine> second(runtime->deserializeCudaEngine(again->data(), again->size()));
  std::unique_ptr<IExecutionContext> fresh(second->createExecutionContext());
  EXPECT(run(*second, *fresh, 3, 7, stream) && logger.errors.empty());
  cudaStreamDestroy(stream);
  for (std::string const& e : logger.errors) {
    std::fprintf(stderr, "%s\n", e.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
