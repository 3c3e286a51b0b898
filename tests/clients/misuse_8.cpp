// A TensorRT 8 program that does everything wrong: each call says so and returns null or false, and the program goes
// on.
#include <cmath>
#include <memory>
#include <stdexcept>

#include "client.h"

using namespace nvinfer1;

namespace {

uint32_t const kExplicit = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);

class ThrowingCalibrator : public IInt8MinMaxCalibrator {
 public:
  int32_t getBatchSize() const override { return 1; }
  bool getBatch(void*[], char const*[], int32_t) override { throw std::runtime_error("no batch"); }
  void const* readCalibrationCache(size_t&) override { return nullptr; }
  void writeCalibrationCache(void const*, size_t) override {}
};

class EmptyCalibrator : public ThrowingCalibrator {
 public:
  bool getBatch(void*[], char const*[], int32_t) override { return false; }
};

class UnsetCalibrator : public ThrowingCalibrator {
 public:
  bool getBatch(void*[], char const*[], int32_t) override { return true; }
};

/// A calibrator with a cache.
class CachedCalibrator : public EmptyCalibrator {
 public:
  explicit CachedCalibrator(char const* text) : text_(text) {}
  void const* readCalibrationCache(size_t& length) override {
    length = text_.size();
    return text_.data();
  }

 private:
  std::string text_;
};

class ThrowingMonitor : public IProgressMonitor {
 public:
  void phaseStart(char const*, char const*, int32_t) override {}
  bool stepComplete(char const*, int32_t) override { throw 1; }
  void phaseFinish(char const*) override {}
};

class ThrowingProfiler : public IProfiler {
 public:
  void reportLayerTime(char const*, float) override { throw std::string("profiler"); }
};

/// Uses the context of the run that it is told of.
class ReentrantProfiler : public IProfiler {
 public:
  ReentrantProfiler(IExecutionContext& context, void* const* others) : context_(context), others_(others) {}
  void reportLayerTime(char const*, float) override {
    ++reports;
    refused += !context_.executeV2(others_) && !context_.enqueueV2(others_, nullptr, nullptr) &&
               !context_.setTensorAddress("y", others_[1]) && !context_.setBindingDimensions(0, Dims4{1, 1, 8, 8});
  }
  int reports = 0, refused = 0;

 private:
  IExecutionContext& context_;
  void* const* others_;
};

class ThrowingAllocator : public IGpuAllocator {
 public:
  void* allocate(uint64_t, uint64_t, uint32_t) override { throw std::bad_alloc(); }
  void free(void*) override {}
};

std::unique_ptr<INetworkDefinition> network_of(IBuilder& builder) {
  static float const weights[9 * 4] = {0.5F};
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(kExplicit));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{1, 1, 8, 8});
  ITensor* y = network
                   ->addConvolutionNd(*x, 4, DimsHW{3, 3}, Weights{DataType::kFLOAT, weights, 36},
                                      Weights{DataType::kFLOAT, nullptr, 0})
                   ->getOutput(0);
  ISoftMaxLayer* softmax = network->addSoftMax(*y);
  softmax->getOutput(0)->setName("y");
  network->markOutput(*softmax->getOutput(0));
  return network;
}

template <class Set>
void refused_build(IBuilder& builder, KeepingLogger& logger, Set set) {
  std::unique_ptr<INetworkDefinition> network = network_of(builder);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  set(*config, *network);
  logger.errors.clear();
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(*network, *config));
  EXPECT(plan == nullptr && !logger.errors.empty());
}

void builds(IBuilder& builder, KeepingLogger& logger) {
  ThrowingCalibrator throwing;
  EmptyCalibrator empty;
  UnsetCalibrator unset;
  ThrowingMonitor monitor;
  refused_build(builder, logger, [&](IBuilderConfig& c, INetworkDefinition&) {
    c.setFlag(BuilderFlag::kINT8);
    c.setInt8Calibrator(&throwing);
  });
  refused_build(builder, logger, [&](IBuilderConfig& c, INetworkDefinition&) {
    c.setFlag(BuilderFlag::kINT8);
    c.setInt8Calibrator(&empty);
  });
  refused_build(builder, logger, [&](IBuilderConfig& c, INetworkDefinition&) {
    c.setFlag(BuilderFlag::kINT8);
    c.setInt8Calibrator(&unset);
  });
  for (char const* cache : {"no cache", "TRT-1-MinMaxCalibration\nx: ", "TRT-1-MinMaxCalibration\nx: 1234567890",
                            "TRT-1-MinMaxCalibration\nx: 3g", "TRT-1-MinMaxCalibration\nx: 7fc00000",
                            "TRT-1-MinMaxCalibration\nx: bf800000", "TRT-1-MinMaxCalibration\nx 3c000000"}) {
    CachedCalibrator calibrator(cache);
    refused_build(builder, logger, [&](IBuilderConfig& c, INetworkDefinition&) {
      c.setFlag(BuilderFlag::kINT8);
      c.setInt8Calibrator(&calibrator);
    });
  }
  refused_build(builder, logger, [&](IBuilderConfig& c, INetworkDefinition&) { c.setProgressMonitor(&monitor); });
  refused_build(builder, logger,
                [](IBuilderConfig& c, INetworkDefinition&) { c.setEngineCapability(EngineCapability::kSAFETY); });
  refused_build(builder, logger, [](IBuilderConfig&, INetworkDefinition& n) { n.unmarkOutput(*n.getOutput(0)); });
  refused_build(builder, logger, [](IBuilderConfig&, INetworkDefinition& n) {
    Dims dims = n.getInput(0)->getDimensions();
    dims.d[0] = -1;  // dynamic, and no profile says how far
    n.getInput(0)->setDimensions(dims);
  });
}

void networks(IBuilder& builder, KeepingLogger& logger) {
  std::unique_ptr<INetworkDefinition> network = network_of(builder);
  std::unique_ptr<INetworkDefinition> other = network_of(builder);
  logger.errors.clear();
  EXPECT(network->addInput("x", DataType::kFLOAT, Dims2{1, 1}) == nullptr);  // the name is taken
  EXPECT(network->addInput(nullptr, DataType::kFLOAT, Dims2{1, 1}) == nullptr);
  EXPECT(network->addActivation(*other->getInput(0), ActivationType::kRELU) == nullptr);
  EXPECT(network->addConcatenation(nullptr, 2) == nullptr);
  EXPECT(logger.errors.size() == 4);
  EXPECT(network->addInput("bad", DataType::kFLOAT, Dims2{1, -2}) == nullptr && network->getNbInputs() == 1);
  EXPECT(network->getLayer(-1) == nullptr && network->getLayer(99) == nullptr && network->getInput(7) == nullptr);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  EXPECT(config->addOptimizationProfile(nullptr) == -1);
  IOptimizationProfile* profile = builder.createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, Dims4{2, 1, 8, 8});
  profile->setDimensions("x", OptProfileSelector::kOPT, Dims4{1, 1, 8, 8});
  profile->setDimensions("x", OptProfileSelector::kMAX, Dims4{1, 1, 8, 8});
  EXPECT(!profile->isValid() && config->addOptimizationProfile(profile) == -1);
  logger.errors.clear();
  EXPECT(!profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{1, 1}));  // of another rank than the others
  EXPECT(!profile->setDimensions("z", static_cast<OptProfileSelector>(3), Dims2{1, 1}));
  EXPECT(profile->getDimensions("x", OptProfileSelector::kMIN).d[0] == 2);
  int32_t const values[] = {1, 2, 3};
  EXPECT(profile->setShapeValues("s", OptProfileSelector::kMIN, values, 3));
  EXPECT(!profile->setShapeValues("s", OptProfileSelector::kMAX, values, 2));  // another number of values
  EXPECT(profile->getNbShapeValues("s") == 3 && profile->getShapeValues("s", OptProfileSelector::kMAX) == nullptr);
  EXPECT(logger.errors.size() == 3);
}

void contexts(IBuilder& builder, KeepingLogger& logger) {
  std::unique_ptr<INetworkDefinition> network = network_of(builder);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(*network, *config));
  EXPECT(engine != nullptr && engine->getNbBindings() == 2);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  std::vector<float> x(64, 1.0F), y(4 * 36);
  void* bindings[] = {x.data(), y.data()};
  logger.errors.clear();
  EXPECT(!context->execute(2, bindings) && !context->enqueue(2, bindings, nullptr, nullptr));  // explicit batch
  EXPECT(!context->executeV2(nullptr) && !context->enqueueV2(nullptr, nullptr, nullptr));
  EXPECT(!context->setBindingDimensions(5, Dims4{1, 1, 8, 8}) && !context->setBindingDimensions(0, Dims2{1, 8}));
  EXPECT(engine->getBindingName(9) == nullptr && engine->getBindingIndex("none") == -1);
  EXPECT(engine->getBindingDimensions(-1).nbDims == 0);
  EXPECT(logger.errors.size() == 8);
  ThrowingProfiler profiler;
  context->setProfiler(&profiler);
  EXPECT(!context->executeV2(bindings) && logger.errors.size() == 9);
  std::vector<float> other(4 * 36, 7.0F);
  void* others[] = {x.data(), other.data()};
  ReentrantProfiler reentrant(*context, others);
  context->setProfiler(&reentrant);
  EXPECT(context->executeV2(bindings) && reentrant.reports > 0 && reentrant.refused == reentrant.reports);
  EXPECT(context->getTensorAddress("y") == y.data() && other[0] == 7.0F);
  context->setProfiler(nullptr);
  EXPECT(context->executeV2(bindings) && std::fabs(y[0] - std::exp(0.5F) / (std::exp(0.5F) + 3.0F)) < 1e-6F);

  ThrowingAllocator allocator;
  builder.setGpuAllocator(&allocator);
  std::unique_ptr<ICudaEngine> starved(builder.buildEngineWithConfig(*network, *config));
  builder.setGpuAllocator(nullptr);
  std::unique_ptr<IExecutionContext> none(starved->createExecutionContext());
  logger.errors.clear();
  EXPECT(!none->executeV2(bindings) && logger.errors.size() == 1);
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  builds(*builder, logger);
  networks(*builder, logger);
  contexts(*builder, logger);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
