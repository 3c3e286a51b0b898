// TensorRT 8 programs in the manner of the samples that come with it, which much code was begun from: shared helpers
// that own buffers by binding, a preprocessor engine with dynamic sizes in front of a classifier, algorithms chosen by
// a selector that writes a file and one that reads it back, ranges set tensor by tensor with layers held to a
// precision, inputs and outputs in other formats, and pinned managed buffers.
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <ratio>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include "NvInfer.h"
#include "NvOnnxParser.h"

#undef ASSERT
#define ASSERT(condition)                                                               \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      std::cerr << "Assertion failure at " << __LINE__ << ": " #condition << std::endl; \
      ++gFailures;                                                                      \
      return false;                                                                     \
    }                                                                                   \
  } while (0)
#define CHECK(status)                                    \
  do {                                                   \
    auto ret = (status);                                 \
    if (ret != 0) {                                      \
      std::cerr << "Cuda failure: " << ret << std::endl; \
      abort();                                           \
    }                                                    \
  } while (0)

static int gFailures = 0;

constexpr long double operator"" _GiB(long double val) { return val * (1 << 30); }
constexpr long long int operator"" _MiB(unsigned long long val) { return val * (1 << 20); }

namespace samplesCommon {

struct InferDeleter {
  template <typename T>
  void operator()(T* obj) const {
    delete obj;
  }
};
template <typename T>
using SampleUniquePtr = std::unique_ptr<T, InferDeleter>;

inline uint32_t getElementSize(nvinfer1::DataType t) noexcept {
  switch (t) {
    case nvinfer1::DataType::kINT32:
      return 4;
    case nvinfer1::DataType::kFLOAT:
      return 4;
    case nvinfer1::DataType::kHALF:
      return 2;
    case nvinfer1::DataType::kBOOL:
    case nvinfer1::DataType::kUINT8:
    case nvinfer1::DataType::kINT8:
    case nvinfer1::DataType::kFP8:
      return 1;
    default:  // of 9.x
      return 0;
  }
}
inline int64_t volume(const nvinfer1::Dims& d) {
  return std::accumulate(d.d, d.d + d.nbDims, int64_t{1}, std::multiplies<int64_t>());
}
template <typename A, typename B>
inline A divUp(A x, B n) {
  return (x + n - 1) / n;
}

template <typename AllocFunc, typename FreeFunc>
class GenericBuffer {
 public:
  GenericBuffer(nvinfer1::DataType type = nvinfer1::DataType::kFLOAT)
      : mSize(0), mCapacity(0), mType(type), mBuffer(nullptr) {}
  GenericBuffer(size_t size, nvinfer1::DataType type) : mSize(size), mCapacity(size), mType(type) {
    if (!allocFn(&mBuffer, this->nbBytes())) throw std::bad_alloc();
  }
  GenericBuffer(GenericBuffer&& buf)
      : mSize(buf.mSize), mCapacity(buf.mCapacity), mType(buf.mType), mBuffer(buf.mBuffer) {
    buf.mSize = buf.mCapacity = 0;
    buf.mBuffer = nullptr;
  }
  GenericBuffer& operator=(GenericBuffer&& buf) {
    if (this != &buf) {
      freeFn(mBuffer);
      mSize = buf.mSize, mCapacity = buf.mCapacity, mType = buf.mType, mBuffer = buf.mBuffer;
      buf.mSize = buf.mCapacity = 0;
      buf.mBuffer = nullptr;
    }
    return *this;
  }
  ~GenericBuffer() { freeFn(mBuffer); }
  void* data() { return mBuffer; }
  size_t size() const { return mSize; }
  size_t nbBytes() const { return mSize * getElementSize(mType); }
  void resize(size_t newSize) {
    mSize = newSize;
    if (mCapacity < newSize) {
      freeFn(mBuffer);
      if (!allocFn(&mBuffer, this->nbBytes())) throw std::bad_alloc{};
      mCapacity = newSize;
    }
  }
  void resize(const nvinfer1::Dims& dims) { resize(static_cast<size_t>(volume(dims))); }

 private:
  size_t mSize{0}, mCapacity{0};
  nvinfer1::DataType mType;
  void* mBuffer;
  AllocFunc allocFn;
  FreeFunc freeFn;
};
struct DeviceAllocator {
  bool operator()(void** ptr, size_t size) const { return cudaMalloc(ptr, size) == cudaSuccess; }
};
struct DeviceFree {
  void operator()(void* ptr) const { cudaFree(ptr); }
};
struct HostAllocator {
  bool operator()(void** ptr, size_t size) const {
    *ptr = malloc(size);
    return *ptr != nullptr;
  }
};
struct HostFree {
  void operator()(void* ptr) const { free(ptr); }
};
using DeviceBuffer = GenericBuffer<DeviceAllocator, DeviceFree>;
using HostBuffer = GenericBuffer<HostAllocator, HostFree>;
struct ManagedBuffer {
  DeviceBuffer deviceBuffer;
  HostBuffer hostBuffer;
};

class BufferManager {
 public:
  static const size_t kINVALID_SIZE_VALUE = ~size_t(0);
  BufferManager(std::shared_ptr<nvinfer1::ICudaEngine> engine, const int batchSize = 0,
                const nvinfer1::IExecutionContext* context = nullptr)
      : mEngine(engine), mBatchSize(batchSize) {
    assert(engine->hasImplicitBatchDimension() || mBatchSize == 0);
    for (int i = 0; i < mEngine->getNbBindings(); i++) {
      auto dims = context ? context->getBindingDimensions(i) : mEngine->getBindingDimensions(i);
      size_t vol = context || !mBatchSize ? 1 : static_cast<size_t>(mBatchSize);
      nvinfer1::DataType type = mEngine->getBindingDataType(i);
      int vecDim = mEngine->getBindingVectorizedDim(i);
      if (-1 != vecDim) {
        int scalarsPerVec = mEngine->getBindingComponentsPerElement(i);
        dims.d[vecDim] = divUp(dims.d[vecDim], scalarsPerVec);
        vol *= scalarsPerVec;
      }
      vol *= volume(dims);
      std::unique_ptr<ManagedBuffer> manBuf{new ManagedBuffer()};
      manBuf->deviceBuffer = DeviceBuffer(vol, type);
      manBuf->hostBuffer = HostBuffer(vol, type);
      mDeviceBindings.emplace_back(manBuf->deviceBuffer.data());
      mManagedBuffers.emplace_back(std::move(manBuf));
    }
  }
  std::vector<void*>& getDeviceBindings() { return mDeviceBindings; }
  void* getHostBuffer(const std::string& name) const {
    int index = mEngine->getBindingIndex(name.c_str());
    return index == -1 ? nullptr : mManagedBuffers[index]->hostBuffer.data();
  }
  size_t size(const std::string& name) const {
    int index = mEngine->getBindingIndex(name.c_str());
    return index == -1 ? kINVALID_SIZE_VALUE : mManagedBuffers[index]->hostBuffer.nbBytes();
  }
  void copyInputToDevice() { memcpyBuffers(true, false); }
  void copyOutputToHost() { memcpyBuffers(false, true); }

 private:
  void memcpyBuffers(bool copyInput, bool deviceToHost) {
    for (int i = 0; i < mEngine->getNbBindings(); i++) {
      void* dst = deviceToHost ? mManagedBuffers[i]->hostBuffer.data() : mManagedBuffers[i]->deviceBuffer.data();
      const void* src = deviceToHost ? mManagedBuffers[i]->deviceBuffer.data() : mManagedBuffers[i]->hostBuffer.data();
      if (copyInput == mEngine->bindingIsInput(i))
        CHECK(cudaMemcpy(dst, src, mManagedBuffers[i]->hostBuffer.nbBytes(),
                         deviceToHost ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice));
    }
  }
  std::shared_ptr<nvinfer1::ICudaEngine> mEngine;
  int mBatchSize;
  std::vector<std::unique_ptr<ManagedBuffer>> mManagedBuffers;
  std::vector<void*> mDeviceBindings;
};

}  // namespace samplesCommon

namespace sample {
class Logger : public nvinfer1::ILogger {
 public:
  Logger(Severity severity = Severity::kWARNING) : mReportableSeverity(severity) {}
  nvinfer1::ILogger& getTRTLogger() noexcept { return *this; }
  void log(nvinfer1::ILogger::Severity severity, const char* msg) noexcept override {
    if (severity <= Severity::kERROR) std::cerr << "[E] [TRT] " << msg << std::endl, ++gFailures;
  }
  Severity getReportableSeverity() const { return mReportableSeverity; }

 private:
  Severity mReportableSeverity;
};
Logger gLogger;
}  // namespace sample

using namespace nvinfer1;
using samplesCommon::SampleUniquePtr;

struct Model {
  std::vector<float> conv1, bias1, conv2, bias2, fc, fcBias;
  Model() {
    unsigned s = 3;
    auto fill = [&s](std::vector<float>& v, size_t n, float scale) {
      v.resize(n);
      for (auto& x : v) s = s * 1664525U + 1013904223U, x = scale * (static_cast<float>(s >> 8) / 8388608.0F - 1.0F);
    };
    fill(conv1, 8 * 25, 0.2F), fill(bias1, 8, 0.1F), fill(conv2, 16 * 8 * 9, 0.12F), fill(bias2, 16, 0.1F);
    fill(fc, 10 * 16 * 49, 0.06F), fill(fcBias, 10, 0.1F);
  }
  static Weights w(const std::vector<float>& v) {
    return Weights{DataType::kFLOAT, v.data(), static_cast<int64_t>(v.size())};
  }
  /// 1 x 28 x 28 to ten scores.
  void build(INetworkDefinition& network, ITensor& input) const {
    auto c1 = network.addConvolutionNd(input, 8, Dims{2, {5, 5}}, w(conv1), w(bias1));
    c1->setPaddingNd(Dims{2, {2, 2}});
    c1->setName("conv1");
    auto r1 = network.addActivation(*c1->getOutput(0), ActivationType::kRELU);
    r1->setName("relu1");
    auto p1 = network.addPoolingNd(*r1->getOutput(0), PoolingType::kMAX, Dims{2, {2, 2}});
    p1->setStrideNd(DimsHW{2, 2});
    p1->setName("pool1");
    auto c2 = network.addConvolutionNd(*p1->getOutput(0), 16, Dims{2, {3, 3}}, w(conv2), w(bias2));
    c2->setPaddingNd(Dims{2, {1, 1}});
    c2->setName("conv2");
    auto r2 = network.addActivation(*c2->getOutput(0), ActivationType::kRELU);
    r2->setName("relu2");
    auto p2 = network.addPoolingNd(*r2->getOutput(0), PoolingType::kAVERAGE, Dims{2, {2, 2}});
    p2->setStrideNd(DimsHW{2, 2});
    p2->setName("pool2");
    auto f = network.addFullyConnected(*p2->getOutput(0), 10, w(fc), w(fcBias));
    f->setName("fc");
    auto s = network.addSoftMax(*f->getOutput(0));
    s->setAxes(1 << 1);
    s->setName("prob");
    s->getOutput(0)->setName("prob");
    network.markOutput(*s->getOutput(0));
  }
  std::vector<double> operator()(const std::vector<double>& x) const {
    std::vector<double> a(8 * 784), b(8 * 196), c(16 * 196), d(16 * 49), y(10);
    auto convolve = [](const std::vector<double>& in, int ci, int side, const std::vector<float>& k,
                       const std::vector<float>& bias, int co, int size, std::vector<double>& out) {
      for (int o = 0; o < co; ++o)
        for (int i = 0; i < side; ++i)
          for (int j = 0; j < side; ++j) {
            double sum = bias[o];
            for (int q = 0; q < ci; ++q)
              for (int u = 0; u < size; ++u)
                for (int v = 0; v < size; ++v) {
                  const int r = i - size / 2 + u, t = j - size / 2 + v;
                  if (r >= 0 && r < side && t >= 0 && t < side)
                    sum += in[(q * side + r) * side + t] * k[((o * ci + q) * size + u) * size + v];
                }
            out[(o * side + i) * side + j] = std::max(sum, 0.0);
          }
    };
    convolve(x, 1, 28, conv1, bias1, 8, 5, a);
    for (int o = 0; o < 8; ++o)
      for (int i = 0; i < 196; ++i) {
        const double* p = &a[o * 784 + i / 14 * 56 + i % 14 * 2];
        b[o * 196 + i] = std::max(std::max(p[0], p[1]), std::max(p[28], p[29]));
      }
    convolve(b, 8, 14, conv2, bias2, 16, 3, c);
    for (int o = 0; o < 16; ++o)
      for (int i = 0; i < 49; ++i) {
        const double* p = &c[o * 196 + i / 7 * 28 + i % 7 * 2];
        d[o * 49 + i] = (p[0] + p[1] + p[14] + p[15]) / 4;
      }
    double total = 0;
    for (int o = 0; o < 10; ++o) {
      y[o] = fcBias[o];
      for (int i = 0; i < 784; ++i) y[o] += d[i] * fc[o * 784 + i];
      total += y[o] = std::exp(y[o]);
    }
    for (auto& v : y) v /= total;
    return y;
  }
};

static std::vector<double> picture(int h, int w) {
  std::vector<double> p(h * w);
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j) p[i * w + j] = static_cast<float>(0.5 + 0.5 * std::sin(0.4 * i) * std::cos(0.3 * j));
  return p;
}

template <class T>
static double distance(const T* y, const std::vector<double>& wanted) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < wanted.size(); ++i)
    difference += std::pow(static_cast<double>(y[i]) - wanted[i], 2), norm += wanted[i] * wanted[i];
  return std::sqrt(difference / norm);
}

static std::shared_ptr<ICudaEngine> toEngine(IBuilder& builder, INetworkDefinition& network, IBuilderConfig& config) {
  SampleUniquePtr<IHostMemory> plan{builder.buildSerializedNetwork(network, config)};
  if (!plan) return nullptr;
  SampleUniquePtr<IRuntime> runtime{createInferRuntime(sample::gLogger.getTRTLogger())};
  return std::shared_ptr<ICudaEngine>(runtime->deserializeCudaEngine(plan->data(), plan->size()),
                                      samplesCommon::InferDeleter());
}

constexpr auto kExplicit = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);

// ---------------------------------------------------------------------------------------------------------------------

class SampleDynamicReshape {
 public:
  bool build() {
    auto builder = SampleUniquePtr<IBuilder>(createInferBuilder(sample::gLogger.getTRTLogger()));
    ASSERT(builder);
    return buildPredictionEngine(builder) && buildPreprocessorEngine(builder);
  }
  bool prepare() {
    mPreprocessorContext = SampleUniquePtr<IExecutionContext>(mPreprocessorEngine->createExecutionContext());
    mPredictionContext = SampleUniquePtr<IExecutionContext>(mPredictionEngine->createExecutionContext());
    ASSERT(mPreprocessorContext && mPredictionContext);
    mPredictionInput.resize(mPredictionInputDims);
    mOutput.resize(mPredictionOutputDims);
    mHostOutput.resize(mPredictionOutputDims);
    return true;
  }
  bool infer(int h, int w) {
    const std::vector<double> image = picture(h, w);
    mInput.resize(Dims4{1, 1, h, w});
    mHostInput.resize(Dims4{1, 1, h, w});
    std::copy(image.begin(), image.end(), static_cast<float*>(mHostInput.data()));
    CHECK(cudaMemcpy(mInput.data(), mHostInput.data(), mHostInput.nbBytes(), cudaMemcpyHostToDevice));
    ASSERT(mPreprocessorContext->setBindingDimensions(0, Dims4{1, 1, h, w}));
    ASSERT(mPreprocessorContext->allInputDimensionsSpecified());
    std::vector<void*> preprocessorBindings = {mInput.data(), mPredictionInput.data()};
    ASSERT(mPreprocessorContext->executeV2(preprocessorBindings.data()));
    std::vector<void*> predicitonBindings = {mPredictionInput.data(), mOutput.data()};
    ASSERT(mPredictionContext->executeV2(predicitonBindings.data()));
    CHECK(cudaMemcpy(mHostOutput.data(), mOutput.data(), mOutput.nbBytes(), cudaMemcpyDeviceToHost));
    std::vector<double> small(784);
    for (int i = 0; i < 28; ++i)
      for (int j = 0; j < 28; ++j) small[i * 28 + j] = image[i * h / 28 * w + j * w / 28];
    ASSERT(distance(static_cast<float*>(mHostOutput.data()), mModel(small)) < 1e-5);
    return true;
  }

 private:
  bool buildPreprocessorEngine(const SampleUniquePtr<IBuilder>& builder) {
    auto network = SampleUniquePtr<INetworkDefinition>(builder->createNetworkV2(kExplicit));
    auto input = network->addInput("input", DataType::kFLOAT, Dims4{-1, 1, -1, -1});
    auto resizeLayer = network->addResize(*input);
    resizeLayer->setOutputDimensions(mPredictionInputDims);
    network->markOutput(*resizeLayer->getOutput(0));
    auto config = SampleUniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    auto profile = builder->createOptimizationProfile();
    profile->setDimensions(input->getName(), OptProfileSelector::kMIN, Dims4{1, 1, 1, 1});
    profile->setDimensions(input->getName(), OptProfileSelector::kOPT, Dims4{1, 1, 28, 28});
    profile->setDimensions(input->getName(), OptProfileSelector::kMAX, Dims4{1, 1, 56, 56});
    config->addOptimizationProfile(profile);
    auto profileCalib = builder->createOptimizationProfile();
    for (auto s : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX})
      profileCalib->setDimensions(input->getName(), s, Dims4{1, 1, 28, 28});
    ASSERT(config->setCalibrationProfile(profileCalib));
    mPreprocessorEngine = toEngine(*builder, *network, *config);
    ASSERT(mPreprocessorEngine);
    for (auto s : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX})
      ASSERT(mPreprocessorEngine->getProfileDimensions(0, 0, s).nbDims == 4);
    return true;
  }
  bool buildPredictionEngine(const SampleUniquePtr<IBuilder>& builder) {
    auto network = SampleUniquePtr<INetworkDefinition>(builder->createNetworkV2(kExplicit));
    mModel.build(*network, *network->addInput("Input3", DataType::kFLOAT, Dims4{1, 1, 28, 28}));
    auto config = SampleUniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    config->setMaxWorkspaceSize(16_MiB);
    mPredictionInputDims = network->getInput(0)->getDimensions();
    mPredictionOutputDims = network->getOutput(0)->getDimensions();
    ASSERT(mPredictionOutputDims.nbDims == 4 && mPredictionOutputDims.d[1] == 10);
    mPredictionEngine = toEngine(*builder, *network, *config);
    ASSERT(mPredictionEngine);
    return true;
  }
  Model mModel;
  Dims mPredictionInputDims, mPredictionOutputDims;
  std::shared_ptr<ICudaEngine> mPreprocessorEngine, mPredictionEngine;
  SampleUniquePtr<IExecutionContext> mPreprocessorContext, mPredictionContext;
  samplesCommon::DeviceBuffer mInput, mPredictionInput, mOutput;
  samplesCommon::HostBuffer mHostInput, mHostOutput;
};

// ---------------------------------------------------------------------------------------------------------------------

/// Writes down what was chosen.
class AlgorithmCacheWriter : public IAlgorithmSelector {
 public:
  int32_t selectAlgorithms(const IAlgorithmContext&, const IAlgorithm* const*, int32_t nbChoices,
                           int32_t* selection) noexcept override {
    std::iota(selection, selection + nbChoices, 0);
    return nbChoices;
  }
  void reportAlgorithms(const IAlgorithmContext* const* contexts, const IAlgorithm* const* choices,
                        int32_t count) noexcept override {
    std::ofstream file(mName);
    for (int i = 0; i < count; i++) {
      file << contexts[i]->getName() << "\n"
           << choices[i]->getAlgorithmVariant().getImplementation() << "\n"
           << choices[i]->getAlgorithmVariant().getTactic() << "\n";
      const int32_t nbInputs = contexts[i]->getNbInputs(), nbOutputs = contexts[i]->getNbOutputs();
      file << nbInputs << "\n" << nbOutputs << "\n";
      for (int j = 0; j < nbInputs + nbOutputs; j++) {
        const IAlgorithmIOInfo* info = choices[i]->getAlgorithmIOInfoByIndex(j);
        file << static_cast<int>(info->getTensorFormat()) << "\n" << static_cast<int>(info->getDataType()) << "\n";
      }
    }
  }
  explicit AlgorithmCacheWriter(const std::string& name) : mName(name) {}

 private:
  std::string mName;
};

/// Takes what the file says, and checks that it was taken.
class AlgorithmCacheReader : public IAlgorithmSelector {
 public:
  explicit AlgorithmCacheReader(const std::string& name) {
    std::ifstream file(name);
    std::string line;
    while (std::getline(file, line)) {
      Item item;
      std::string word;
      auto number = [&] { return std::getline(file, word), std::stoll(word); };
      item.implementation = number(), item.tactic = number(), item.inputs = number(), item.outputs = number();
      for (int64_t j = 0; j < 2 * (item.inputs + item.outputs); ++j) item.io.push_back(number());
      items[line] = item;
    }
  }
  int32_t selectAlgorithms(const IAlgorithmContext& context, const IAlgorithm* const* choices, int32_t nbChoices,
                           int32_t* selection) noexcept override {
    auto it = items.find(context.getName());
    if (it == items.end()) return 0;
    for (int32_t i = 0; i < nbChoices; ++i)
      if (choices[i]->getAlgorithmVariant().getTactic() == it->second.tactic &&
          choices[i]->getAlgorithmVariant().getImplementation() == it->second.implementation) {
        selection[0] = i;
        ++taken;
        return 1;
      }
    return 0;
  }
  void reportAlgorithms(const IAlgorithmContext* const* contexts, const IAlgorithm* const* choices,
                        int32_t count) noexcept override {
    for (int i = 0; i < count; ++i) {
      auto it = items.find(contexts[i]->getName());
      if (it == items.end() || it->second.tactic != choices[i]->getAlgorithmVariant().getTactic()) ++gFailures;
    }
    reported = count;
  }
  struct Item {
    int64_t implementation, tactic, inputs, outputs;
    std::vector<int64_t> io;
  };
  std::unordered_map<std::string, Item> items;
  int taken = 0, reported = 0;
};

static bool sampleAlgorithmSelector() {
  const Model model;
  const std::string file = "samples_8_AlgorithmCache.txt";
  auto builder = SampleUniquePtr<IBuilder>(createInferBuilder(sample::gLogger.getTRTLogger()));
  for (int pass = 0; pass < 2; ++pass) {
    auto network = SampleUniquePtr<INetworkDefinition>(builder->createNetworkV2(kExplicit));
    model.build(*network, *network->addInput("data", DataType::kFLOAT, Dims4{1, 1, 28, 28}));
    auto config = SampleUniquePtr<IBuilderConfig>(builder->createBuilderConfig());
    AlgorithmCacheWriter writer(file);
    AlgorithmCacheReader reader(file);
    config->setAlgorithmSelector(pass ? static_cast<IAlgorithmSelector*>(&reader) : &writer);
    auto engine = toEngine(*builder, *network, *config);
    ASSERT(engine);
    ASSERT(pass == 0 || (reader.taken > 0 && reader.reported == static_cast<int>(reader.items.size())));
    auto context = SampleUniquePtr<IExecutionContext>(engine->createExecutionContext());
    samplesCommon::BufferManager buffers(engine);
    const auto x = picture(28, 28);
    std::copy(x.begin(), x.end(), static_cast<float*>(buffers.getHostBuffer("data")));
    buffers.copyInputToDevice();
    ASSERT(context->executeV2(buffers.getDeviceBindings().data()));
    buffers.copyOutputToHost();
    ASSERT(buffers.size("prob") == 40 && distance(static_cast<float*>(buffers.getHostBuffer("prob")), model(x)) < 1e-5);
  }
  std::remove(file.c_str());
  return true;
}

// ---------------------------------------------------------------------------------------------------------------------

static bool sampleInt8Api() {
  const Model model;
  auto builder = SampleUniquePtr<IBuilder>(createInferBuilder(sample::gLogger.getTRTLogger()));
  if (!builder->platformHasFastInt8()) return true;
  auto network = SampleUniquePtr<INetworkDefinition>(builder->createNetworkV2(kExplicit));
  model.build(*network, *network->addInput("data", DataType::kFLOAT, Dims4{1, 1, 28, 28}));
  auto config = SampleUniquePtr<IBuilderConfig>(builder->createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  config->setFlag(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
  for (int i = 0; i < network->getNbLayers(); ++i) {
    auto layer = network->getLayer(i);
    const bool product = layer->getType() == LayerType::kCONVOLUTION || layer->getType() == LayerType::kFULLY_CONNECTED;
    if (product && layer->getOutput(0)->isExecutionTensor()) layer->setPrecision(DataType::kINT8);
    ASSERT(layer->precisionIsSet() == product);
  }
  std::map<std::string, float> ranges;
  for (int i = 0; i < network->getNbLayers(); ++i)
    for (int j = 0; j < network->getLayer(i)->getNbOutputs(); ++j) {
      ITensor* t = network->getLayer(i)->getOutput(j);
      const float most = network->getLayer(i)->getType() == LayerType::kSOFTMAX ? 1.0F : 3.0F;
      ASSERT(t->setDynamicRange(-most, most) && t->dynamicRangeIsSet());
      ASSERT(std::fabs(t->getDynamicRangeMax() - most) < 1e-6F && t->getDynamicRangeMin() == -t->getDynamicRangeMax());
    }
  ASSERT(network->getInput(0)->setDynamicRange(-1.0F, 1.0F));
  auto engine = toEngine(*builder, *network, *config);
  ASSERT(engine);
  auto context = SampleUniquePtr<IExecutionContext>(engine->createExecutionContext());
  samplesCommon::BufferManager buffers(engine, 0, context.get());
  const auto x = picture(28, 28);
  std::copy(x.begin(), x.end(), static_cast<float*>(buffers.getHostBuffer("data")));
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  buffers.copyInputToDevice();
  ASSERT(context->enqueueV2(buffers.getDeviceBindings().data(), stream, nullptr));
  CHECK(cudaStreamSynchronize(stream));
  CHECK(cudaStreamDestroy(stream));
  buffers.copyOutputToHost();
  const double off = distance(static_cast<float*>(buffers.getHostBuffer("prob")), model(x));
  ASSERT(off < 5e-2 && off > 1e-7);
  return true;
}

// ---------------------------------------------------------------------------------------------------------------------

/// A tensor's memory in one of TensorRT's formats.
static size_t place(TensorFormat format, int channels, int side, int c, int i) {
  switch (format) {
    case TensorFormat::kCHW32:
      return (static_cast<size_t>(c / 32) * side * side + i) * 32 + c % 32;
    case TensorFormat::kCHW4:
      return (static_cast<size_t>(c / 4) * side * side + i) * 4 + c % 4;
    case TensorFormat::kHWC8:
      return static_cast<size_t>(i) * ((channels + 7) / 8 * 8) + c;
    case TensorFormat::kCHW2:
      return (static_cast<size_t>(c / 2) * side * side + i) * 2 + c % 2;
    default:
      return static_cast<size_t>(c) * side * side + i;
  }
}

static bool sampleIOFormats(DataType type, TensorFormat inFormat, TensorFormat outFormat) {
  constexpr int kChannels = 5, kMaps = 6, kSide = 9;
  std::vector<float> kernel(kMaps * kChannels * 9);
  for (size_t i = 0; i < kernel.size(); ++i) kernel[i] = 0.1F * std::sin(static_cast<float>(i));
  auto builder = SampleUniquePtr<IBuilder>(createInferBuilder(sample::gLogger.getTRTLogger()));
  auto network = SampleUniquePtr<INetworkDefinition>(builder->createNetworkV2(kExplicit));
  auto x = network->addInput("x", DataType::kFLOAT, Dims4{1, kChannels, kSide, kSide});
  auto conv =
      network->addConvolutionNd(*x, kMaps, DimsHW{3, 3}, Model::w(kernel), Weights{DataType::kFLOAT, nullptr, 0});
  conv->setPaddingMode(PaddingMode::kSAME_UPPER);
  auto y = conv->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  auto config = SampleUniquePtr<IBuilderConfig>(builder->createBuilderConfig());
  x->setType(type);
  y->setType(type);
  x->setAllowedFormats(static_cast<TensorFormats>(1 << static_cast<int32_t>(inFormat)));
  y->setAllowedFormats(1U << static_cast<uint32_t>(outFormat));
  if (type == DataType::kHALF) config->setFlag(BuilderFlag::kFP16);
  if (type == DataType::kINT8) {
    config->setFlag(BuilderFlag::kINT8);
    x->setDynamicRange(-127, 127);
    y->setDynamicRange(-127, 127);
  }
  config->setFlag(BuilderFlag::kGPU_FALLBACK);
  auto engine = toEngine(*builder, *network, *config);
  ASSERT(engine);
  ASSERT(engine->getBindingFormat(0) == inFormat && engine->getBindingFormat(1) == outFormat);
  ASSERT(std::strlen(engine->getBindingFormatDesc(0)) > 0 && engine->getBindingDataType(0) == type);
  auto context = SampleUniquePtr<IExecutionContext>(engine->createExecutionContext());
  samplesCommon::BufferManager buffers(engine);
  auto put = [&](void* to, size_t at, double v) {
    if (type == DataType::kFLOAT) static_cast<float*>(to)[at] = static_cast<float>(v);
    if (type == DataType::kHALF) static_cast<__half*>(to)[at] = __float2half(static_cast<float>(v));
    if (type == DataType::kINT8) static_cast<int8_t*>(to)[at] = static_cast<int8_t>(v);
  };
  auto get = [&](const void* from, size_t at) -> double {
    if (type == DataType::kHALF) return __half2float(static_cast<const __half*>(from)[at]);
    if (type == DataType::kINT8) return static_cast<const int8_t*>(from)[at];
    return static_cast<const float*>(from)[at];
  };
  auto value = [](int c, int i) { return static_cast<double>((c * 31 + i * 7) % 23 - 11); };
  std::memset(buffers.getHostBuffer("x"), 0, buffers.size("x"));
  for (int c = 0; c < kChannels; ++c)
    for (int i = 0; i < kSide * kSide; ++i)
      put(buffers.getHostBuffer("x"), place(inFormat, kChannels, kSide, c, i), value(c, i));
  buffers.copyInputToDevice();
  ASSERT(context->executeV2(buffers.getDeviceBindings().data()));
  buffers.copyOutputToHost();
  double worst = 0;
  for (int o = 0; o < kMaps; ++o)
    for (int i = 0; i < kSide * kSide; ++i) {
      double sum = 0;
      for (int c = 0; c < kChannels; ++c)
        for (int k = 0; k < 9; ++k) {
          const int r = i / kSide + k / 3 - 1, q = i % kSide + k % 3 - 1;
          if (r >= 0 && r < kSide && q >= 0 && q < kSide)
            sum += value(c, r * kSide + q) * kernel[(o * kChannels + c) * 9 + k];
        }
      worst = std::max(worst, std::fabs(sum - get(buffers.getHostBuffer("y"), place(outFormat, kMaps, kSide, o, i))));
    }
  ASSERT(worst < (type == DataType::kFLOAT ? 1e-4 : type == DataType::kHALF ? 0.05 : 1.01));
  return true;
}

int main() {
  SampleDynamicReshape reshape;
  if (reshape.build() && reshape.prepare())
    for (const auto& size : {std::make_pair(28, 28), std::make_pair(56, 14), std::make_pair(40, 52)})
      reshape.infer(size.first, size.second);
  sampleAlgorithmSelector();
  sampleInt8Api();
  sampleIOFormats(DataType::kFLOAT, TensorFormat::kLINEAR, TensorFormat::kLINEAR);
  sampleIOFormats(DataType::kFLOAT, TensorFormat::kCHW32, TensorFormat::kLINEAR);
  sampleIOFormats(DataType::kHALF, TensorFormat::kHWC8, TensorFormat::kCHW2);
  sampleIOFormats(DataType::kHALF, TensorFormat::kLINEAR, TensorFormat::kHWC8);
  sampleIOFormats(DataType::kINT8, TensorFormat::kCHW4, TensorFormat::kCHW32);
  sampleIOFormats(DataType::kINT8, TensorFormat::kLINEAR, TensorFormat::kLINEAR);
  std::cout << gFailures << " failures" << std::endl;
  return gFailures != 0;
}
