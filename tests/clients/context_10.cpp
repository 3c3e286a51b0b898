// A TensorRT 10 program: allocators, device memory, debug tensors, streams of plans, and what is wrong in their use.
#include <stdlib.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

// relu(x * 2) + exp(relu(x * 2)), with two marked tensors inside.
std::unique_ptr<IHostMemory> build(IBuilder& builder, bool unfused) {
  static float const two = 2.0F;
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{-1, 8});
  ITensor* factor = network->addConstant(Dims2{1, 1}, Weights{DataType::kFLOAT, &two, 1})->getOutput(0);
  ITensor* twice = network->addElementWise(*x, *factor, ElementWiseOperation::kPROD)->getOutput(0);
  twice->setName("twice");
  ITensor* relu = network->addActivation(*twice, ActivationType::kRELU)->getOutput(0);
  relu->setName("relu");
  ISoftMaxLayer* softmax = network->addSoftMax(*relu);
  softmax->setAxes(1U << 1);
  softmax->getOutput(0)->setName("softmax");
  ITensor* y = network->addElementWise(*relu, *softmax->getOutput(0), ElementWiseOperation::kSUM)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  if (unfused) {
    EXPECT(network->markUnfusedTensorsAsDebugTensors());
  } else {
    EXPECT(network->markDebug(*twice) && network->markDebug(*relu) && network->markDebug(*y));
    EXPECT(network->isDebugTensor(*twice) && !network->isDebugTensor(*x));
    EXPECT(network->markDebug(*softmax->getOutput(0)) && network->unmarkDebug(*softmax->getOutput(0)));
  }
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  IOptimizationProfile* profile = builder.createOptimizationProfile();
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{1, 8}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{4, 8}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{64, 8}));
  EXPECT(config->addOptimizationProfile(profile) == 0);
  return std::unique_ptr<IHostMemory>(builder.buildSerializedNetwork(*network, *config));
}

struct Data {
  explicit Data(int rows) : x(rows * 8), y(rows * 8) {
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = std::sin(static_cast<float>(i));
    }
  }
  bool right() const {
    for (size_t row = 0; row < x.size() / 8; ++row) {
      float sum = 0.0F;
      for (size_t i = 0; i < 8; ++i) {
        sum += std::exp(std::fmax(2.0F * x[row * 8 + i], 0.0F));
      }
      for (size_t i = 0; i < 8; ++i) {
        float const relu = std::fmax(2.0F * x[row * 8 + i], 0.0F);
        if (!(std::fabs(y[row * 8 + i] - relu - std::exp(relu) / sum) < 1e-5F)) {
          return false;
        }
      }
    }
    return true;
  }
  std::vector<float> x, y;
};

bool run(IExecutionContext& context, Data& data) {
  std::fill(data.y.begin(), data.y.end(), -1.0F);
  bool const set = context.setInputShape("x", Dims2{static_cast<int64_t>(data.x.size() / 8), 8}) &&
                   context.setTensorAddress("x", data.x.data()) && context.setTensorAddress("y", data.y.data());
  return set && context.enqueueV3(nullptr);
}

class Listener : public IDebugListener {
 public:
  bool processDebugTensor(void const* address, TensorLocation, DataType type, Dims const& shape, char const* name,
                          cudaStream_t) override {
    if (throws) {
      throw std::runtime_error("listener");
    }
    EXPECT(type == DataType::kFLOAT && shape.nbDims >= 1);
    int64_t count = 1;
    for (int32_t i = 0; i < shape.nbDims; ++i) {
      count *= shape.d[i];
    }
    auto const* values = static_cast<float const*>(address);
    seen[name].assign(values, values + count);
    return answer;
  }
  std::map<std::string, std::vector<float>> seen;
  bool answer = true, throws = false;
};

void debug_tensors(IRuntime& runtime, IHostMemory const& plan, KeepingLogger& logger) {
  std::unique_ptr<ICudaEngine> engine(runtime.deserializeCudaEngine(plan.data(), plan.size()));
  EXPECT(engine && engine->getNbIOTensors() == 2 && engine->isDebugTensor("twice") && !engine->isDebugTensor("x"));
  EXPECT(engine->getTensorIOMode("twice") == TensorIOMode::kNONE);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  Listener listener;
  EXPECT(context->setDebugListener(&listener) && context->getDebugListener() == &listener);
  Data data(3);
  EXPECT(run(*context, data) && data.right() && listener.seen.empty());
  EXPECT(context->setTensorDebugState("twice", true) && context->getDebugState("twice"));
  EXPECT(!context->getDebugState("relu") && !context->setTensorDebugState("x", true));
  EXPECT(run(*context, data) && data.right() && listener.seen.size() == 1);
  EXPECT(listener.seen["twice"].size() == 24 && listener.seen["twice"][1] == 2.0F * data.x[1]);
  EXPECT(context->setAllTensorsDebugState(true));
  EXPECT(run(*context, data) && listener.seen.size() == 3 && listener.seen["y"] == data.y);
  size_t const before = logger.errors.size();
  listener.answer = false;
  EXPECT(!run(*context, data));
  listener.throws = true;
  EXPECT(!run(*context, data) && logger.errors.size() == before + 2);
  EXPECT(context->setAllTensorsDebugState(false) && run(*context, data) && data.right());
}

void unfused_tensors(IBuilder& builder, IRuntime& runtime) {
  std::unique_ptr<IHostMemory> plan = build(builder, true);
  std::unique_ptr<ICudaEngine> engine(plan ? runtime.deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  EXPECT(engine && engine->getNbIOTensors() == 2);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  Listener listener;
  context->setDebugListener(&listener);
  Data data(2);
  EXPECT(run(*context, data) && data.right() && listener.seen.empty());
  EXPECT(context->setUnfusedTensorsDebugState(true) && context->getUnfusedTensorsDebugState());
  EXPECT(run(*context, data) && data.right() && !listener.seen.empty() && listener.seen.count("y") == 0);
}

class Allocator : public IGpuAllocator {
 public:
  void* allocate(uint64_t size, uint64_t alignment, AllocatorFlags) noexcept override {
    if (refuses) {
      return nullptr;
    }
    void* p = nullptr;
    if (posix_memalign(&p, alignment, size) != 0) {
      return nullptr;
    }
    live[p] = size;
    ++count;
    return p;
  }
  bool deallocate(void* memory) noexcept override {
    bool const known = live.erase(memory) == 1;
    std::free(memory);
    return known;
  }
  std::map<void*, uint64_t> live;
  int count = 0;
  bool refuses = false;
};

void allocators(IRuntime& runtime, IHostMemory const& plan) {
  Allocator allocator, temporary;
  runtime.setGpuAllocator(&allocator);
  std::unique_ptr<ICudaEngine> engine(runtime.deserializeCudaEngine(plan.data(), plan.size()));
  runtime.setGpuAllocator(nullptr);
  Data data(5);
  {
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    EXPECT(run(*context, data) && data.right() && allocator.count == 1 && allocator.live.size() == 1);
    EXPECT(context->setTemporaryStorageAllocator(&temporary) && allocator.live.empty());
    EXPECT(run(*context, data) && data.right() && temporary.count == 1 && allocator.count == 1);
  }
  EXPECT(temporary.live.empty() && allocator.live.empty());
  allocator.refuses = true;
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(!run(*context, data));
}

void device_memory(IRuntime& runtime, IHostMemory const& plan) {
  std::unique_ptr<ICudaEngine> engine(runtime.deserializeCudaEngine(plan.data(), plan.size()));
  int64_t const size = engine->getDeviceMemorySizeV2();
  EXPECT(size > 0 && engine->getDeviceMemorySizeForProfileV2(0) == size);
  std::unique_ptr<IExecutionContext> context(
      engine->createExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED));
  Data small(1), large(64);
  EXPECT(!run(*context, small));  // no memory yet
  std::vector<char> memory(static_cast<size_t>(size) + 1);
  context->setDeviceMemoryV2(memory.data() + 1, size);  // wherever it begins
  EXPECT(run(*context, large) && large.right() && run(*context, small) && small.right());
  size_t const needed = context->updateDeviceMemorySizeForShapes();
  EXPECT(needed > 0 && static_cast<int64_t>(needed) <= size);
  context->setDeviceMemoryV2(memory.data(), static_cast<int64_t>(needed));
  EXPECT(run(*context, small) && small.right() && !run(*context, large));
  context->setDeviceMemoryV2(nullptr, 0);
  EXPECT(!run(*context, small));
  std::unique_ptr<IExecutionContext> old(engine->createExecutionContextWithoutDeviceMemory());
  old->setDeviceMemory(memory.data());
  EXPECT(run(*old, large) && large.right());
}

class Reader : public IStreamReaderV2 {
 public:
  explicit Reader(std::vector<char> bytes) : bytes_(std::move(bytes)) {}
  int64_t read(void* to, int64_t count, cudaStream_t) noexcept override {
    if (broken) {
      return -1;
    }
    int64_t const left = static_cast<int64_t>(bytes_.size()) - at;
    int64_t const some = std::min(std::min(count, left), int64_t{1000});  // in small pieces
    std::memcpy(to, bytes_.data() + at, static_cast<size_t>(some));
    at += some;
    return some;
  }
  bool seek(int64_t, SeekPosition) noexcept override { return false; }
  int64_t at = 0;
  bool broken = false;

 private:
  std::vector<char> bytes_;
};

void streams(IRuntime& runtime, IHostMemory const& plan) {
  auto const* begin = static_cast<char const*>(plan.data());
  std::vector<char> bytes(begin, begin + plan.size());
  bytes.insert(bytes.end(), 100, 'x');  // what follows a plan is not read
  Reader reader(bytes);
  std::unique_ptr<ICudaEngine> engine(runtime.deserializeCudaEngine(reader));
  EXPECT(engine != nullptr && reader.at == static_cast<int64_t>(plan.size()));
  Reader cut(std::vector<char>(begin, begin + plan.size() / 2));
  EXPECT(runtime.deserializeCudaEngine(cut) == nullptr);
  Reader broken(bytes);
  broken.broken = true;
  EXPECT(runtime.deserializeCudaEngine(broken) == nullptr);
}

class SlowProfiler : public IProfiler {
 public:
  void reportLayerTime(char const*, float) override {
    running = true;
    while (!go_on) {
      std::this_thread::yield();
    }
  }
  std::atomic<bool> running{false}, go_on{false};
};

class ThrowingAllocator : public IOutputAllocator {
 public:
  void* reallocateOutput(char const*, void*, uint64_t, uint64_t) override { throw 42; }
  void notifyShape(char const*, Dims const&) override {}
};

void wrong_use(IRuntime& runtime, IHostMemory const& plan, KeepingLogger& logger) {
  std::unique_ptr<ICudaEngine> engine(runtime.deserializeCudaEngine(plan.data(), plan.size()));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  Data data(2);
  auto const refused = [&](bool result) {
    EXPECT(!result && !logger.errors.empty());
    logger.errors.clear();
  };
  logger.errors.clear();
  refused(context->enqueueV3(nullptr));                   // no shape
  refused(context->setInputShape("x", Dims2{2, 9}));      // outside the profile
  refused(context->setInputShape("x", Dims3{2, 8, 1}));   // another rank
  refused(context->setInputShape("y", Dims2{2, 8}));      // an output
  refused(context->setInputShape(nullptr, Dims2{2, 8}));  // no name
  Dims broken{};
  broken.nbDims = 99;
  refused(context->setInputShape("x", broken));
  refused(context->setTensorAddress("none", data.x.data()));
  refused(context->setTensorAddress(nullptr, data.x.data()));
  refused(context->setOutputTensorAddress("x", data.x.data()));
  refused(context->setInputTensorAddress("y", data.x.data()));
  EXPECT(context->setInputShape("x", Dims2{2, 8}));
  refused(context->enqueueV3(nullptr));  // no addresses
  refused(context->executeV2(nullptr));
  void* bindings[] = {data.x.data(), nullptr};
  refused(context->executeV2(bindings));
  refused(context->setOptimizationProfileAsync(7, nullptr));
  refused(runtime.deserializeCudaEngine(nullptr, 10) != nullptr);
  refused(engine->getIOTensorName(9) != nullptr);
  refused(engine->getTensorShape(nullptr).nbDims >= 0);

  ThrowingAllocator thrower;
  EXPECT(context->setOutputAllocator("y", &thrower) && context->setTensorAddress("x", data.x.data()));
  refused(context->enqueueV3(nullptr));
  EXPECT(context->setOutputAllocator("y", nullptr));

  SlowProfiler slow;  // holds the context while a second thread tries
  context->setProfiler(&slow);
  std::thread other([&] { EXPECT(run(*context, data)); });
  while (!slow.running) {
    std::this_thread::yield();
  }
  refused(context->enqueueV3(nullptr));
  refused(context->setInputShape("x", Dims2{1, 8}));
  slow.go_on = true;
  other.join();
  EXPECT(data.right());
  context->setProfiler(nullptr);

  engine.reset();  // too early
  EXPECT(!logger.errors.empty());
  logger.errors.clear();
  refused(context->enqueueV3(nullptr));
  refused(context->setTensorAddress("x", data.x.data()));
}

// The last error's code and text.
class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(texts.size()); }
  ErrorCode getErrorCode(int32_t) const noexcept override { return ErrorCode::kINVALID_ARGUMENT; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return texts[static_cast<size_t>(i)].c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { texts.clear(); }
  bool reportError(ErrorCode, ErrorDesc text) noexcept override { return texts.push_back(text), true; }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  std::vector<std::string> texts;
  int32_t references = 0;
};

void recorders(IHostMemory const& plan) {
  KeepingLogger logger;
  Recorder recorder;
  {
    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    runtime->setErrorRecorder(&recorder);
    EXPECT(runtime->getErrorRecorder() == &recorder && recorder.references > 0);
    EXPECT(runtime->deserializeCudaEngine("junk", 4) == nullptr && recorder.getNbErrors() == 1);
    std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
    EXPECT(engine->getErrorRecorder() == &recorder);
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    EXPECT(!context->enqueueV3(nullptr) && recorder.getNbErrors() == 2);
    Recorder own;
    context->setErrorRecorder(&own);
    EXPECT(!context->enqueueV3(nullptr) && recorder.getNbErrors() == 2 && own.getNbErrors() == 1);
    context->setErrorRecorder(nullptr);
    EXPECT(own.references == 0);
    std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
    EXPECT(inspector->getLayerInformation(999, LayerInformationFormat::kJSON) == nullptr);
    EXPECT(recorder.getNbErrors() == 3);
    std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
    builder->setErrorRecorder(&recorder);
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    EXPECT(builder->buildSerializedNetwork(*network, *config) == nullptr && recorder.getNbErrors() == 4);
    EXPECT(network->addInput(nullptr, DataType::kFLOAT, Dims2{1, 1}) == nullptr && recorder.getNbErrors() == 5);
  }
  EXPECT(recorder.references == 0);
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  EXPECT(!builder->setMaxThreads(0) && logger.errors.size() == 1);
  logger.errors.clear();
  EXPECT(builder->setMaxThreads(1) && builder->getMaxThreads() == 1);
  std::unique_ptr<IHostMemory> plan = build(*builder, false);
  EXPECT(plan != nullptr && logger.errors.empty());
  if (plan) {
    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    EXPECT(runtime->setMaxThreads(2) && runtime->getMaxThreads() == 2 && !runtime->setMaxThreads(-1));
    debug_tensors(*runtime, *plan, logger);
    unfused_tensors(*builder, *runtime);
    allocators(*runtime, *plan);
    device_memory(*runtime, *plan);
    streams(*runtime, *plan);
    wrong_use(*runtime, *plan, logger);
    recorders(*plan);
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
