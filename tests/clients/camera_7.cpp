// A TensorRT 7 program like the inference class of a robot's camera library: one class that owns everything, images in
// memory that host and device share, a query for each stage timed by events, a profiler of layers, builder flags of
// that era, an engine cache whose name holds the settings, batches, and calibration by random images.
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "NvCaffeParser.h"
#include "NvInfer.h"
#include "NvInferPlugin.h"
#include "NvOnnxParser.h"
#include "NvUffParser.h"
#include "cuda_runtime.h"

#define CUDA(x) cudaCheckError((x), #x, __FILE__, __LINE__)
#define CUDA_FAILED(x) (CUDA(x) != cudaSuccess)
#define CUDA_FREE_HOST(x)  \
  if (x != NULL) {         \
    CUDA(cudaFreeHost(x)); \
    x = NULL;              \
  }

static int failures = 0;
#define VERIFY(condition)                                                           \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      failures++;                                                                   \
    }                                                                               \
  } while (0)

inline cudaError_t cudaCheckError(cudaError_t retval, const char* txt, const char* file, int line) {
  if (retval != cudaSuccess) {
    fprintf(stderr, "%s\n   %s (error %u)\n   %s:%i\n", txt, cudaGetErrorString(retval), retval, file, line);
    failures++;
  }
  return retval;
}

/// Page-locked memory that the device sees at an address of its own.
inline bool cudaAllocMapped(void** cpuPtr, void** gpuPtr, size_t size) {
  if (!cpuPtr || !gpuPtr || size == 0) return false;
  if (CUDA_FAILED(cudaHostAlloc(cpuPtr, size, cudaHostAllocMapped))) return false;
  if (CUDA_FAILED(cudaHostGetDevicePointer(gpuPtr, *cpuPtr, 0))) return false;
  memset(*cpuPtr, 0, size);
  return true;
}

#if NV_TENSORRT_MAJOR > 1
typedef nvinfer1::DimsCHW Dims3;
#define DIMS_C(x) x.d[0]
#define DIMS_H(x) x.d[1]
#define DIMS_W(x) x.d[2]
#else
typedef nvinfer1::Dims3 Dims3;
#endif

enum precisionType { TYPE_DISABLED = 0, TYPE_FASTEST, TYPE_FP32, TYPE_FP16, TYPE_INT8, NUM_PRECISIONS };
enum profilerQuery { PROFILER_PREPROCESS = 0, PROFILER_NETWORK, PROFILER_POSTPROCESS, PROFILER_TOTAL };

class randInt8Calibrator : public nvinfer1::IInt8EntropyCalibrator {
 public:
  randInt8Calibrator(size_t batchSize, uint32_t maxBatches,
                     const std::map<std::string, nvinfer1::Dims>& inputDimensions)
      : mBatch(0), mBatchSize(batchSize), mMaxBatches(maxBatches), mInputDimensions(inputDimensions) {
    for (std::map<std::string, nvinfer1::Dims>::const_iterator it = inputDimensions.begin();
         it != inputDimensions.end(); ++it) {
      size_t size = batchSize;
      for (int i = 0; i < it->second.nbDims; i++) size *= it->second.d[i];
      std::vector<float> values(size);
      for (size_t n = 0; n < size; n++) values[n] = sinf(0.11f * n);
      void* memory = NULL;
      CUDA(cudaMalloc(&memory, size * sizeof(float)));
      CUDA(cudaMemcpy(memory, values.data(), size * sizeof(float), cudaMemcpyHostToDevice));
      mInputs[it->first] = memory;
    }
  }
  ~randInt8Calibrator() {
    for (std::map<std::string, void*>::iterator it = mInputs.begin(); it != mInputs.end(); ++it)
      CUDA(cudaFree(it->second));
  }
  int getBatchSize() const { return mBatchSize; }
  bool getBatch(void* bindings[], const char* names[], int nbBindings) {
    if (mBatch >= mMaxBatches) return false;
    for (int n = 0; n < nbBindings; n++) {
      VERIFY(mInputs.count(names[n]) == 1);
      bindings[n] = mInputs[names[n]];
    }
    mBatch++;
    return true;
  }
  const void* readCalibrationCache(size_t& length) {
    length = 0;
    return NULL;
  }
  void writeCalibrationCache(const void* cache, size_t length) { mCache.assign((const char*)cache, length); }
  std::string mCache;

 private:
  uint32_t mBatch;
  size_t mBatchSize;
  uint32_t mMaxBatches;
  std::map<std::string, nvinfer1::Dims> mInputDimensions;
  std::map<std::string, void*> mInputs;
};

class tensorNet {
 public:
  struct Layer {
    Dims3 dims;
    std::string name;
    uint32_t size;
    uint32_t index;
    float* CPU;
    float* CUDA;
  };

  class Logger : public nvinfer1::ILogger {
   public:
    void log(Severity severity, const char* msg) override {
      if (severity == Severity::kINTERNAL_ERROR || severity == Severity::kERROR) {
        fprintf(stderr, "[TRT]    %s\n", msg);
        failures++;
      }
    }
  };
  class Profiler : public nvinfer1::IProfiler {
   public:
    Profiler() : timingAccumulator(0.0f) {}
    virtual void reportLayerTime(const char* layerName, float ms) {
      VERIFY(layerName != NULL && ms >= 0.0f);
      timingAccumulator += ms;
      layers++;
    }
    float timingAccumulator;
    int layers = 0;
  };

  tensorNet()
      : mRuntime(NULL), mEngine(NULL), mContext(NULL), mStream(NULL), mMaxBatchSize(0), mPrecision(TYPE_DISABLED) {
    memset(mEventsGPU, 0, sizeof(mEventsGPU));
    memset(mEventsCPU, 0, sizeof(mEventsCPU));
  }
  ~tensorNet() {
    for (size_t n = 0; n < mInputs.size(); n++) CUDA_FREE_HOST(mInputs[n].CPU);
    for (size_t n = 0; n < mOutputs.size(); n++) CUDA_FREE_HOST(mOutputs[n].CPU);
    for (int n = 0; n < 8; n++)
      if (mEventsGPU[n]) CUDA(cudaEventDestroy(mEventsGPU[n]));
    if (mStream) CUDA(cudaStreamDestroy(mStream));
    if (mContext) mContext->destroy();
    if (mEngine) mEngine->destroy();
    if (mRuntime) mRuntime->destroy();
  }

  static std::vector<precisionType> DetectNativePrecisions(Logger& logger) {
    std::vector<precisionType> types;
    nvinfer1::IBuilder* builder = nvinfer1::createInferBuilder(logger);
    types.push_back(TYPE_FP32);
    if (builder->platformHasFastFp16()) types.push_back(TYPE_FP16);
    if (builder->platformHasFastInt8()) types.push_back(TYPE_INT8);
    VERIFY(builder->getNbDLACores() == 0);
    builder->destroy();
    return types;
  }

  bool LoadNetwork(precisionType precision, uint32_t maxBatchSize, bool debug = false) {
    mPrecision = precision;
    mMaxBatchSize = maxBatchSize;
    std::ostringstream cacheName;
    cacheName << "camera_7." << maxBatchSize << "." << NV_TENSORRT_VERSION << "." << precision << ".engine";
    mCachePath = cacheName.str();
    remove(mCachePath.c_str());
    if (!ProfileModel(debug)) return false;
    FILE* f = fopen(mCachePath.c_str(), "rb");
    if (!f) return false;
    fseek(f, 0, SEEK_END);
    std::vector<char> stream(ftell(f));
    rewind(f);
    VERIFY(fread(stream.data(), 1, stream.size(), f) == stream.size());
    fclose(f);
    remove(mCachePath.c_str());

    mRuntime = nvinfer1::createInferRuntime(gLogger);
    mEngine = mRuntime->deserializeCudaEngine(stream.data(), stream.size(), NULL);
    if (!mEngine) return false;
    mContext = mEngine->createExecutionContext();
    if (!mContext) return false;
    if (debug) mContext->setDebugSync(true);
    VERIFY(mContext->getDebugSync() == debug);
    mContext->setProfiler(&gProfiler);
    VERIFY(mEngine->getMaxBatchSize() == (int)maxBatchSize && mEngine->hasImplicitBatchDimension());
    mBindings.resize(mEngine->getNbBindings());
    for (int n = 0; n < mEngine->getNbBindings(); n++) AddBinding(n);
    for (int n = 0; n < 8; n++) CUDA(cudaEventCreate(&mEventsGPU[n]));
    return !CUDA_FAILED(cudaStreamCreateWithFlags(&mStream, cudaStreamDefault));
  }

  bool Process(uint32_t batch) {
    PROFILER_BEGIN(PROFILER_PREPROCESS);
    Layer& input = mInputs[0];
    for (uint32_t i = 0; i < batch * input.size / mMaxBatchSize / sizeof(float); i++) input.CPU[i] = cosf(0.07f * i);
    PROFILER_END(PROFILER_PREPROCESS);
    PROFILER_BEGIN(PROFILER_NETWORK);
    if (!mContext->execute(batch, mBindings.data())) return false;
    PROFILER_END(PROFILER_NETWORK);
    CUDA(cudaStreamSynchronize(mStream));
    return true;
  }
  bool ProcessAsync(uint32_t batch) {
    cudaEvent_t consumed;
    CUDA(cudaEventCreate(&consumed));
    mContext->setProfiler(NULL);
    const bool ok = mContext->enqueue(batch, mBindings.data(), mStream, &consumed);
    CUDA(cudaEventSynchronize(consumed));
    CUDA(cudaStreamSynchronize(mStream));
    CUDA(cudaEventDestroy(consumed));
    return ok;
  }
  float GetProfilerTime(profilerQuery query) {
    float ms = -1;
    CUDA(cudaEventSynchronize(mEventsGPU[query * 2 + 1]));
    CUDA(cudaEventElapsedTime(&ms, mEventsGPU[query * 2], mEventsGPU[query * 2 + 1]));
    return ms;
  }
  std::vector<Layer> mInputs, mOutputs;
  Logger gLogger;
  Profiler gProfiler;
  std::string mCalibration;
  std::vector<float> mConv, mConvBias, mFc, mFcBias, mScale, mShift, mPower, mPrelu;

 private:
  inline void PROFILER_BEGIN(profilerQuery query) { CUDA(cudaEventRecord(mEventsGPU[query * 2], mStream)); }
  inline void PROFILER_END(profilerQuery query) { CUDA(cudaEventRecord(mEventsGPU[query * 2 + 1], mStream)); }

  void AddBinding(int n) {
    const nvinfer1::Dims dims = mEngine->getBindingDimensions(n);
    VERIFY(mEngine->getBindingDataType(n) == nvinfer1::DataType::kFLOAT &&
           mEngine->getLocation(n) == nvinfer1::TensorLocation::kDEVICE);
    Layer l;
    l.name = mEngine->getBindingName(n);
    l.index = n;
    l.dims = Dims3(dims.d[0], dims.nbDims > 1 ? dims.d[1] : 1, dims.nbDims > 2 ? dims.d[2] : 1);
    VERIFY(l.dims.type[0] == nvinfer1::DimensionType::kCHANNEL && l.dims.c() == DIMS_C(l.dims));
    l.size = mMaxBatchSize * DIMS_C(l.dims) * DIMS_H(l.dims) * DIMS_W(l.dims) * sizeof(float);
    VERIFY(cudaAllocMapped((void**)&l.CPU, (void**)&l.CUDA, l.size));
    VERIFY(mEngine->getBindingIndex(l.name.c_str()) == n);
    mBindings[n] = l.CUDA;
    (mEngine->bindingIsInput(n) ? mInputs : mOutputs).push_back(l);
  }

  static nvinfer1::Weights W(const std::vector<float>& v) {
    nvinfer1::Weights w{nvinfer1::DataType::kFLOAT, v.data(), (int64_t)v.size()};
    return w;
  }

  bool ProfileModel(bool debug) {
    nvinfer1::IBuilder* builder = nvinfer1::createInferBuilder(gLogger);
    nvinfer1::INetworkDefinition* network = builder->createNetwork();
    builder->setDebugSync(debug);
    builder->setMinFindIterations(3);
    builder->setAverageFindIterations(2);
    builder->setMaxBatchSize(mMaxBatchSize);
    builder->setMaxWorkspaceSize(16 << 20);
    VERIFY(builder->getMaxBatchSize() == (int)mMaxBatchSize && builder->getMaxWorkspaceSize() == 16 << 20);

    // 3 x 24 x 24 → 8 maps, across-channel normalization, a learnt slope, pooling that rounds up, two heads
    nvinfer1::ITensor* x = network->addInput("data", nvinfer1::DataType::kFLOAT, Dims3(3, 24, 24));
    nvinfer1::IConvolutionLayer* conv = network->addConvolution(*x, 8, nvinfer1::DimsHW(5, 5), W(mConv), W(mConvBias));
    conv->setStride(nvinfer1::DimsHW(2, 2));
    conv->setPadding(nvinfer1::DimsHW(2, 2));
    conv->setName("conv1");
    VERIFY(conv->getKernelSize().h() == 5 && conv->getStride().w() == 2);
    nvinfer1::IScaleLayer* bn =
        network->addScale(*conv->getOutput(0), nvinfer1::ScaleMode::kCHANNEL, W(mShift), W(mScale), W(mPower));
    nvinfer1::ILRNLayer* lrn = network->addLRN(*bn->getOutput(0), 3, 0.1f, 0.75f, 1.0f);
    nvinfer1::IConstantLayer* slope = network->addConstant(Dims3(8, 1, 1), W(mPrelu));
    nvinfer1::IParametricReLULayer* prelu = network->addParametricReLU(*lrn->getOutput(0), *slope->getOutput(0));
    nvinfer1::IPoolingLayer* pool =
        network->addPooling(*prelu->getOutput(0), nvinfer1::PoolingType::kMAX, nvinfer1::DimsHW(3, 3));
    pool->setStride(nvinfer1::DimsHW(2, 2));
    pool->setPaddingMode(nvinfer1::PaddingMode::kCAFFE_ROUND_UP);
    nvinfer1::IFullyConnectedLayer* fc = network->addFullyConnected(*pool->getOutput(0), 10, W(mFc), W(mFcBias));
    fc->setName("fc");
    nvinfer1::ISoftMaxLayer* prob = network->addSoftMax(*fc->getOutput(0));
    nvinfer1::ITopKLayer* top = network->addTopK(*prob->getOutput(0), nvinfer1::TopKOperation::kMAX, 3, 1);
    prob->getOutput(0)->setName("softmax");
    top->getOutput(0)->setName("best");
    network->markOutput(*prob->getOutput(0));
    network->markOutput(*top->getOutput(0));
    VERIFY(network->getNbLayers() == 9 && network->getNbOutputs() == 2);
    VERIFY(network->getLayer(0)->getType() == nvinfer1::LayerType::kCONVOLUTION);

    randInt8Calibrator* calibrator = NULL;
    if (mPrecision == TYPE_INT8) {
      std::map<std::string, nvinfer1::Dims> inputDimensions;
      for (int i = 0, n = network->getNbInputs(); i < n; i++)
        inputDimensions[network->getInput(i)->getName()] = network->getInput(i)->getDimensions();
      calibrator = new randInt8Calibrator(1, 10, inputDimensions);
      builder->setInt8Mode(true);
      builder->setInt8Calibrator(calibrator);
    } else if (mPrecision == TYPE_FP16) {
      builder->setFp16Mode(true);
      VERIFY(builder->getFp16Mode());
    }
    nvinfer1::ICudaEngine* engine = builder->buildCudaEngine(*network);
    network->destroy();
    if (!engine) return false;
    nvinfer1::IHostMemory* serMem = engine->serialize();
    FILE* f = fopen(mCachePath.c_str(), "wb");
    fwrite(serMem->data(), 1, serMem->size(), f);
    fclose(f);
    serMem->destroy();
    engine->destroy();
    builder->destroy();
    if (calibrator) mCalibration = calibrator->mCache;
    delete calibrator;
    return true;
  }

  nvinfer1::IRuntime* mRuntime;
  nvinfer1::ICudaEngine* mEngine;
  nvinfer1::IExecutionContext* mContext;
  cudaStream_t mStream;
  cudaEvent_t mEventsGPU[8];
  timespec mEventsCPU[8];
  uint32_t mMaxBatchSize;
  precisionType mPrecision;
  std::string mCachePath;
  std::vector<void*> mBindings;
};

static std::vector<double> reference(const tensorNet& net, int image) {
  std::vector<double> a(8 * 12 * 12), l(a.size()), p(8 * 6 * 6), y(10);
  const float* in = net.mInputs[0].CPU + image * 3 * 24 * 24;
  for (int o = 0; o < 8; o++)
    for (int i = 0; i < 12; i++)
      for (int j = 0; j < 12; j++) {
        double s = net.mConvBias[o];
        for (int c = 0; c < 3; c++)
          for (int u = 0; u < 5; u++)
            for (int v = 0; v < 5; v++) {
              const int r = 2 * i - 2 + u, q = 2 * j - 2 + v;
              if (r >= 0 && r < 24 && q >= 0 && q < 24)
                s += in[(c * 24 + r) * 24 + q] * net.mConv[((o * 3 + c) * 5 + u) * 5 + v];
            }
        a[(o * 12 + i) * 12 + j] = s * net.mScale[o] + net.mShift[o];
      }
  for (int o = 0; o < 8; o++)
    for (int i = 0; i < 144; i++) {
      double squares = 0;
      for (int c = std::max(0, o - 1); c <= std::min(7, o + 1); c++) squares += a[c * 144 + i] * a[c * 144 + i];
      double v = a[o * 144 + i] / pow(1.0 + 0.1 / 3 * squares, 0.75);
      l[o * 144 + i] = v < 0 ? v * net.mPrelu[o] : v;
    }
  for (int o = 0; o < 8; o++)
    for (int i = 0; i < 6; i++)
      for (int j = 0; j < 6; j++) {
        double best = -1e300;
        for (int u = 0; u < 9; u++)
          if (2 * i + u / 3 < 12 && 2 * j + u % 3 < 12)
            best = std::max(best, l[(o * 12 + 2 * i + u / 3) * 12 + 2 * j + u % 3]);
        p[(o * 6 + i) * 6 + j] = best;
      }
  double sum = 0;
  for (int o = 0; o < 10; o++) {
    y[o] = net.mFcBias[o];
    for (int i = 0; i < 288; i++) y[o] += p[i] * net.mFc[o * 288 + i];
    sum += y[o] = exp(y[o]);
  }
  for (int o = 0; o < 10; o++) y[o] /= sum;
  return y;
}

static void fill(std::vector<float>& v, size_t n, float scale, float base, unsigned seed) {
  v.resize(n);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    v[i] = base + scale * ((float)(seed >> 8) / 8388608.0f - 1.0f);
  }
}

static void run(precisionType precision, double bound) {
  tensorNet net;
  fill(net.mConv, 8 * 75, 0.3f, 0, 1), fill(net.mConvBias, 8, 0.1f, 0, 2), fill(net.mFc, 2880, 0.1f, 0, 3);
  fill(net.mFcBias, 10, 0.1f, 0, 4), fill(net.mScale, 8, 0.2f, 1, 5), fill(net.mShift, 8, 0.2f, 0, 6);
  fill(net.mPower, 8, 0, 1, 7), fill(net.mPrelu, 8, 0.2f, 0.3f, 8);
  VERIFY(net.LoadNetwork(precision, 4, precision == TYPE_FP32));
  if (net.mInputs.empty()) return;
  VERIFY(net.mInputs.size() == 1 && net.mOutputs.size() == 2 && DIMS_W(net.mInputs[0].dims) == 24);
  const uint32_t batches[] = {1, 3, 4};
  for (int k = 0; k < 3; k++) {
    VERIFY(k == 2 ? net.ProcessAsync(batches[k]) : net.Process(batches[k]));
    if (k < 2) VERIFY(net.GetProfilerTime(PROFILER_NETWORK) >= 0 && net.gProfiler.layers > 0);
    const tensorNet::Layer* prob = &net.mOutputs[0];
    const tensorNet::Layer* best = &net.mOutputs[1];
    VERIFY(prob->name == "softmax" && best->name == "best");
    for (uint32_t b = 0; b < batches[k]; b++) {
      const std::vector<double> y = reference(net, b);
      double difference = 0, norm = 0;
      for (int i = 0; i < 10; i++) {
        const double d = prob->CPU[b * 10 + i] - y[i];
        difference += d * d, norm += y[i] * y[i];
      }
      VERIFY(sqrt(difference / norm) < bound);
      VERIFY(fabs(best->CPU[b * 3] - *std::max_element(y.begin(), y.end())) < bound);
    }
  }
  VERIFY((precision == TYPE_INT8) == (net.mCalibration.compare(0, 4, "TRT-") == 0));
}

int main() {
  tensorNet::Logger logger;
  const std::vector<precisionType> types = tensorNet::DetectNativePrecisions(logger);
  VERIFY(types[0] == TYPE_FP32);
  VERIFY(getInferLibVersion() == NV_TENSORRT_VERSION);
  run(TYPE_FP32, 1e-5);
  run(TYPE_FP16, 2e-2);
  run(TYPE_INT8, 8e-2);
  // The parsers of that era exist and say what they cannot.
  nvcaffeparser1::ICaffeParser* caffe = nvcaffeparser1::createCaffeParser();
  caffe->setPluginFactoryV2(NULL);
  caffe->destroy();
  nvcaffeparser1::shutdownProtobufLibrary();
  nvuffparser::IUffParser* uff = nvuffparser::createUffParser();
  VERIFY(uff->registerInput("in", nvinfer1::DimsCHW(3, 24, 24), nvuffparser::UffInputOrder::kNCHW) &&
         uff->registerOutput("out"));
  uff->destroy();
  printf("%d failures\n", failures);
  return failures != 0;
}
