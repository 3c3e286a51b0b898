// A program at every level whose own objects misbehave: they throw, return null, or answer nonsense. Each call into the
// library ends with null or false and a message, nothing is thrown back at the caller, and what was good goes on
// working.
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <stdexcept>

#include "NvInfer.h"
#include "NvOnnxParser.h"
#include "client.h"
#include "limited_memory.h"

using namespace nvinfer1;

namespace {

enum class Mood { kFine, kThrows, kNull, kWild };

class Angry : public ILogger {
 public:
  void log(Severity, char const*) override { throw std::runtime_error("no log"); }
};

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const override { throw 1; }
  ErrorCode getErrorCode(int32_t) const override { throw 2; }
  ErrorDesc getErrorDesc(int32_t) const override { throw 3; }
  bool hasOverflowed() const override { throw 4; }
  void clear() override { throw 5; }
  bool reportError(ErrorCode, ErrorDesc) override { throw std::logic_error("no report"); }
  RefCount incRefCount() override { throw 6; }
  RefCount decRefCount() override { throw std::string("no count"); }
};

class Allocator : public IGpuAllocator {
 public:
  explicit Allocator(Mood mood) : mood_(mood) {}
  void* allocate(uint64_t, uint64_t, uint32_t) override {
    if (mood_ == Mood::kThrows) {
      throw std::bad_alloc();
    }
    return mood_ == Mood::kNull ? nullptr : memory_ + 1;  // aligned to nothing
  }
#if NV_TENSORRT_MAJOR >= 10
  bool deallocate(void*) override { throw std::runtime_error("no free"); }
#else
  void free(void*) override { throw std::runtime_error("no free"); }
#endif

 private:
  Mood mood_;
  char memory_[1 << 16] = {};
};

class Profiler : public IProfiler {
 public:
  void reportLayerTime(char const*, float) override { throw std::string("no profile"); }
};

#if NV_TENSORRT_MAJOR <= 10
class Calibrator : public IInt8EntropyCalibrator2 {
 public:
  explicit Calibrator(Mood mood) : mood_(mood) {}
  int32_t getBatchSize() const override { return mood_ == Mood::kWild ? -3 : 1; }
  bool getBatch(void* bindings[], char const*[], int32_t count) override {
    if (mood_ == Mood::kThrows) {
      throw 7;
    }
    for (int32_t i = 0; i < count; ++i) {
      bindings[i] = nullptr;
    }
    return true;
  }
  void const* readCalibrationCache(size_t& length) override {
    length = mood_ == Mood::kNull ? 4096 : 0;
    return nullptr;
  }
  void writeCalibrationCache(void const*, size_t) override { throw 8; }

 private:
  Mood mood_;
};

/// Has only a cache, and one that is damaged.
class Cached : public Calibrator {
 public:
  explicit Cached(std::string text) : Calibrator(Mood::kThrows), text_(std::move(text)) {}
  void const* readCalibrationCache(size_t& length) override { return length = text_.size(), text_.data(); }

 private:
  std::string text_;
};

class Selector : public IAlgorithmSelector {
 public:
  explicit Selector(Mood mood) : mood_(mood) {}
  int32_t selectAlgorithms(IAlgorithmContext const& context, IAlgorithm const* const* choices, int32_t count,
                           int32_t* selection) override {
    if (mood_ == Mood::kThrows) {
      throw std::runtime_error("no choice");
    }
    context.getDimensions(-1, OptProfileSelector::kMIN);
    context.getDimensions(99, OptProfileSelector::kMAX);
#if NV_TENSORRT_MAJOR >= 8
    choices[0]->getAlgorithmIOInfoByIndex(-5);
    choices[0]->getAlgorithmIOInfoByIndex(1000);
#else
    choices[0]->getAlgorithmIOInfo(-5);
#endif
    selection[0] = mood_ == Mood::kWild ? 1 << 30 : -1;
    return mood_ == Mood::kNull ? count + 1 : 1;
  }
  void reportAlgorithms(IAlgorithmContext const* const*, IAlgorithm const* const*, int32_t) override { throw 9; }

 private:
  Mood mood_;
};
#endif

#if NV_TENSORRT_MAJOR >= 8
class Monitor : public IProgressMonitor {
 public:
  explicit Monitor(int at) : at_(at) {}
  void phaseStart(char const*, char const*, int32_t) override {
    if (at_ == 0) {
      throw 10;
    }
  }
  bool stepComplete(char const*, int32_t) override {
    if (at_ == 1) {
      throw 11;
    }
    return at_ != 3;
  }
  void phaseFinish(char const*) override {
    if (at_ == 2) {
      throw 12;
    }
  }

 private:
  int at_;
};

class Outputs : public IOutputAllocator {
 public:
  explicit Outputs(Mood mood) : mood_(mood) {}
  void* reallocateOutput(char const*, void*, uint64_t, uint64_t) override {
    if (mood_ == Mood::kThrows) {
      throw std::bad_alloc();
    }
    return nullptr;
  }
  void notifyShape(char const*, Dims const&) override { throw 13; }

 private:
  Mood mood_;
};
#endif

#if NV_TENSORRT_MAJOR >= 10
#if NV_TENSORRT_MAJOR == 10
using StreamReader = IStreamReader;
#else
using StreamReader = IStreamReaderV2;
#endif

class Reader : public StreamReader {
 public:
  Reader(Mood mood, void const* plan, size_t size) : mood_(mood), plan_(static_cast<char const*>(plan)), size_(size) {}
#if NV_TENSORRT_MAJOR == 10
  int64_t read(void* to, int64_t count) override {
#else
  bool seek(int64_t, SeekPosition) override { throw 15; }
  int64_t read(void* to, int64_t count, cudaStream_t) override {
#endif
    if (mood_ == Mood::kThrows) {
      throw std::runtime_error("no bytes");
    }
    if (mood_ == Mood::kWild) {
      return count + 1000;
    }
    if (mood_ == Mood::kNull) {
      return -1;
    }
    size_t const got = std::min<size_t>(static_cast<size_t>(count), std::min<size_t>(size_ - at_, 7));
    std::memcpy(to, plan_ + at_, got);
    at_ += got;
    return static_cast<int64_t>(got);
  }

 private:
  Mood mood_;
  char const* plan_;
  size_t size_, at_ = 0;
};

class Writer : public IStreamWriter {
 public:
  explicit Writer(Mood mood) : mood_(mood) {}
  int64_t write(void const*, int64_t count) override {
    if (mood_ == Mood::kThrows) {
      throw 14;
    }
    return mood_ == Mood::kNull ? 0 : mood_ == Mood::kWild ? count + 1 : -1;
  }

 private:
  Mood mood_;
};

class Listener : public IDebugListener {
 public:
  bool processDebugTensor(void const*, TensorLocation, DataType, Dims const&, char const*, cudaStream_t) override {
    throw std::runtime_error("no debugging");
  }
};
#endif

#if NV_TENSORRT_MAJOR <= 10
/// A plugin that does one thing wrong.
class Plugin : public IPluginV2DynamicExt {
 public:
  enum Fault {
    kNone,
    kCloneNull,
    kCloneThrows,
    kNoOutputs,
    kOutputsNegative,
    kDimsNull,
    kDimsRank,
    kDimsForeign,
    kDimsThrow,
    kTypeWild,
    kTypeThrows,
    kFormatNever,
    kFormatThrows,
    kConfigureThrows,
    kWorkspaceThrows,
    kWorkspaceHuge,
    kSizeHuge,
    kSizeThrows,
    kSerializeThrows,
    kInitializeFails,
    kInitializeThrows,
    kEnqueueFails,
    kEnqueueThrows,
    kNameNull,
    kVersionNull,
    kFaults
  };
  explicit Plugin(Fault fault) : fault_(fault) {}
  IPluginV2DynamicExt* clone() const override {
    fail_at(kCloneThrows);
    return fault_ == kCloneNull ? nullptr : new Plugin(*this);
  }
  int32_t getNbOutputs() const override { return fault_ == kNoOutputs ? 0 : fault_ == kOutputsNegative ? -4 : 1; }
  DimsExprs getOutputDimensions(int32_t, DimsExprs const* inputs, int32_t, IExprBuilder&) override {
    fail_at(kDimsThrow);
    static int nonsense[64];
    DimsExprs dims = inputs[0];
    if (fault_ == kDimsNull) {
      dims.d[0] = nullptr;
    }
    if (fault_ == kDimsForeign) {
      dims.d[0] = reinterpret_cast<IDimensionExpr const*>(nonsense);
    }
    if (fault_ == kDimsRank) {
      dims.nbDims = 77;
    }
    return dims;
  }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const override {
    fail_at(kTypeThrows);
    return fault_ == kTypeWild ? static_cast<DataType>(1234) : types[0];
  }
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) override {
    fail_at(kFormatThrows);
    return fault_ != kFormatNever && all[pos].type == DataType::kFLOAT && all[pos].format == TensorFormat::kLINEAR;
  }
  void configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*, int32_t) override {
    fail_at(kConfigureThrows);
  }
  size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) const override {
    fail_at(kWorkspaceThrows);
    return fault_ == kWorkspaceHuge ? ~size_t{0} / 2 : 0;
  }
  int32_t enqueue(PluginTensorDesc const* in, PluginTensorDesc const*, void const* const* inputs, void* const* outputs,
                  void*, cudaStream_t) override {
    fail_at(kEnqueueThrows);
    size_t count = 1;
    for (int32_t i = 0; i < in[0].dims.nbDims; ++i) {
      count *= static_cast<size_t>(in[0].dims.d[i]);
    }
    std::memcpy(outputs[0], inputs[0], count * sizeof(float));
    return fault_ == kEnqueueFails ? 5 : 0;
  }
  int32_t initialize() override {
    fail_at(kInitializeThrows);
    return fault_ == kInitializeFails ? 3 : 0;
  }
  void terminate() override {}
  size_t getSerializationSize() const override {
    fail_at(kSizeThrows);
    return fault_ == kSizeHuge ? ~size_t{0} / 2 : 0;
  }
  void serialize(void*) const override { fail_at(kSerializeThrows); }
  void destroy() override { delete this; }
  char const* getPluginType() const override { return fault_ == kNameNull ? nullptr : "Hostile"; }
  char const* getPluginVersion() const override { return fault_ == kVersionNull ? nullptr : "1"; }
  void setPluginNamespace(char const*) override {}
  char const* getPluginNamespace() const override { return nullptr; }

 private:
  void fail_at(Fault fault) const {
    if (fault_ == fault) {
      throw std::runtime_error("the plugin throws");
    }
  }
  Fault fault_;
};
#endif

INetworkDefinition* network_of(IBuilder& builder) {
#if NV_TENSORRT_MAJOR <= 10
  return builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
#else
  return builder.createNetworkV2(0U);
#endif
}

std::unique_ptr<INetworkDefinition> small(IBuilder& builder) {
  static float const kernel[8] = {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F, 8.0F};
  std::unique_ptr<INetworkDefinition> network(network_of(builder));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4(1, 2, 4, 4));
  ILayer* conv = network->addConvolutionNd(*x, 4, DimsHW(1, 1), Weights{DataType::kFLOAT, kernel, 8},
                                           Weights{DataType::kFLOAT, nullptr, 0});
  ILayer* relu = network->addActivation(*conv->getOutput(0), ActivationType::kRELU);
  conv->getOutput(0)->setName("c");
  relu->getOutput(0)->setName("y");
  network->markOutput(*relu->getOutput(0));
  return network;
}

std::unique_ptr<ICudaEngine> build(IBuilder& builder, INetworkDefinition& network, IBuilderConfig& config) {
#if NV_TENSORRT_MAJOR >= 8
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(network, config));
  std::unique_ptr<IRuntime> runtime(createInferRuntime(*builder.getLogger()));
  return std::unique_ptr<ICudaEngine>(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
#else
  return std::unique_ptr<ICudaEngine>(builder.buildEngineWithConfig(network, config));
#endif
}

/// The network with one object of the user's set in its config; true if an engine comes of it.
template <class Set>
bool builds(IBuilder& builder, Set set) {
  std::unique_ptr<INetworkDefinition> network = small(builder);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  set(*config, *network);
#if NV_TENSORRT_MAJOR >= 8
  return std::unique_ptr<IHostMemory>(builder.buildSerializedNetwork(*network, *config)) != nullptr;
#else
  return build(builder, *network, *config) != nullptr;
#endif
}

bool runs(IExecutionContext& context) {
  float x[32] = {}, y[64] = {};
#if NV_TENSORRT_MAJOR >= 8
  return context.setTensorAddress("x", x) && context.setTensorAddress("y", y) && context.enqueueV3(nullptr);
#else
  void* bindings[] = {x, y};
  return context.executeV2(bindings);
#endif
}

void loggers_and_recorders(IBuilder& good, KeepingLogger& logger) {
  Angry angry;
  Recorder recorder;
  std::unique_ptr<IBuilder> builder(createInferBuilder(angry));
  EXPECT(builder != nullptr && builds(*builder, [](IBuilderConfig&, INetworkDefinition&) {}));
  std::unique_ptr<INetworkDefinition> network = small(*builder);
  EXPECT(network->addInput(nullptr, DataType::kFLOAT, Dims2(1, 1)) == nullptr);
  EXPECT(std::unique_ptr<nvonnxparser::IParser>(nvonnxparser::createParser(*network, angry)) != nullptr);
#if NV_TENSORRT_MAJOR >= 8
  logger.errors.clear();
  std::unique_ptr<INetworkDefinition> recorded = small(good);
  recorded->setErrorRecorder(&recorder);
  EXPECT(recorded->addInput(nullptr, DataType::kFLOAT, Dims2(1, 1)) == nullptr && logger.errors.size() >= 2);
  recorded->setErrorRecorder(nullptr);
#else
  good.setErrorRecorder(&recorder);
  EXPECT(logger.errors.size() > 0);
  good.setErrorRecorder(nullptr);
#endif
}

#if NV_TENSORRT_MAJOR <= 10
void builds_with_callbacks(IBuilder& builder, KeepingLogger& logger) {
  auto refuses = [&](IInt8Calibrator& calibrator) {
    logger.errors.clear();
    bool const built = builds(builder, [&](IBuilderConfig& config, INetworkDefinition&) {
      config.setFlag(BuilderFlag::kINT8);
      config.setInt8Calibrator(&calibrator);
    });
    return !built && !logger.errors.empty();
  };
  for (Mood mood : {Mood::kThrows, Mood::kNull, Mood::kWild}) {
    Calibrator calibrator(mood);
    EXPECT(refuses(calibrator));
  }
  for (char const* text :
       {"garbage", "TRT-8601-EntropyCalibration2\nx: zz\n", "TRT-8601-EntropyCalibration2\nx", "\xff\n\n:"}) {
    Cached cached(text);
    EXPECT(refuses(cached));
  }
  for (Mood mood : {Mood::kThrows, Mood::kNull, Mood::kWild, Mood::kFine}) {
    Selector selector(mood);
    logger.errors.clear();
    EXPECT(
        !builds(builder, [&](IBuilderConfig& config, INetworkDefinition&) { config.setAlgorithmSelector(&selector); }));
    EXPECT(!logger.errors.empty());
  }
}

bool plugin_works(IBuilder& builder, Plugin::Fault fault) {
  std::unique_ptr<INetworkDefinition> network(network_of(builder));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4(1, 2, 4, 4));
  Plugin plugin(fault);
  ILayer* layer = network->addPluginV2(&x, 1, plugin);
  if (!layer) {
    return false;
  }
  layer->getOutput(0)->getDimensions();
  layer->getOutput(0)->setName("y");
  network->markOutput(*layer->getOutput(0));
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(*network, *config));
  std::unique_ptr<IExecutionContext> context(engine ? engine->createExecutionContext() : nullptr);
  return context && runs(*context);
}

void plugins(IBuilder& builder, KeepingLogger& logger) {
  EXPECT(plugin_works(builder, Plugin::kNone));
  for (int fault = 1; fault < Plugin::kFaults; ++fault) {
    logger.errors.clear();
    bool const works = plugin_works(builder, static_cast<Plugin::Fault>(fault));
    if (works || logger.errors.empty()) {
      std::fprintf(stderr, "plugin fault %d: %s\n", fault, works ? "works" : "nothing is said");
      ++failures();
    }
  }
  EXPECT(plugin_works(builder, Plugin::kNone));
}
#endif

#if NV_TENSORRT_MAJOR >= 8
void monitors(IBuilder& builder, KeepingLogger& logger) {
  for (int at = 0; at < 4; ++at) {
    Monitor monitor(at);
    logger.errors.clear();
    EXPECT(!builds(builder, [&](IBuilderConfig& config, INetworkDefinition&) { config.setProgressMonitor(&monitor); }));
    EXPECT(!logger.errors.empty());
  }
}
#endif

void contexts(IBuilder& builder, KeepingLogger& logger) {
  std::unique_ptr<INetworkDefinition> network = small(builder);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
#if NV_TENSORRT_MAJOR >= 10
  network->markDebug(*network->getLayer(0)->getOutput(0));
#endif
  std::unique_ptr<ICudaEngine> engine = build(builder, *network, *config);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(context && runs(*context));
  auto refuses = [&] {
    logger.errors.clear();
    return !runs(*context) && !logger.errors.empty();
  };
  Profiler profiler;
  context->setProfiler(&profiler);
  EXPECT(refuses());
  context->setProfiler(nullptr);
#if NV_TENSORRT_MAJOR >= 8
  for (Mood mood : {Mood::kThrows, Mood::kNull}) {
    Outputs outputs(mood);
    context->setOutputAllocator("y", &outputs);
    EXPECT(refuses());
    context->setOutputAllocator("y", nullptr);
  }
  for (Mood mood : {Mood::kThrows, Mood::kNull, Mood::kWild}) {
    Allocator allocator(mood);
    context->setTemporaryStorageAllocator(&allocator);
    runs(*context);  // a context with its memory asks for none
    context->setTemporaryStorageAllocator(nullptr);
  }
#endif
#if NV_TENSORRT_MAJOR >= 10
  Listener listener;
  context->setDebugListener(&listener);
  context->setAllTensorsDebugState(true);
  EXPECT(refuses());
  context->setDebugListener(nullptr);
#endif
  EXPECT(runs(*context));
  // The network may change after the build; the engine does not.
  network->addActivation(*network->getInput(0), ActivationType::kRELU);
  network->getInput(0)->setDimensions(Dims4(1, 2, 8, 8));
  EXPECT(runs(*context));
  for (Mood mood : {Mood::kThrows, Mood::kNull, Mood::kWild}) {
    Allocator allocator(mood);
    builder.setGpuAllocator(&allocator);
    std::unique_ptr<ICudaEngine> starved(builder.buildEngineWithConfig(*network, *config));
    builder.setGpuAllocator(nullptr);
    std::unique_ptr<IExecutionContext> none(starved ? starved->createExecutionContext() : nullptr);
    EXPECT(!none || !runs(*none));
    none.reset();
    starved.reset();
  }
  engine.reset();  // too early
  EXPECT(refuses());
}

void plans(IBuilder& builder, KeepingLogger& logger) {
  std::unique_ptr<INetworkDefinition> network = small(builder);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
#if NV_TENSORRT_MAJOR >= 8
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(*network, *config));
#else
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(*network, *config));
  std::unique_ptr<IHostMemory> plan(engine->serialize());
#endif
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  auto loads = [&](std::string const& bytes) {
#if NV_TENSORRT_MAJOR >= 8
    return std::unique_ptr<ICudaEngine>(runtime->deserializeCudaEngine(bytes.data(), bytes.size())) != nullptr;
#else
    return std::unique_ptr<ICudaEngine>(runtime->deserializeCudaEngine(bytes.data(), bytes.size(), nullptr)) != nullptr;
#endif
  };
  std::string const whole(static_cast<char const*>(plan->data()), plan->size());
  EXPECT(loads(whole));
  for (size_t i = 0; i < 40; ++i) {
    std::string damaged = whole;
    size_t const at = whole.size() * i / 40;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (i % 8)));
    logger.errors.clear();
    EXPECT(!loads(whole.substr(0, at)) && !loads(damaged) && logger.errors.size() == 2);
  }
#if NV_TENSORRT_MAJOR >= 8
  for (size_t size : {size_t{1}, size_t{7}, size_t{64}, whole.size()}) {  // a plan is no timing cache
    logger.errors.clear();
    EXPECT(!std::unique_ptr<ITimingCache>(config->createTimingCache(whole.data(), size)) && !logger.errors.empty());
  }
#endif
#if NV_TENSORRT_MAJOR >= 10
  for (Mood mood : {Mood::kFine, Mood::kThrows, Mood::kNull, Mood::kWild}) {
    Reader reader(mood, plan->data(), plan->size());
    logger.errors.clear();
    bool const loaded = std::unique_ptr<ICudaEngine>(runtime->deserializeCudaEngine(reader)) != nullptr;
    EXPECT(loaded == (mood == Mood::kFine) && logger.errors.empty() == loaded);
    Writer writer(mood);
    logger.errors.clear();
    EXPECT(!builder.buildSerializedNetworkToStream(*network, *config, writer) && !logger.errors.empty());
  }
#endif
}

void models(IBuilder& builder, KeepingLogger& logger, char const* path) {
  std::ifstream file(path, std::ios::binary);
  std::string const whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto parses = [&](std::string const& bytes) {
    std::unique_ptr<INetworkDefinition> network(network_of(builder));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    bool const good = parser->parse(bytes.data(), bytes.size());
    return good || parser->getNbErrors() == 0;
  };
  EXPECT(parses(whole));
  int bad = 0;
  for (size_t i = 1; i < 30; ++i) {
    size_t const at = whole.size() * i / 30;
    bad += !parses(whole.substr(0, at));
    std::string damaged = whole;
    damaged[at % 600] = static_cast<char>(damaged[at % 600] ^ (1 << (i % 8)));
    parses(damaged);
  }
  EXPECT(bad == 29);
}

}  // namespace

int main(int, char** argv) {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  loggers_and_recorders(*builder, logger);
#if NV_TENSORRT_MAJOR <= 10
  builds_with_callbacks(*builder, logger);
  plugins(*builder, logger);
#endif
#if NV_TENSORRT_MAJOR >= 8
  monitors(*builder, logger);
#endif
  contexts(*builder, logger);
  plans(*builder, logger);
  models(*builder, logger, argv[1]);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
