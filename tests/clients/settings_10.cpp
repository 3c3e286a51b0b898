// Every setting of IBuilderConfig, once: a build either shows its effect or a message that names it.
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <set>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

class AllMessages : public ILogger {
 public:
  void log(Severity severity, char const* message) noexcept override {
    if (severity <= Severity::kINFO) {
      text += message;
      text += "\n";
    }
  }
  bool has(char const* part) const { return text.find(part) != std::string::npos; }
  std::string text;
};

struct Build {
  AllMessages logger;
  std::unique_ptr<IBuilder> builder;
  std::unique_ptr<INetworkDefinition> network;
  std::unique_ptr<IBuilderConfig> config;
  std::vector<float> weights;
  IConvolutionLayer* conv = nullptr;

  /// A convolution of 8 * wide channels to 16 * wide, and a relu.
  explicit Build(NetworkDefinitionCreationFlags flags = 0, int32_t wide = 1)
      : weights(static_cast<size_t>(16 * 8 * 9 * wide * wide)) {
    builder.reset(createInferBuilder(logger));
    network.reset(builder->createNetworkV2(flags));
    config.reset(builder->createBuilderConfig());
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = std::sin(static_cast<float>(i)) * 0.1F;
    }
    ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{1, 8 * wide, 16, 16});
    Weights const w{DataType::kFLOAT, weights.data(), static_cast<int64_t>(weights.size())};
    conv = network->addConvolutionNd(*x, 16 * wide, DimsHW{3, 3}, w, Weights{DataType::kFLOAT, nullptr, 0});
    conv->setName("conv");
    conv->setPaddingNd(DimsHW{1, 1});
    ITensor* y = network->addActivation(*conv->getOutput(0), ActivationType::kRELU)->getOutput(0);
    y->setName("y");
    network->markOutput(*y);
  }
  std::unique_ptr<ICudaEngine> engine() {
    return std::unique_ptr<ICudaEngine>(builder->buildEngineWithConfig(*network, *config));
  }
  std::string layers() {
    config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
    std::unique_ptr<ICudaEngine> const e = engine();
    if (!e) {
      return "";
    }
    std::unique_ptr<IEngineInspector> inspector(e->createEngineInspector());
    return inspector->getEngineInformation(LayerInformationFormat::kJSON);
  }
};

bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

// Flags that a build cannot follow, by what the message calls them.
void ignored_flags() {
  struct Case {
    BuilderFlag flag;
    char const* name;
  };
  Case const cases[] = {{BuilderFlag::kSAFETY_SCOPE, "kSAFETY_SCOPE"},
                        {BuilderFlag::kFP8, "kFP8"},
                        {BuilderFlag::kINT4, "kINT4"},
                        {BuilderFlag::kFP4, "kFP4"},
                        {BuilderFlag::kINT8, "kINT8"},
                        {BuilderFlag::kWEIGHT_STREAMING, "kWEIGHT_STREAMING"}};
  for (Case const& c : cases) {
    Build b;
    b.config->setFlag(c.flag);
    EXPECT(b.config->getFlag(c.flag));
    EXPECT(b.engine() != nullptr);
    if (!b.logger.has(c.name)) {
      std::fprintf(stderr, "no message names %s\n", c.name);
      ++failures();
    }
    b.config->clearFlag(c.flag);
    b.logger.text.clear();
    EXPECT(b.engine() != nullptr && !b.logger.has(c.name));
  }
}

// Settings that a build cannot follow.
void ignored_settings() {
  struct Case {
    std::function<void(IBuilderConfig&)> set;
    char const* name;
  };
  Case const cases[] = {
      {[](IBuilderConfig& c) { c.setMemoryPoolLimit(MemoryPoolType::kDLA_MANAGED_SRAM, 1 << 20); }, "DLA"},
      {[](IBuilderConfig& c) { c.setMemoryPoolLimit(MemoryPoolType::kTACTIC_SHARED_MEMORY, 1 << 16); },
       "kTACTIC_SHARED_MEMORY"},
      {[](IBuilderConfig& c) { c.setTilingOptimizationLevel(TilingOptimizationLevel::kFULL); },
       "setTilingOptimizationLevel"},
      {[](IBuilderConfig& c) { c.setL2LimitForTiling(1 << 20); }, "setL2LimitForTiling"},
      {[](IBuilderConfig& c) { c.setRemoteAutoTuningConfig("ssh://somewhere"); }, "setRemoteAutoTuningConfig"},
      {[](IBuilderConfig& c) { c.setBuilderOptimizationLevel(9); }, "setBuilderOptimizationLevel"},
      {[](IBuilderConfig& c) { c.setDLACore(0); }, "setDLACore"},
      {[](IBuilderConfig& c) {
         c.setDefaultDeviceType(DeviceType::kDLA);
         c.setFlag(BuilderFlag::kGPU_FALLBACK);
       },
       "setDefaultDeviceType"},
  };
  for (Case const& c : cases) {
    Build b;
    c.set(*b.config);
    EXPECT(b.engine() != nullptr);
    if (!b.logger.has(c.name)) {
      std::fprintf(stderr, "no message names %s\n", c.name);
      ++failures();
    }
    b.config->reset();
    b.logger.text.clear();
    EXPECT(b.engine() != nullptr && !b.logger.has("has no effect"));
  }
  Build profile;
  IOptimizationProfile* p = profile.builder->createOptimizationProfile();
  EXPECT(p->setExtraMemoryTarget(0.5F) && !p->setExtraMemoryTarget(2.0F));
  EXPECT(profile.config->addOptimizationProfile(p) == 0);
  EXPECT(profile.engine() != nullptr && profile.logger.has("setExtraMemoryTarget"));
  Build misspelt;
  IOptimizationProfile* other = misspelt.builder->createOptimizationProfile();
  for (OptProfileSelector s : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
    EXPECT(other->setDimensions("image", s, Dims2{1, 2}));
  }
  int64_t const wide[] = {1, int64_t{1} << 40};
  EXPECT(other->setShapeValuesV2("image", OptProfileSelector::kMIN, wide, 2));
  EXPECT(other->getShapeValues("image", OptProfileSelector::kMIN) == nullptr && misspelt.logger.has("fit 32 bits"));
  EXPECT(other->getShapeValuesV2("image", OptProfileSelector::kMIN)[1] == wide[1]);
  EXPECT(misspelt.config->addOptimizationProfile(other) == 0);
  EXPECT(misspelt.engine() != nullptr && misspelt.logger.has("'image' has no effect"));
}

// What a context tells profilers of ranges, at most as much as its engine knows.
void nvtx() {
  Build b;
  std::unique_ptr<ICudaEngine> const engine = b.engine();
  std::unique_ptr<IExecutionContext> const context(engine->createExecutionContext());
  EXPECT(context->getNvtxVerbosity() == ProfilingVerbosity::kLAYER_NAMES_ONLY);
  EXPECT(!context->setNvtxVerbosity(ProfilingVerbosity::kDETAILED) && b.logger.has("may not be raised"));
  b.logger.text.clear();
  EXPECT(context->setNvtxVerbosity(ProfilingVerbosity::kNONE) && b.logger.text.empty());
  EXPECT(context->getNvtxVerbosity() == ProfilingVerbosity::kNONE);
  EXPECT(context->setNvtxVerbosity(ProfilingVerbosity::kLAYER_NAMES_ONLY) && b.logger.has("setNvtxVerbosity"));
}

// Settings that no build follows: there is nothing on this machine that could.
void refused_settings() {
  Build safe;
  safe.config->setEngineCapability(EngineCapability::kSAFETY);
  EXPECT(safe.engine() == nullptr && safe.logger.has("setEngineCapability"));
  Build dla;
  dla.config->setDefaultDeviceType(DeviceType::kDLA);
  EXPECT(dla.engine() == nullptr && dla.logger.has("kGPU_FALLBACK"));
  EXPECT(!dla.config->canRunOnDLA(dla.conv) && dla.config->getDeviceType(dla.conv) == DeviceType::kGPU);
  dla.config->setDeviceType(dla.conv, DeviceType::kDLA);
  EXPECT(dla.logger.has("setDeviceType"));
}

// Settings that change what is built.
void effects() {
  Build half;
  half.config->setFlag(BuilderFlag::kFP16);
  half.config->setFlag(BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
  half.conv->setPrecision(DataType::kHALF);
  EXPECT(has(half.layers(), "\"Precision\": \"FP16\""));
  Build narrow;
  narrow.config->setFlag(BuilderFlag::kBF16);
  narrow.conv->setPrecision(DataType::kBF16);
  EXPECT(has(narrow.layers(), "\"Precision\": \"BF16\""));
  Build direct;
  direct.config->setFlag(BuilderFlag::kDIRECT_IO);
  EXPECT(!has(direct.layers(), "Transpose"));
  Build small;  // no kernel that needs workspace is left
  small.config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, 0);
  EXPECT(small.config->getMemoryPoolLimit(MemoryPoolType::kWORKSPACE) == 0 && small.engine() != nullptr);
  Build hard;
  hard.config->setHardwareCompatibilityLevel(HardwareCompatibilityLevel::kAMPERE_PLUS);
  std::unique_ptr<ICudaEngine> const engine = hard.engine();
  EXPECT(engine && engine->getHardwareCompatibilityLevel() == HardwareCompatibilityLevel::kAMPERE_PLUS);
  Build memory;
  memory.config->setFlag(BuilderFlag::kMONITOR_MEMORY);
  EXPECT(memory.engine() != nullptr && memory.logger.has("Memory: "));
  Build names;
  std::string const detailed = names.layers();
  names.config->setProfilingVerbosity(ProfilingVerbosity::kLAYER_NAMES_ONLY);
  std::unique_ptr<ICudaEngine> const terse = names.engine();
  std::unique_ptr<IEngineInspector> inspector(terse->createEngineInspector());
  EXPECT(has(detailed, "TacticName") && terse->getProfilingVerbosity() == ProfilingVerbosity::kLAYER_NAMES_ONLY);
  std::string const short_text = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  EXPECT(!has(short_text, "TacticName") && has(short_text, "conv"));
  names.config->setProfilingVerbosity(ProfilingVerbosity::kNONE);
  std::unique_ptr<ICudaEngine> const silent = names.engine();
  std::unique_ptr<IEngineInspector> nothing(silent->createEngineInspector());
  EXPECT(!has(nothing->getEngineInformation(LayerInformationFormat::kJSON), "conv"));
}

uint32_t bits(std::initializer_list<TacticSource> sources) {
  uint32_t mask = 0;
  for (TacticSource s : sources) {
    mask |= 1U << static_cast<uint32_t>(s);
  }
  return mask;
}

// The numbers of kernels that a build may choose from, and the settings that leave some out.
class Counter : public IAlgorithmSelector {
 public:
  int32_t selectAlgorithms(IAlgorithmContext const&, IAlgorithm const* const*, int32_t count,
                           int32_t*) noexcept override {
    offered += count;
    return 0;
  }
  void reportAlgorithms(IAlgorithmContext const* const*, IAlgorithm const* const*, int32_t) noexcept override {}
  int32_t offered = 0;
};

void sources() {
  auto offered = [](std::function<void(IBuilderConfig&)> const& set) {
    Build b;
    Counter counter;
    b.config->setAlgorithmSelector(&counter);
    set(*b.config);
    EXPECT(b.engine() != nullptr && !b.logger.has("has no effect"));
    return counter.offered;
  };
  auto only = [](uint32_t mask) {
    return [mask](IBuilderConfig& c) { EXPECT(c.setTacticSources(mask) && c.getTacticSources() == mask); };
  };
  int32_t const all = offered([](IBuilderConfig&) {}), none = offered(only(0));
  EXPECT(none >= 1 && none <= all);
  EXPECT(offered(only(bits({TacticSource::kCUDNN}))) == all);  // what it calls cuDNN is another library elsewhere
  EXPECT(offered(only(bits({TacticSource::kCUBLAS, TacticSource::kCUBLAS_LT}))) == none);
  EXPECT(offered(only(bits({TacticSource::kEDGE_MASK_CONVOLUTIONS, TacticSource::kJIT_CONVOLUTIONS}))) == none);
  EXPECT(offered([](IBuilderConfig& c) { c.setFlag(BuilderFlag::kSTRICT_NANS); }) == none);
  Build b;
  uint32_t const usual = b.config->getTacticSources();
  EXPECT(!b.config->setTacticSources(1U << 30) && b.logger.has("setTacticSources"));
  EXPECT(b.config->getTacticSources() == usual);
  b.config->setTacticSources(0);
  b.config->reset();
  EXPECT(b.config->getTacticSources() == usual);
}

// kTACTIC_DRAM: kernels that take more are not timed, so they are not in the cache.
void timing_memory() {
  auto timed = [](size_t limit) {
    Build b;
    b.config->setMemoryPoolLimit(MemoryPoolType::kTACTIC_DRAM, limit);
    EXPECT(b.config->getMemoryPoolLimit(MemoryPoolType::kTACTIC_DRAM) == limit);
    std::unique_ptr<ITimingCache> cache(b.config->createTimingCache(nullptr, 0));
    b.config->setTimingCache(*cache, false);
    b.config->setFlag(BuilderFlag::kEDITABLE_TIMING_CACHE);
    b.config->setMaxNbTactics(4);
    b.config->setBuilderOptimizationLevel(5);
    EXPECT(b.engine() != nullptr && !b.logger.has("has no effect"));
    return cache->queryKeys(nullptr, 0);
  };
  EXPECT(timed(1 << 30) >= 1 && timed(1000) == 0);
}

// kSPARSE_WEIGHTS permits kernels for 2:4 weights; there are none, which matters only where weights have that pattern.
void sparse_weights() {
  Build b;
  b.config->setFlag(BuilderFlag::kSPARSE_WEIGHTS);
  EXPECT(b.engine() != nullptr && b.logger.has("kSPARSE_WEIGHTS: 0 of 1 layers"));
  for (size_t i = 0; i < b.weights.size(); ++i) {
    if (i / 9 % 4 >= 2) {
      b.weights[i] = 0;  // of four channels two
    }
  }
  // Beside it a product whose weights are so along the axis that it sums over, and one whose are along the other.
  std::vector<float> product(8 * 16);
  for (size_t i = 0; i < product.size(); ++i) {
    product[i] = i / 16 % 4 >= 2 ? 0.0F : 1.0F;
  }
  ITensor* x = b.network->addInput("p", DataType::kFLOAT, Dims2{4, 8});
  ITensor* q = b.network->addInput("q", DataType::kFLOAT, Dims2{4, 16});
  ITensor* w = b.network->addConstant(Dims2{8, 16}, Weights{DataType::kFLOAT, product.data(), 128})->getOutput(0);
  constexpr auto kNone = MatrixOperation::kNONE;
  b.network->markOutput(*b.network->addMatrixMultiply(*x, kNone, *w, kNone)->getOutput(0));
  b.network->markOutput(*b.network->addMatrixMultiply(*q, kNone, *w, MatrixOperation::kTRANSPOSE)->getOutput(0));
  b.logger.text.clear();
  EXPECT(b.engine() != nullptr && b.logger.has("kSPARSE_WEIGHTS: 2 of 3 layers"));
}

// Kernel timing: the cache, its entries, and errors when they are missing.
void timing() {
  Build b(0, 4);  // so many channels that there is more than one kernel without any library
  std::unique_ptr<ITimingCache> cache(b.config->createTimingCache(nullptr, 0));
  EXPECT(cache != nullptr && b.config->setTimingCache(*cache, false) && b.config->getTimingCache() == cache.get());
  b.config->setFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
  EXPECT(b.engine() == nullptr && b.logger.has("timing cache"));
  b.config->clearFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
  b.config->setFlag(BuilderFlag::kEDITABLE_TIMING_CACHE);
  b.config->setMaxNbTactics(2);
  b.config->setAvgTimingIterations(3);
  EXPECT(b.engine() != nullptr);
  int64_t const count = cache->queryKeys(nullptr, 0);
  EXPECT(count >= 1 && count <= 4);  // two kernels a node
  std::vector<TimingCacheKey> keys(static_cast<size_t>(count));
  EXPECT(cache->queryKeys(keys.data(), count) == count);
  // The entry that is made slowest is not chosen, whichever it is.
  std::set<std::string> tactics;
  for (TimingCacheKey const& slow : keys) {
    for (TimingCacheKey const& key : keys) {
      TimingCacheValue value = cache->query(key);
      EXPECT(value.tacticHash != TimingCacheValue::kINVALID_TACTIC_HASH);
      value.timingMSec = std::memcmp(key.data, slow.data, 16) == 0 ? 100.0F : 0.001F;
      EXPECT(cache->update(key, value));
    }
    tactics.insert(b.layers());
  }
  EXPECT(tactics.size() >= 2);
  TimingCacheKey unknown{};
  EXPECT(cache->query(unknown).tacticHash == TimingCacheValue::kINVALID_TACTIC_HASH);
  std::unique_ptr<IHostMemory> bytes(cache->serialize());
  std::unique_ptr<ITimingCache> copy(b.config->createTimingCache(bytes->data(), bytes->size()));
  std::unique_ptr<ITimingCache> empty(b.config->createTimingCache(nullptr, 0));
  EXPECT(copy && empty->combine(*copy, false) && empty->queryKeys(nullptr, 0) == count);
  EXPECT(empty->reset() && empty->queryKeys(nullptr, 0) == 0);
  EXPECT(b.config->createTimingCache("junk", 4) == nullptr);
  Build half;  // what else the cache keeps is no tactic's time
  half.config->setFlag(BuilderFlag::kFP16);
  half.config->setFlag(BuilderFlag::kEDITABLE_TIMING_CACHE);
  std::unique_ptr<ITimingCache> other(half.config->createTimingCache(nullptr, 0));
  EXPECT(half.config->setTimingCache(*other, false) && half.engine() != nullptr);
  keys.resize(static_cast<size_t>(other->queryKeys(nullptr, 0)));
  EXPECT(!keys.empty() && other->queryKeys(keys.data(), static_cast<int64_t>(keys.size())) >= 1);
  for (TimingCacheKey const& key : keys) {
    EXPECT(other->query(key).timingMSec > 0);
  }
}

class Selector : public IAlgorithmSelector {
 public:
  int32_t selectAlgorithms(IAlgorithmContext const& context, IAlgorithm const* const* choices, int32_t count,
                           int32_t* selection) noexcept override {
    EXPECT(count >= 1 && context.getNbInputs() >= 1 && context.getNbOutputs() == 1);
    EXPECT(context.getDimensions(0, OptProfileSelector::kOPT).nbDims == 4);
    EXPECT(choices[0]->getAlgorithmIOInfoByIndex(0)->getDataType() == DataType::kFLOAT);
    EXPECT(choices[0]->getAlgorithmIOInfoByIndex(99) == nullptr);
    names.insert(context.getName());
    if (!select) {
      return 0;
    }
    selection[0] = count - 1;
    last = choices[count - 1]->getAlgorithmVariant().getTactic();
    return 1;
  }
  void reportAlgorithms(IAlgorithmContext const* const* contexts, IAlgorithm const* const* choices,
                        int32_t count) noexcept override {
    for (int32_t i = 0; i < count; ++i) {
      EXPECT(names.count(contexts[i]->getName()) == 1);
      reported.insert(choices[i]->getAlgorithmVariant().getTactic());
    }
  }
  bool select = true;
  int64_t last = 0;
  std::set<std::string> names;
  std::set<int64_t> reported;
};

void selector() {
  Build b;
  Selector user;
  b.config->setAlgorithmSelector(&user);
  EXPECT(b.config->getAlgorithmSelector() == &user);
  EXPECT(b.engine() != nullptr && !user.names.empty() && user.reported.count(user.last) == 1);
  user.select = false;
  EXPECT(b.engine() != nullptr);
  b.config->setFlag(BuilderFlag::kREJECT_EMPTY_ALGORITHMS);
  EXPECT(b.engine() == nullptr && b.logger.has("kREJECT_EMPTY_ALGORITHMS"));
}

class Monitor : public IProgressMonitor {
 public:
  void phaseStart(char const* phase, char const*, int32_t) noexcept override { open.insert(phase), ++phases; }
  bool stepComplete(char const* phase, int32_t) noexcept override {
    EXPECT(open.count(phase) == 1);
    return ++steps != stop_at;
  }
  void phaseFinish(char const* phase) noexcept override { open.erase(phase); }
  std::set<std::string> open;
  int phases = 0, steps = 0, stop_at = -1;
};

void progress() {
  Build b;
  Monitor monitor;
  b.config->setProgressMonitor(&monitor);
  EXPECT(b.engine() != nullptr && monitor.phases >= 2 && monitor.steps >= 2 && monitor.open.empty());
  monitor.steps = 0;
  monitor.stop_at = 2;
  EXPECT(b.engine() == nullptr && b.logger.has("cancelled") && monitor.open.empty());
}

}  // namespace

int main() {
  ignored_flags();
  ignored_settings();
  nvtx();
  refused_settings();
  effects();
  sources();
  timing_memory();
  sparse_weights();
  timing();
  selector();
  progress();
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
