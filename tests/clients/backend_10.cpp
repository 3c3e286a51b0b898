// A TensorRT 10 program like the model instances of an inference server: everything about an unknown engine is asked
// for by name and profile, contexts live in memory that the server lends, requests are padded to the profile, an input
// of another layout is told apart by its format, shapes come from a tensor of the host's, outputs of unknown size from
// an allocator, repeated requests from captured graphs, and two instances share an engine on streams of their own.
#include <NvInfer.h>
#include <NvInferPlugin.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace backend {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::OptProfileSelector;
using nvinfer1::TensorIOMode;

std::atomic<int> failures{0};
#define VERIFY(condition)                                                     \
  do {                                                                        \
    if (!(condition)) {                                                       \
      std::cerr << __LINE__ << ": " #condition " does not hold" << std::endl; \
      ++::backend::failures;                                                  \
    }                                                                         \
  } while (0)
#define CUDA(call) VERIFY((call) == cudaSuccess)

class TensorRTLogger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* msg) noexcept override {
    std::lock_guard<std::mutex> lock(mutex_);
    switch (severity) {
      case Severity::kINTERNAL_ERROR:
      case Severity::kERROR:
        last_error_ = msg;
        ++errors_;
        break;
      case Severity::kWARNING:
      case Severity::kINFO:
      case Severity::kVERBOSE:
        break;
    }
  }
  int TakeErrors() { return errors_.exchange(0); }
  std::string LastError() {
    std::lock_guard<std::mutex> lock(mutex_);
    return last_error_;
  }

 private:
  std::mutex mutex_;
  std::string last_error_;
  std::atomic<int> errors_{0};
} tensorrt_logger;

int64_t ByteSize(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
    case DataType::kINT32:
      return 4;
    case DataType::kINT64:
      return 8;
    case DataType::kHALF:
    case DataType::kBF16:
      return 2;
    case DataType::kINT8:
    case DataType::kBOOL:
    case DataType::kUINT8:
    case DataType::kFP8:
      return 1;
    case DataType::kINT4:
    case DataType::kFP4:
    case DataType::kE8M0:
      break;
  }
  return 0;
}

std::string DimsDebugString(const Dims& dims) {
  std::string s = "[";
  for (int i = 0; i < dims.nbDims; ++i) s += (i ? "," : "") + std::to_string(dims.d[i]);
  return s + "]";
}

int64_t Volume(const Dims& dims) {
  int64_t v = 1;
  for (int i = 0; i < dims.nbDims; ++i) v *= dims.d[i];
  return v;
}

class OutputAllocator : public nvinfer1::IOutputAllocator {
 public:
  explicit OutputAllocator(bool zero_copy) : zero_copy_(zero_copy) {}
  ~OutputAllocator() override { cudaFree(output_ptr_); }
  void* reallocateOutputAsync(const char* tensor_name, void* current, uint64_t size, uint64_t alignment,
                              cudaStream_t) noexcept override {
    VERIFY(tensor_name != nullptr && alignment > 0);
    (void)current;
    if (size <= capacity_) return output_ptr_;
    cudaFree(output_ptr_);
    output_ptr_ = nullptr;
    capacity_ = 0;
    if ((zero_copy_ ? cudaMallocManaged(&output_ptr_, std::max<uint64_t>(size, 1))
                    : cudaMalloc(&output_ptr_, std::max<uint64_t>(size, 1))) == cudaSuccess)
      capacity_ = size;
    return output_ptr_;
  }
  void notifyShape(const char*, const Dims& dims) noexcept override { shape_ = dims; }
  void* Buffer() { return output_ptr_; }
  const Dims& Shape() const { return shape_; }

 private:
  bool zero_copy_;
  void* output_ptr_ = nullptr;
  uint64_t capacity_ = 0;
  Dims shape_{-1, {}};
};

std::vector<char> BuildModel() {
  using namespace nvinfer1;
  std::unique_ptr<IBuilder> builder(createInferBuilder(tensorrt_logger));
  std::unique_ptr<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  // INPUT0 [-1, 8] f32, INPUT1 [-1, 6, 4, 4] f16 in channels of 8, SHAPE [2] on the host
  ITensor* in0 = network->addInput("INPUT0", DataType::kFLOAT, Dims2{-1, 8});
  ITensor* in1 = network->addInput("INPUT1", DataType::kHALF, Dims4{-1, 6, 4, 4});
  ITensor* shape = network->addInput("SHAPE", DataType::kINT64, Dims{1, {2}});
  in1->setAllowedFormats(1U << static_cast<uint32_t>(TensorFormat::kHWC8));
  static float weights[8 * 8];
  for (int i = 0; i < 64; ++i) weights[i] = std::cos(static_cast<float>(i)) / 3;
  ITensor* w = network->addConstant(Dims2{8, 8}, Weights{DataType::kFLOAT, weights, 64})->getOutput(0);
  ITensor* y = network->addMatrixMultiply(*in0, MatrixOperation::kNONE, *w, MatrixOperation::kTRANSPOSE)->getOutput(0);
  ITensor* t = network->addActivation(*y, ActivationType::kTANH)->getOutput(0);
  IShuffleLayer* reshaped = network->addShuffle(*t);
  reshaped->setInput(1, *shape);
  IReduceLayer* mean = network->addReduce(*in1, ReduceOperation::kAVG, 1U << 2 | 1U << 3, false);
  INonZeroLayer* nonzero = network->addNonZero(*network->addActivation(*y, ActivationType::kRELU)->getOutput(0));
  struct {
    ITensor* tensor;
    const char* name;
  } outs[] = {{reshaped->getOutput(0), "OUTPUT0"}, {mean->getOutput(0), "OUTPUT1"}, {nonzero->getOutput(0), "INDICES"}};
  for (auto& o : outs) {
    o.tensor->setName(o.name);
    network->markOutput(*o.tensor);
  }
  const int64_t ranges[2][3] = {{1, 4, 8}, {1, 1, 1}};
  for (const auto& r : ranges) {
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    for (int s = 0; s < 3; ++s) {
      const auto sel = static_cast<OptProfileSelector>(s);
      VERIFY(profile->setDimensions("INPUT0", sel, Dims2{r[s], 8}));
      VERIFY(profile->setDimensions("INPUT1", sel, Dims4{r[s], 6, 4, 4}));
      const int64_t values[] = {s == 0 ? 1 : 8 * r[s], s == 0 ? 1 : 8};
      VERIFY(profile->setShapeValuesV2("SHAPE", sel, values, 2));
    }
    VERIFY(profile->isValid() && profile->getNbShapeValues("SHAPE") == 2);
    VERIFY(config->addOptimizationProfile(profile) >= 0);
  }
  config->setFlag(BuilderFlag::kFP16);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  VERIFY(plan && plan->type() == DataType::kINT8);
  const char* data = plan ? static_cast<const char*>(plan->data()) : nullptr;
  return data ? std::vector<char>(data, data + plan->size()) : std::vector<char>();
}

class ModelInstanceState {
 public:
  struct TensorRTContext {
    int profile_idx;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
    void* memory = nullptr;
    std::unordered_map<std::string, Dims> min, opt, max;
    std::map<std::vector<int64_t>, cudaGraphExec_t> graphs;
  };
  struct Request {
    std::vector<float> input0, input1;
    int64_t batch;
    int64_t shape[2];
  };
  struct Response {
    std::vector<float> output0, output1;
    std::vector<int64_t> indices;
    Dims shape0, shape1, shape_indices;
    bool ok = false;
  };

  ModelInstanceState(std::shared_ptr<nvinfer1::ICudaEngine> engine, bool graphs)
      : engine_(std::move(engine)), use_graphs_(graphs) {
    int low = 0, high = 0;
    CUDA(cudaDeviceGetStreamPriorityRange(&low, &high));
    CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, low));
    CUDA(cudaEventCreateWithFlags(&input_ready_, cudaEventDisableTiming));
    for (int i = 0; i < engine_->getNbIOTensors(); ++i) Describe(engine_->getIOTensorName(i));
    for (int p = 0; p < engine_->getNbOptimizationProfiles(); ++p) InitContext(p);
  }
  ~ModelInstanceState() {
    CUDA(cudaStreamSynchronize(stream_));
    for (auto& c : contexts_) {
      for (auto& g : c.graphs) CUDA(cudaGraphExecDestroy(g.second));
      c.context.reset();
      CUDA(cudaFree(c.memory));
    }
    for (auto& b : buffers_) CUDA(cudaFree(b.second));
    CUDA(cudaFreeHost(host_shape_));
    CUDA(cudaEventDestroy(input_ready_));
    CUDA(cudaStreamDestroy(stream_));
  }

  Response Execute(const Request& request) {
    std::lock_guard<std::mutex> lock(mutex_);
    Response response;
    TensorRTContext* citr = Choose(request);
    if (citr == nullptr) return response;
    nvinfer1::IExecutionContext& context = *citr->context;
    // INPUT1 arrives as floats with channels first, the engine wants halves with 8 channels last.
    std::vector<__half> packed(request.batch * 16 * 8, __float2half(0.0F));
    for (int64_t n = 0; n < request.batch; ++n)
      for (int c = 0; c < 6; ++c)
        for (int i = 0; i < 16; ++i) packed[(n * 16 + i) * 8 + c] = __float2half(request.input1[(n * 6 + c) * 16 + i]);
    CUDA(cudaMemcpyAsync(buffers_["INPUT0"], request.input0.data(), request.input0.size() * 4, cudaMemcpyHostToDevice,
                         stream_));
    CUDA(cudaMemcpyAsync(buffers_["INPUT1"], packed.data(), packed.size() * 2, cudaMemcpyHostToDevice, stream_));
    std::memcpy(host_shape_, request.shape, sizeof request.shape);
    bool ok = context.setInputShape("INPUT0", nvinfer1::Dims2{request.batch, 8});
    ok = ok && context.setInputShape("INPUT1", nvinfer1::Dims4{request.batch, 6, 4, 4});
    ok = ok && context.setTensorAddress("SHAPE", host_shape_);
    std::vector<const char*> missing(8);
    const int32_t lacking = ok ? context.inferShapes(static_cast<int32_t>(missing.size()), missing.data()) : -1;
    if (lacking != 0) {
      CUDA(cudaStreamSynchronize(stream_));
      return response;
    }
    response.shape0 = context.getTensorShape("OUTPUT0");
    VERIFY(context.getTensorShape("INDICES").d[1] == -1);
    const std::vector<int64_t> key{request.batch, request.shape[0], request.shape[1]};
    if (use_graphs_ && citr->graphs.count(key)) {
      CUDA(cudaGraphLaunch(citr->graphs[key], stream_));
      ++graph_launches_;
      ok = true;
    } else {
      ok = context.enqueueV3(stream_);
    }
    if (!ok) return response;
    CUDA(cudaEventSynchronize(input_ready_));
    response.output0.resize(Volume(response.shape0));
    response.shape1 = context.getTensorShape("OUTPUT1");
    std::vector<__half> mean(Volume(response.shape1));
    CUDA(cudaMemcpyAsync(response.output0.data(), buffers_["OUTPUT0"], response.output0.size() * 4,
                         cudaMemcpyDeviceToHost, stream_));
    CUDA(cudaMemcpyAsync(mean.data(), buffers_["OUTPUT1"], mean.size() * 2, cudaMemcpyDeviceToHost, stream_));
    CUDA(cudaStreamSynchronize(stream_));
    for (__half h : mean) response.output1.push_back(__half2float(h));
    response.shape_indices = allocator_.Shape();
    VERIFY(engine_->getTensorDataType("INDICES") == DataType::kINT32);
    std::vector<int32_t> indices(Volume(response.shape_indices));
    CUDA(cudaMemcpy(indices.data(), allocator_.Buffer(), indices.size() * 4, cudaMemcpyDeviceToHost));
    response.indices.assign(indices.begin(), indices.end());
    response.ok = true;
    return response;
  }
  int GraphLaunches() const { return graph_launches_; }

 private:
  void Describe(const char* name) {
    const bool input = engine_->getTensorIOMode(name) == TensorIOMode::kINPUT;
    VERIFY(engine_->getTensorIOMode("no such tensor") == TensorIOMode::kNONE);
    const DataType type = engine_->getTensorDataType(name);
    const auto format = engine_->getTensorFormat(name, 0);
    VERIFY(ByteSize(type) > 0 && std::strlen(engine_->getTensorFormatDesc(name, 0)) > 0);
    const int32_t vectorized = engine_->getTensorVectorizedDim(name, 0);
    const bool vectors = format == nvinfer1::TensorFormat::kHWC8;
    VERIFY(vectors == (std::string(name) == "INPUT1") && (vectorized == -1) != vectors);
    VERIFY(engine_->getTensorComponentsPerElement(name, 0) == (vectors ? 8 : -1));
    VERIFY(engine_->getTensorBytesPerComponent(name, 0) == (vectors ? 2 : -1) || !vectors);
    if (engine_->isShapeInferenceIO(name)) {
      VERIFY(std::string(name) == "SHAPE" && engine_->getTensorLocation(name) == nvinfer1::TensorLocation::kHOST);
      CUDA(cudaMallocHost(reinterpret_cast<void**>(&host_shape_), 2 * sizeof(int64_t)));
      return;
    }
    VERIFY(engine_->getTensorLocation(name) == nvinfer1::TensorLocation::kDEVICE);
    (input ? inputs_ : outputs_).insert(name);
    int64_t bytes = 0;
    for (int p = 0; input && p < engine_->getNbOptimizationProfiles(); ++p) {
      Dims most = engine_->getProfileShape(name, p, OptProfileSelector::kMAX);
      if (vectors) most.d[vectorized] = (most.d[vectorized] + 7) / 8 * 8;
      bytes = std::max(bytes, Volume(most) * ByteSize(type));
    }
    if (!input) bytes = 8 * 8 * 8 * ByteSize(type);
    if (std::string(name) != "INDICES") CUDA(cudaMalloc(&buffers_[name], bytes));
  }
  void InitContext(int p) {
    contexts_.emplace_back();
    TensorRTContext& c = contexts_.back();
    c.profile_idx = p;
    c.context.reset(engine_->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
    const int64_t bytes = engine_->getDeviceMemorySizeForProfileV2(p);
    VERIFY(bytes >= 0 && bytes <= engine_->getDeviceMemorySizeV2());
    CUDA(cudaMalloc(&c.memory, std::max<int64_t>(bytes, 256)));
    VERIFY(c.context->setOptimizationProfileAsync(p, stream_));
    CUDA(cudaStreamSynchronize(stream_));
    c.context->setDeviceMemoryV2(c.memory, bytes);
    VERIFY(c.context->getOptimizationProfile() == p);
    for (const auto& name : inputs_) {
      c.min[name] = engine_->getProfileShape(name.c_str(), p, OptProfileSelector::kMIN);
      c.opt[name] = engine_->getProfileShape(name.c_str(), p, OptProfileSelector::kOPT);
      c.max[name] = engine_->getProfileShape(name.c_str(), p, OptProfileSelector::kMAX);
    }
    const int64_t* values = engine_->getProfileTensorValuesV2("SHAPE", p, OptProfileSelector::kMAX);
    VERIFY(values && values[1] == 8);
    for (auto& b : buffers_) VERIFY(c.context->setTensorAddress(b.first.c_str(), b.second));
    VERIFY(c.context->setOutputAllocator("INDICES", &allocator_) &&
           c.context->getOutputAllocator("INDICES") == &allocator_);
    VERIFY(c.context->setInputConsumedEvent(input_ready_) && c.context->getInputConsumedEvent() == input_ready_);
  }
  TensorRTContext* Choose(const Request& request) {
    TensorRTContext* best = nullptr;
    int64_t distance = INT64_MAX;
    for (auto& c : contexts_) {
      if (request.batch < c.min["INPUT0"].d[0] || request.batch > c.max["INPUT0"].d[0]) continue;
      const int64_t d = std::abs(request.batch - c.opt["INPUT0"].d[0]);
      if (d < distance) best = &c, distance = d;
    }
    return best;
  }

  std::shared_ptr<nvinfer1::ICudaEngine> engine_;
  bool use_graphs_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t input_ready_ = nullptr;
  std::set<std::string> inputs_, outputs_;
  std::map<std::string, void*> buffers_;
  int64_t* host_shape_ = nullptr;
  OutputAllocator allocator_{true};
  std::deque<TensorRTContext> contexts_;
  std::mutex mutex_;
  int graph_launches_ = 0;
};

ModelInstanceState::Request MakeRequest(int64_t batch, int seed) {
  ModelInstanceState::Request r;
  r.batch = batch;
  r.shape[0] = seed % 2 ? batch * 2 : 8;
  r.shape[1] = seed % 2 ? 4 : batch;
  for (int64_t i = 0; i < batch * 8; ++i) r.input0.push_back(std::sin(static_cast<float>(seed * 100 + i)));
  for (int64_t i = 0; i < batch * 96; ++i) r.input1.push_back(std::cos(static_cast<float>(seed * 10 + i)));
  return r;
}

void Check(const ModelInstanceState::Request& r, const ModelInstanceState::Response& a) {
  VERIFY(a.ok);
  if (!a.ok) return;
  VERIFY(a.shape0.nbDims == 2 && a.shape0.d[0] == r.shape[0] && a.shape0.d[1] == r.shape[1]);
  std::vector<std::pair<int64_t, int64_t>> positive;
  double difference = 0, norm = 1e-30;
  for (int64_t n = 0; n < r.batch; ++n) {
    for (int o = 0; o < 8; ++o) {
      double sum = 0;
      for (int i = 0; i < 8; ++i)
        sum += static_cast<double>(r.input0[n * 8 + i]) * (std::cos(static_cast<float>(o * 8 + i)) / 3);
      if (sum > 0) positive.emplace_back(n, o);
      const double d = a.output0[n * 8 + o] - std::tanh(sum);
      difference += d * d, norm += std::tanh(sum) * std::tanh(sum);
    }
    for (int c = 0; c < 6; ++c) {
      double mean = 0;
      for (int i = 0; i < 16; ++i) mean += r.input1[(n * 6 + c) * 16 + i] / 16;
      VERIFY(std::abs(a.output1[n * 6 + c] - mean) < 2e-3);
    }
  }
  VERIFY(std::sqrt(difference / norm) < 5e-3);
  VERIFY(a.shape_indices.nbDims == 2 && a.shape_indices.d[0] == 2);
  VERIFY(std::abs(static_cast<double>(a.shape_indices.d[1]) - static_cast<double>(positive.size())) <= 1);
  if (a.shape_indices.d[1] == static_cast<int64_t>(positive.size()))
    for (size_t k = 0; k < positive.size(); ++k)
      VERIFY(a.indices[k] == positive[k].first && a.indices[positive.size() + k] == positive[k].second);
}

}  // namespace backend

int main() {
  using namespace backend;
  VERIFY(initLibNvInferPlugins(&tensorrt_logger, ""));
  int driver = 0, version = 0;
  CUDA(cudaDriverGetVersion(&driver));
  CUDA(cudaRuntimeGetVersion(&version));
  cudaDeviceProp properties{};
  CUDA(cudaGetDeviceProperties(&properties, 0));
  const std::vector<char> plan = BuildModel();
  std::shared_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(tensorrt_logger));
  runtime->setMaxThreads(2);
  VERIFY(runtime->getMaxThreads() == 2);
  std::shared_ptr<nvinfer1::ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
  VERIFY(engine && engine->getNbIOTensors() == 6 && engine->getNbOptimizationProfiles() == 2);
  if (!engine) return 1;
  ModelInstanceState first(engine, false), second(engine, false);
  tensorrt_logger.TakeErrors();  // of the name that no tensor has
  std::vector<std::future<void>> jobs;
  for (int k = 0; k < 2; ++k)
    jobs.push_back(std::async(std::launch::async, [&, k] {
      for (int i = 0; i < 12; ++i) {
        const auto request = MakeRequest(i % 8 + 1, i + k);
        Check(request, (k ? second : first).Execute(request));
      }
    }));
  for (auto& j : jobs) j.get();
  VERIFY(tensorrt_logger.TakeErrors() == 0);
  // A request whose shape does not hold its elements, and one that no profile has.
  auto bad = MakeRequest(3, 1);
  bad.shape[0] = 5;
  VERIFY(!first.Execute(bad).ok && tensorrt_logger.TakeErrors() > 0);
  VERIFY(!first.Execute(MakeRequest(9, 1)).ok);
  const auto good = MakeRequest(2, 5);
  Check(good, first.Execute(good));
  VERIFY(tensorrt_logger.TakeErrors() == 0);
  // Junk instead of a plan.
  std::vector<char> junk(plan.begin(), plan.begin() + plan.size() / 2);
  VERIFY(std::unique_ptr<nvinfer1::ICudaEngine>(runtime->deserializeCudaEngine(junk.data(), junk.size())) == nullptr);
  VERIFY(tensorrt_logger.TakeErrors() > 0 && !tensorrt_logger.LastError().empty());
  std::cout << failures << " failures" << std::endl;
  return failures != 0;
}
