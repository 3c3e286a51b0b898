// A TensorRT 11 program like a command line that builds, measures and reports: options, a timing cache in a file that
// is edited, a progress bar that may stop the build, a stripped plan through stream writer and reader that is refitted
// from the model, layer information and a profile as JSON, several streams with graphs, percentiles of times, debug
// tensors, a runtime config, and plans inspected before they are loaded.
#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <cuda_profiler_api.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

using namespace nvinfer1;

namespace {

int failures = 0;
#define VERIFY(condition)                                                     \
  do {                                                                        \
    if (!(condition)) {                                                       \
      std::cerr << __LINE__ << ": " #condition " does not hold" << std::endl; \
      ++failures;                                                             \
    }                                                                         \
  } while (0)

class Logger : public ILogger {
 public:
  void log(Severity severity, const char* msg) noexcept override {
    if (severity <= Severity::kERROR) errors.emplace_back(msg);
  }
  std::vector<std::string> errors;
};

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(stack_.size()); }
  ErrorCode getErrorCode(int32_t i) const noexcept override { return stack_[i].first; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return stack_[i].second.c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { stack_.clear(); }
  bool reportError(ErrorCode code, ErrorDesc desc) noexcept override {
    stack_.emplace_back(code, desc);
    return true;
  }
  RefCount incRefCount() noexcept override { return ++count_; }
  RefCount decRefCount() noexcept override { return --count_; }
  RefCount count() const { return count_; }

 private:
  std::vector<std::pair<ErrorCode, std::string>> stack_;
  RefCount count_ = 0;
};

class Progress : public IProgressMonitor {
 public:
  void phaseStart(const char* name, const char* parent, int32_t steps) noexcept override {
    VERIFY(steps >= 0 && (!parent || open_.count(parent)));
    open_[name] = steps;
    seen.insert(name);
  }
  bool stepComplete(const char* name, int32_t step) noexcept override {
    VERIFY(open_.count(name) && step >= 0);
    return !cancel;
  }
  void phaseFinish(const char* name) noexcept override { VERIFY(open_.erase(name) == 1); }
  bool cancel = false;
  std::unordered_set<std::string> seen;
  bool finished() const { return open_.empty(); }

 private:
  std::map<std::string, int32_t> open_;
};

class FileWriter : public IStreamWriter {
 public:
  explicit FileWriter(const std::string& path) : file_(path, std::ios::binary) {}
  int64_t write(const void* data, int64_t bytes) override {
    const int64_t most = std::min<int64_t>(bytes, 1 << 16);
    file_.write(static_cast<const char*>(data), most);
    written += most;
    return file_ ? most : -1;
  }
  int64_t written = 0;

 private:
  std::ofstream file_;
};

class FileReader : public IStreamReaderV2 {
 public:
  explicit FileReader(const std::string& path) : file_(path, std::ios::binary) {}
  int64_t read(void* destination, int64_t bytes, cudaStream_t stream) noexcept override {
    cudaPointerAttributes attributes{};
    cudaPointerGetAttributes(&attributes, destination);
    if (attributes.type == cudaMemoryTypeDevice) {
      std::vector<char> staging(bytes);
      file_.read(staging.data(), bytes);
      cudaMemcpyAsync(destination, staging.data(), file_.gcount(), cudaMemcpyHostToDevice, stream);
      cudaStreamSynchronize(stream);
    } else {
      file_.read(static_cast<char*>(destination), bytes);
    }
    return file_.gcount();
  }
  bool seek(int64_t offset, SeekPosition where) noexcept override {
    file_.clear();
    file_.seekg(offset, where == SeekPosition::kSET   ? std::ios::beg
                        : where == SeekPosition::kCUR ? std::ios::cur
                                                      : std::ios::end);
    return file_.good();
  }

 private:
  std::ifstream file_;
};

class Debug : public IDebugListener {
 public:
  bool processDebugTensor(const void* address, TensorLocation location, DataType type, const Dims& shape,
                          const char* name, cudaStream_t stream) override {
    VERIFY(type == DataType::kFLOAT && location == TensorLocation::kDEVICE);
    size_t count = 1;
    for (int32_t i = 0; i < shape.nbDims; ++i) count *= shape.d[i];
    auto& values = seen[name];
    values.resize(count);
    cudaMemcpyAsync(values.data(), address, count * sizeof(float), cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);
    return true;
  }
  std::map<std::string, std::vector<float>> seen;
};

class Profile : public IProfiler {
 public:
  void reportLayerTime(const char* name, float ms) noexcept override { times[name] += ms; }
  std::map<std::string, float> times;
};

struct Options {
  std::string timing_cache = "command_11.cache", engine = "command_11.engine";
  int level = 3, streams = 2, iterations = 10, batch = 3;
  bool cuda_graph = true, separate_profile = true, strip = true;
};

template <class T>
using Unique = std::unique_ptr<T>;

std::vector<char> slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<char>((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

constexpr int kIn = 24, kHidden = 32, kOut = 10;

struct Parameters {
  std::vector<float> w1, b1, w2, gamma, beta;
  explicit Parameters(float seed) {
    auto make = [&](std::vector<float>& v, size_t n, float base) {
      v.resize(n);
      for (size_t i = 0; i < n; ++i) v[i] = base + 0.2F * std::sin(seed + 1.3F * static_cast<float>(i));
    };
    make(w1, kIn * kHidden, 0), make(b1, kHidden, 0), make(w2, kHidden * kOut, 0), make(gamma, kHidden, 1),
        make(beta, kHidden, 0);
  }
};

Weights weightsOf(const std::vector<float>& v) { return {DataType::kFLOAT, v.data(), static_cast<int64_t>(v.size())}; }

void define(INetworkDefinition& network, const Parameters& p) {
  ITensor* x = network.addInput("x", DataType::kFLOAT, Dims2{-1, kIn});
  x->setDimensionName(0, "batch");
  auto* w1 = network.addConstant(Dims2{kIn, kHidden}, weightsOf(p.w1));
  auto* b1 = network.addConstant(Dims2{1, kHidden}, weightsOf(p.b1));
  auto* w2 = network.addConstant(Dims2{kHidden, kOut}, weightsOf(p.w2));
  auto* gamma = network.addConstant(Dims2{1, kHidden}, weightsOf(p.gamma));
  auto* beta = network.addConstant(Dims2{1, kHidden}, weightsOf(p.beta));
  VERIFY(network.setWeightsName(weightsOf(p.w1), "fc1.weight") && network.setWeightsName(weightsOf(p.b1), "fc1.bias"));
  VERIFY(network.setWeightsName(weightsOf(p.w2), "fc2.weight") &&
         network.setWeightsName(weightsOf(p.gamma), "norm.weight"));
  VERIFY(network.setWeightsName(weightsOf(p.beta), "norm.bias"));
  ITensor* h =
      network.addMatrixMultiply(*x, MatrixOperation::kNONE, *w1->getOutput(0), MatrixOperation::kNONE)->getOutput(0);
  h = network.addElementWise(*h, *b1->getOutput(0), ElementWiseOperation::kSUM)->getOutput(0);
  INormalizationLayer* norm = network.addNormalizationV2(*h, *gamma->getOutput(0), *beta->getOutput(0), 1U << 1);
  norm->setEpsilon(1e-5F);
  norm->setName("norm");
  norm->getOutput(0)->setName("normalized");
  VERIFY(network.markDebug(*norm->getOutput(0)) && network.isDebugTensor(*norm->getOutput(0)));
  ITensor* g = network.addActivation(*norm->getOutput(0), ActivationType::kGELU_ERF)->getOutput(0);
  auto* fc2 = network.addMatrixMultiply(*g, MatrixOperation::kNONE, *w2->getOutput(0), MatrixOperation::kNONE);
  fc2->setName("fc2");
  fc2->setMetadata("{\"origin\": \"head\"}");
  ISoftMaxLayer* soft = network.addSoftMax(*fc2->getOutput(0));
  soft->setAxes(1U << 1);
  soft->getOutput(0)->setName("y");
  network.markOutput(*soft->getOutput(0));
}

std::vector<double> reference(const Parameters& p, const std::vector<float>& x, int rows,
                              std::vector<double>* normalized) {
  std::vector<double> out;
  for (int r = 0; r < rows; ++r) {
    std::vector<double> h(kHidden), y(kOut);
    double mean = 0, variance = 0, sum = 0;
    for (int j = 0; j < kHidden; ++j) {
      h[j] = p.b1[j];
      for (int i = 0; i < kIn; ++i) h[j] += static_cast<double>(x[r * kIn + i]) * p.w1[i * kHidden + j];
      mean += h[j] / kHidden;
    }
    for (double v : h) variance += (v - mean) * (v - mean) / kHidden;
    for (int j = 0; j < kHidden; ++j) {
      h[j] = (h[j] - mean) / std::sqrt(variance + 1e-5) * p.gamma[j] + p.beta[j];
      if (normalized) normalized->push_back(h[j]);
      h[j] = 0.5 * h[j] * (1 + std::erf(h[j] / std::sqrt(2.0)));
    }
    for (int k = 0; k < kOut; ++k) {
      for (int j = 0; j < kHidden; ++j) y[k] += h[j] * p.w2[j * kOut + k];
      y[k] = std::exp(y[k]);
      sum += y[k];
    }
    for (double v : y) out.push_back(v / sum);
  }
  return out;
}

double error(const std::vector<float>& y, const std::vector<double>& wanted) {
  double difference = 0, norm = 1e-30;
  if (y.size() != wanted.size()) return 1e300;
  for (size_t i = 0; i < y.size(); ++i) difference += std::pow(y[i] - wanted[i], 2), norm += wanted[i] * wanted[i];
  return std::sqrt(difference / norm);
}

// ---------------------------------------------------------------------------------------------------------------------

void build(const Options& o, Logger& logger, const Parameters& p, Recorder& recorder) {
  Unique<IBuilder> builder(createInferBuilder(logger));
  builder->setErrorRecorder(&recorder);
  VERIFY(builder->getErrorRecorder() == &recorder && recorder.count() > 0);
  Unique<INetworkDefinition> network(builder->createNetworkV2(0));
  Unique<IBuilderConfig> config(builder->createBuilderConfig());
  define(*network, p);
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{1, kIn});
  profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{4, kIn});
  profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{16, kIn});
  VERIFY(config->addOptimizationProfile(profile) == 0);
  config->setBuilderOptimizationLevel(o.level);
  config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, 1U << 26);
  config->setMaxAuxStreams(0);
  config->setAvgTimingIterations(2);
  config->setFlag(BuilderFlag::kEDITABLE_TIMING_CACHE);
  config->clearFlag(BuilderFlag::kTF32);
  if (o.strip) config->setFlag(BuilderFlag::kSTRIP_PLAN);
  const std::vector<char> kept = slurp(o.timing_cache);
  Unique<ITimingCache> cache(config->createTimingCache(kept.data(), kept.size()));
  VERIFY(cache && config->setTimingCache(*cache, false));
  Progress progress;
  config->setProgressMonitor(&progress);

  progress.cancel = true;
  VERIFY(Unique<IHostMemory>(builder->buildSerializedNetwork(*network, *config)) == nullptr);
  VERIFY(recorder.getNbErrors() > 0 && progress.finished());
  recorder.clear();
  logger.errors.clear();
  progress.cancel = false;
  FileWriter writer(o.engine);
  VERIFY(builder->buildSerializedNetworkToStream(*network, *config, writer) && writer.written > 0);
  VERIFY(recorder.getNbErrors() == 0 && progress.finished() && !progress.seen.empty());

  int64_t const count = cache->queryKeys(nullptr, 0);
  std::vector<TimingCacheKey> keys(count);
  VERIFY(count >= 0 && cache->queryKeys(keys.data(), count) == count);
  for (const TimingCacheKey& key : keys) {
    TimingCacheValue value = cache->query(key);
    value.timingMSec *= 2;
    VERIFY(cache->update(key, value) && cache->query(key).timingMSec == value.timingMSec);
  }
  Unique<IHostMemory> bytes(config->getTimingCache()->serialize());
  std::ofstream(o.timing_cache, std::ios::binary).write(static_cast<const char*>(bytes->data()), bytes->size());
  // Built again, every time is in the cache.
  config->setFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
  VERIFY(Unique<IHostMemory>(builder->buildSerializedNetwork(*network, *config)) != nullptr);
  builder->setErrorRecorder(nullptr);
}

void refit(ICudaEngine& engine, Logger& logger, const Parameters& p, bool all_at_once) {
  Unique<IRefitter> refitter(createInferRefitter(engine, logger));
  int32_t const missing = refitter->getMissingWeights(0, nullptr);
  std::vector<const char*> names(missing);
  refitter->getMissingWeights(missing, names.data());
  int32_t const all = refitter->getAllWeights(0, nullptr);
  VERIFY(all == 5 && missing == (all_at_once ? 5 : 0));
  std::map<std::string, const std::vector<float>*> known{{"fc1.weight", &p.w1},
                                                         {"fc1.bias", &p.b1},
                                                         {"fc2.weight", &p.w2},
                                                         {"norm.weight", &p.gamma},
                                                         {"norm.bias", &p.beta}};
  for (const auto& [name, values] : known) {
    Weights const prototype = refitter->getWeightsPrototype(name.c_str());
    VERIFY(prototype.type == DataType::kFLOAT && prototype.count == static_cast<int64_t>(values->size()));
    VERIFY(refitter->setNamedWeights(name.c_str(), weightsOf(*values), TensorLocation::kHOST));
    VERIFY(refitter->getWeightsLocation(name.c_str()) == TensorLocation::kHOST);
  }
  VERIFY(!refitter->setNamedWeights("fc3.weight", weightsOf(p.w1)));
  logger.errors.clear();
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  VERIFY(refitter->refitCudaEngineAsync(stream));
  cudaStreamSynchronize(stream);
  cudaStreamDestroy(stream);
}

struct Lane {
  Unique<IExecutionContext> context;
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  void *x = nullptr, *y = nullptr;
  std::vector<float> times;

  Lane(ICudaEngine& engine, int rows) {
    Unique<IRuntimeConfig> config(engine.createRuntimeConfig());
    config->setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy::kON_PROFILE_CHANGE);
    VERIFY(config->getExecutionContextAllocationStrategy() == ExecutionContextAllocationStrategy::kON_PROFILE_CHANGE);
    context.reset(engine.createExecutionContext(config.get()));
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaEventCreate(&begin), cudaEventCreate(&end);
    cudaMalloc(&x, rows * kIn * sizeof(float)), cudaMalloc(&y, rows * kOut * sizeof(float));
    VERIFY(context->setInputShape("x", Dims2{rows, kIn}) && context->setTensorAddress("x", x) &&
           context->setTensorAddress("y", y));
  }
  Lane(const Lane&) = delete;
  ~Lane() {
    if (exec) cudaGraphExecDestroy(exec);
    if (graph) cudaGraphDestroy(graph);
    cudaEventDestroy(begin), cudaEventDestroy(end), cudaStreamDestroy(stream), cudaFree(x), cudaFree(y);
  }
  void capture() {
    VERIFY(context->enqueueV3(stream));
    cudaStreamSynchronize(stream);
    VERIFY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    VERIFY(context->enqueueV3(stream));
    VERIFY(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
#if CUDART_VERSION >= 12000
    VERIFY(cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess);
#else
    VERIFY(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0) == cudaSuccess);
#endif
  }
  void run(bool use_graph) {
    cudaEventRecord(begin, stream);
    if (use_graph)
      VERIFY(cudaGraphLaunch(exec, stream) == cudaSuccess);
    else
      VERIFY(context->enqueueV3(stream));
    cudaEventRecord(end, stream);
  }
};

void measure(const Options& o, ICudaEngine& engine, const Parameters& p) {
  std::vector<float> x(o.batch * kIn);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::cos(0.3F * static_cast<float>(i));
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int s = 0; s < o.streams; ++s) {
    lanes.push_back(std::make_unique<Lane>(engine, o.batch));
    cudaMemcpyAsync(lanes.back()->x, x.data(), x.size() * sizeof(float), cudaMemcpyHostToDevice, lanes.back()->stream);
    if (o.cuda_graph) lanes.back()->capture();
  }
  cudaProfilerStart();
  for (int i = 0; i < o.iterations; ++i) {
    for (auto& lane : lanes) lane->run(o.cuda_graph);
    for (auto& lane : lanes) {
      float ms = -1;
      VERIFY(cudaEventSynchronize(lane->end) == cudaSuccess &&
             cudaEventElapsedTime(&ms, lane->begin, lane->end) == cudaSuccess);
      lane->times.push_back(ms);
    }
  }
  cudaProfilerStop();
  const std::vector<double> wanted = reference(p, x, o.batch, nullptr);
  for (auto& lane : lanes) {
    std::sort(lane->times.begin(), lane->times.end());
    VERIFY(lane->times.front() >= 0 &&
           lane->times[lane->times.size() * 99 / 100] >= lane->times[lane->times.size() / 2]);
    std::vector<float> y(wanted.size());
    cudaMemcpy(y.data(), lane->y, y.size() * sizeof(float), cudaMemcpyDeviceToHost);
    VERIFY(error(y, wanted) < 1e-5);
  }
  // A run of its own with a profile and debug tensors.
  Lane lane(engine, o.batch);
  cudaMemcpy(lane.x, x.data(), x.size() * sizeof(float), cudaMemcpyHostToDevice);
  Profile profile;
  Debug debug;
  lane.context->setProfiler(&profile);
  lane.context->setEnqueueEmitsProfile(false);
  VERIFY(!lane.context->getEnqueueEmitsProfile());
  VERIFY(lane.context->setDebugListener(&debug) && lane.context->setAllTensorsDebugState(true));
  VERIFY(lane.context->getDebugState("normalized"));
  lane.run(false);
  cudaStreamSynchronize(lane.stream);
  VERIFY(profile.times.empty() && lane.context->reportToProfiler() && !profile.times.empty());
  std::vector<double> normalized;
  reference(p, x, o.batch, &normalized);
  VERIFY(debug.seen.count("normalized") && error(debug.seen["normalized"], normalized) < 1e-5);
}

std::string layerInformation(ICudaEngine& engine, IExecutionContext* context) {
  Unique<IEngineInspector> inspector(engine.createEngineInspector());
  if (context) inspector->setExecutionContext(context);
  const std::string json = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  for (int32_t i = 0; i < engine.getNbLayers(); ++i)
    VERIFY(std::strlen(inspector->getLayerInformation(i, LayerInformationFormat::kONELINE)) > 0);
  return json;
}

}  // namespace

int main() {
  Options o;
  Logger logger;
  const Parameters first(0.1F), second(2.7F);
  std::remove(o.timing_cache.c_str());
  Recorder recorder;
  build(o, logger, first, recorder);
  VERIFY(recorder.count() == 0);
  Unique<IRuntime> runtime(createInferRuntime(logger));
  runtime->setEngineHostCodeAllowed(false);
  std::vector<char> head = slurp(o.engine);
  VERIFY(!head.empty());
  FileReader reader(o.engine);
  Unique<ICudaEngine> engine(runtime->deserializeCudaEngine(reader));
  VERIFY(engine && engine->isRefittable());
  if (!engine) return 1;
  VERIFY(Unique<IExecutionContext>(engine->createExecutionContext()) == nullptr);  // it has no weights yet
  logger.errors.clear();
  refit(*engine, logger, first, true);
  measure(o, *engine, first);
  refit(*engine, logger, second, false);
  measure(o, *engine, second);
  {
    Unique<IExecutionContext> context(engine->createExecutionContext());
    context->setInputShape("x", Dims2{5, kIn});
    const std::string json = layerInformation(*engine, context.get());
    VERIFY(json.find("\"Layers\"") != std::string::npos && json.find("fc2") != std::string::npos &&
           json.find("TacticName") != std::string::npos);
    VERIFY(json.find("origin") != std::string::npos);
  }
  // A copy with weights, saved by the engine and loaded without a refit.
  Unique<ISerializationConfig> config(engine->createSerializationConfig());
  VERIFY(config->clearFlag(SerializationFlag::kEXCLUDE_WEIGHTS) &&
         !config->getFlag(SerializationFlag::kEXCLUDE_WEIGHTS));
  Unique<IHostMemory> whole(engine->serializeWithConfig(*config));
  VERIFY(config->setFlag(SerializationFlag::kEXCLUDE_WEIGHTS));
  Unique<IHostMemory> thin(engine->serializeWithConfig(*config));
  VERIFY(whole && thin && thin->size() < whole->size());
  Unique<ICudaEngine> copy(runtime->deserializeCudaEngine(whole->data(), whole->size()));
  engine.reset();
  VERIFY(copy != nullptr);
  if (copy) measure(o, *copy, second);
  for (const std::string& e : logger.errors) std::cerr << e << std::endl;
  VERIFY(logger.errors.empty());
  std::remove(o.timing_cache.c_str());
  std::remove(o.engine.c_str());
  std::cout << failures << " failures" << std::endl;
  return failures != 0;
}
