// One live object of every class, and a value of every parameter type, for the program that live_calls.py writes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "NvInfer.h"
#include "NvOnnxConfig.h"
#include "NvOnnxParser.h"
#if NV_TENSORRT_MAJOR < 10
#include "NvCaffeParser.h"
#include "NvUffParser.h"
#endif

using namespace nvinfer1;

/// Thrown where there is no object of a class, with the reason that was logged.
struct Absent {
  std::string why;
};

class CountingLogger : public ILogger {
 public:
  void log(Severity severity, char const* message) noexcept override {
    messages += severity <= Severity::kWARNING;
    if (severity <= Severity::kWARNING) {
      told.insert(message);
    }
    if (severity <= Severity::kERROR) {
      ++errors;
      last = message;
    }
  }
  int errors = 0;
  int messages = 0;  ///< errors and warnings
  std::string last;
  std::set<std::string> told;  ///< texts of errors and warnings
};

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return 0; }
  ErrorCode getErrorCode(int32_t) const noexcept override { return ErrorCode::kSUCCESS; }
  ErrorDesc getErrorDesc(int32_t) const noexcept override { return ""; }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override {}
  bool reportError(ErrorCode, ErrorDesc) noexcept override { return true; }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  int32_t references = 0;
};

class Allocator : public IGpuAllocator {
 public:
  int asked = 0;
  void* allocate(uint64_t size, uint64_t, uint32_t) noexcept override {
    ++asked;
    return ::operator new(size, std::align_val_t(256));
  }
#if NV_TENSORRT_MAJOR < 10
  void free(void* memory) noexcept override { ::operator delete(memory, std::align_val_t(256)); }
#else
  bool deallocate(void* memory) noexcept override { return ::operator delete(memory, std::align_val_t(256)), true; }
#endif
};

#if NV_TENSORRT_MAJOR == 7
class Formula : public IOutputDimensionsFormula {
 public:
  DimsHW compute(DimsHW, DimsHW, DimsHW, DimsHW, DimsHW, char const*) const noexcept override { return DimsHW(1, 1); }
};
#endif

class Profiler : public IProfiler {
 public:
  void reportLayerTime(char const*, float) noexcept override {}
};

#if NV_TENSORRT_MAJOR < 11
class Calibrator : public IInt8EntropyCalibrator2 {
 public:
  mutable int asked = 0;
  int32_t getBatchSize() const noexcept override { return ++asked, 1; }
  bool getBatch(void**, char const**, int32_t) noexcept override { return false; }
  void const* readCalibrationCache(size_t& length) noexcept override { return length = 0, nullptr; }
  void writeCalibrationCache(void const*, size_t) noexcept override {}
};

class Selector : public IAlgorithmSelector {
 public:
  int32_t selectAlgorithms(IAlgorithmContext const&, IAlgorithm const* const*, int32_t, int32_t*) noexcept override {
    return 0;
  }
  void reportAlgorithms(IAlgorithmContext const* const*, IAlgorithm const* const*, int32_t) noexcept override {}
};
#endif

#if NV_TENSORRT_MAJOR >= 8
class Monitor : public IProgressMonitor {
 public:
  void phaseStart(char const*, char const*, int32_t) noexcept override {}
  bool stepComplete(char const*, int32_t) noexcept override { return true; }
  void phaseFinish(char const*) noexcept override {}
};

class Outputs : public IOutputAllocator {
 public:
  void* reallocateOutput(char const*, void* memory, uint64_t, uint64_t) noexcept override { return memory; }
  void notifyShape(char const*, Dims const&) noexcept override {}
};
#endif

#if NV_TENSORRT_MAJOR >= 10
class Listener : public IDebugListener {
 public:
  bool processDebugTensor(void const*, TensorLocation, DataType, Dims const&, char const*, cudaStream_t) override {
    return true;
  }
};
class Reader : public IStreamReader {
 public:
  int64_t read(void*, int64_t) noexcept override { return 0; }
};
class ReaderV2 : public IStreamReaderV2 {
 public:
  int64_t read(void*, int64_t, cudaStream_t) noexcept override { return 0; }
  bool seek(int64_t, SeekPosition) noexcept override { return true; }
};
class Writer : public IStreamWriter {
 public:
  int64_t write(void const*, int64_t count) noexcept override { return count; }
};
#endif

/// A builder, a network with the tensors that layers need, and an engine, all made when asked for.
class World {
 public:
  CountingLogger logger;
  Recorder recorder;
  Allocator allocator;
  Profiler profiler;
  float numbers[4096] = {};
  int32_t ones[64];
  char bytes[4096] = {};
  char const* paths[16];
  void* bindings[4] = {bytes, bytes + 1024, bytes + 2048, bytes + 3072};

  World() {
    for (int32_t& one : ones) {
      one = 1;
    }
    for (char const*& path : paths) {
      path = "x";
    }
  }

  IBuilder& builder() {
    return once(builder_, [&] { return createInferBuilder(logger); });
  }
  IBuilderConfig& config() {
    return once(config_, [&] { return builder().createBuilderConfig(); });
  }
  INetworkDefinition& network() {
    return once(network_, [&] { return new_network(); });
  }
  IRuntime& runtime() {
    return once(runtime_, [&] { return createInferRuntime(logger); });
  }
  ICudaEngine& engine() {
    return once(engine_, [&]() -> ICudaEngine* {
      static std::string const plan = make_plan();
#if NV_TENSORRT_MAJOR >= 10
      return runtime().deserializeCudaEngine(plan.data(), plan.size());
#else
      return runtime().deserializeCudaEngine(plan.data(), plan.size(), nullptr);
#endif
    });
  }
  /// A network of one convolution that can be built.
  INetworkDefinition* small() {
    INetworkDefinition* made = new_network();
    small_tensors(*made);
    return made;
  }
  IExecutionContext& context() {
    return once(context_, [&] { return engine().createExecutionContext(); });
  }
  nvonnxparser::IParser& parser() {
    return once(parser_, [&] { return nvonnxparser::createParser(network(), logger); });
  }
  IHostMemory& memory() {
    return once(memory_, [&] { return engine().serialize(); });
  }

  /// An input of the network, made at the first use of its name.
  ITensor& input(char const* name, DataType type, std::vector<int32_t> const& dims) {
    for (int32_t i = 0; i < network().getNbInputs(); ++i) {
      if (std::strcmp(network().getInput(i)->getName(), name) == 0) {
        return *network().getInput(i);
      }
    }
    Dims shape{};
    shape.nbDims = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) {
      shape.d[i] = dims[i];
    }
    return *network().addInput(name, type, shape);
  }
  ITensor& x() { return input("x", DataType::kFLOAT, {1, 4, 8, 8}); }
  ITensor& matrix() { return input("matrix", DataType::kFLOAT, {4, 4}); }
  ITensor& channel() { return input("channel", DataType::kFLOAT, {1, 4, 1, 1}); }
  ITensor& indices() { return input("indices", DataType::kINT32, {4}); }
  ITensor& condition() { return input("condition", DataType::kBOOL, {1, 4, 8, 8}); }
  ITensor& yes() { return input("yes", DataType::kBOOL, {}); }
  ITensor& constant(int32_t value, bool scalar) {
    ones[32] = value;
    Dims dims{};
    dims.nbDims = scalar ? 0 : 1;
    dims.d[0] = 1;
    return *network().addConstant(dims, Weights{DataType::kINT32, ones + 32, 1})->getOutput(0);
  }
  ITensor& scale() { return *network().addConstant(Dims2(1, 1), Weights{DataType::kFLOAT, numbers, 1})->getOutput(0); }
  Weights weights(int64_t count) { return Weights{DataType::kFLOAT, numbers, count}; }
  Weights none() { return Weights{DataType::kFLOAT, nullptr, 0}; }

 protected:
  /// Of a refittable engine of one convolution, with two profiles.
  std::string make_plan() {
    std::unique_ptr<INetworkDefinition> small_network(small());
    std::unique_ptr<IBuilderConfig> settings(builder().createBuilderConfig());
    settings->setFlag(BuilderFlag::kREFIT);
    for (int i = 0; i < 2; ++i) {
      IOptimizationProfile* profile = builder().createOptimizationProfile();
      for (int select = 0; select < 3; ++select) {
        profile->setDimensions("x", static_cast<OptProfileSelector>(select), Dims4(1, 4, 2, 2));
      }
      settings->addOptimizationProfile(profile);
    }
#if NV_TENSORRT_MAJOR >= 8
    std::unique_ptr<IHostMemory> plan(builder().buildSerializedNetwork(*small_network, *settings));
#else
    std::unique_ptr<ICudaEngine> built(builder().buildEngineWithConfig(*small_network, *settings));
    std::unique_ptr<IHostMemory> plan(built ? built->serialize() : nullptr);
#endif
    return plan ? std::string(static_cast<char const*>(plan->data()), plan->size()) : std::string();
  }
  template <class T, class Make>
  T& once(std::unique_ptr<T>& kept, Make make) {
    if (!kept) {
      kept.reset(make());
      if (!kept) {
        throw Absent{logger.last};
      }
    }
    return *kept;
  }
  INetworkDefinition* new_network() {
#if NV_TENSORRT_MAJOR < 11
    return builder().createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
#else
    return builder().createNetworkV2(0U);
#endif
  }
  static void small_tensors(INetworkDefinition& small) {
    static float const kernel[16] = {1.0F, 2.0F, 3.0F, 4.0F};
    ITensor* x = small.addInput("x", DataType::kFLOAT, Dims4(1, 4, 2, 2));
    ILayer* conv = small.addConvolutionNd(*x, 4, DimsHW(1, 1), Weights{DataType::kFLOAT, kernel, 16},
                                          Weights{DataType::kFLOAT, nullptr, 0});
    conv->setName("conv");
    conv->getOutput(0)->setName("y");
    small.markOutput(*conv->getOutput(0));
  }

  std::unique_ptr<IBuilder> builder_;
  std::unique_ptr<IBuilderConfig> config_;
  std::unique_ptr<INetworkDefinition> network_;
  std::unique_ptr<IRuntime> runtime_;
  std::unique_ptr<ICudaEngine> engine_;
  std::unique_ptr<IExecutionContext> context_;
  std::unique_ptr<nvonnxparser::IParser> parser_;
  std::unique_ptr<IHostMemory> memory_;
};

template <class T>
T* make(World& w);

/// The object of a class; an error that says which one if there is none.
template <class T>
T& live(World& w) {
  T* object = make<T>(w);
  if (!object) {
    throw Absent{w.logger.last};
  }
  return *object;
}

#define LIVE(Class, expression)          \
  template <>                            \
  inline Class* make<Class>(World & w) { \
    return expression;                   \
  }
LIVE(IBuilder, &w.builder())
LIVE(IBuilderConfig, &w.config())
LIVE(INetworkDefinition, &w.network())
LIVE(IRuntime, &w.runtime())
LIVE(ICudaEngine, &w.engine())
LIVE(IExecutionContext, &w.context())
LIVE(IHostMemory, &w.memory())
LIVE(nvonnxparser::IParser, &w.parser())
LIVE(nvonnxparser::IOnnxConfig, (static_cast<void>(w), nvonnxparser::createONNXConfig()))
LIVE(IOptimizationProfile, w.builder().createOptimizationProfile())
LIVE(IRefitter, createInferRefitter(w.engine(), w.logger))
LIVE(IPluginRegistry, (static_cast<void>(w), getPluginRegistry()))
LIVE(ITensor, &w.x())
LIVE(ILayer, w.network().addIdentity(w.x()))
LIVE(IConvolutionLayer, w.network().addConvolutionNd(w.x(), 2, DimsHW(3, 3), w.weights(72), w.weights(2)))
LIVE(IDeconvolutionLayer, w.network().addDeconvolutionNd(w.x(), 2, DimsHW(3, 3), w.weights(72), w.weights(2)))
LIVE(IActivationLayer, w.network().addActivation(w.x(), ActivationType::kRELU))
LIVE(IPoolingLayer, w.network().addPoolingNd(w.x(), PoolingType::kMAX, DimsHW(2, 2)))
LIVE(ILRNLayer, w.network().addLRN(w.x(), 3, 1.0F, 0.5F, 1.0F))
LIVE(IScaleLayer, w.network().addScale(w.x(), ScaleMode::kCHANNEL, w.weights(4), w.weights(4), w.weights(4)))
LIVE(ISoftMaxLayer, w.network().addSoftMax(w.x()))
LIVE(IElementWiseLayer, w.network().addElementWise(w.x(), w.x(), ElementWiseOperation::kSUM))
LIVE(IGatherLayer, w.network().addGather(w.matrix(), w.indices(), 0))
LIVE(IUnaryLayer, w.network().addUnary(w.x(), UnaryOperation::kEXP))
LIVE(IReduceLayer, w.network().addReduce(w.x(), ReduceOperation::kSUM, 2U, true))
LIVE(IPaddingLayer, w.network().addPaddingNd(w.x(), DimsHW(1, 1), DimsHW(1, 1)))
LIVE(IShuffleLayer, w.network().addShuffle(w.x()))
LIVE(ISliceLayer, w.network().addSlice(w.matrix(), Dims2(0, 0), Dims2(2, 2), Dims2(1, 1)))
LIVE(IShapeLayer, w.network().addShape(w.x()))
LIVE(ITopKLayer, w.network().addTopK(w.matrix(), TopKOperation::kMAX, 2, 2U))
LIVE(IMatrixMultiplyLayer,
     w.network().addMatrixMultiply(w.matrix(), MatrixOperation::kNONE, w.matrix(), MatrixOperation::kNONE))
LIVE(IRaggedSoftMaxLayer, w.network().addRaggedSoftMax(w.input("ragged", DataType::kFLOAT, {1, 4, 8}),
                                                       w.input("bounds", DataType::kINT32, {1, 4, 1})))
LIVE(IIdentityLayer, w.network().addIdentity(w.x()))
LIVE(IConstantLayer, w.network().addConstant(Dims2(2, 3), w.weights(6)))
LIVE(IParametricReLULayer, w.network().addParametricReLU(w.x(), w.channel()))
LIVE(IResizeLayer, w.network().addResize(w.x()))
LIVE(ISelectLayer, w.network().addSelect(w.condition(), w.x(), w.x()))
LIVE(ILoop, w.network().addLoop())
LIVE(IRecurrenceLayer, live<ILoop>(w).addRecurrence(w.x()))
LIVE(ITripLimitLayer, live<ILoop>(w).addTripLimit(w.constant(3, true), TripLimit::kCOUNT))
LIVE(IIteratorLayer, live<ILoop>(w).addIterator(w.x(), 1, false))
LIVE(ILoopOutputLayer, live<ILoop>(w).addLoopOutput(w.x(), LoopOutput::kLAST_VALUE, 0))
LIVE(ILoopBoundaryLayer, &live<IRecurrenceLayer>(w))

template <>
inline IConcatenationLayer* make<IConcatenationLayer>(World& w) {
  ITensor* const both[] = {&w.x(), &w.x()};
  return w.network().addConcatenation(both, 2);
}
template <>
inline nvonnxparser::IParserError const* make<nvonnxparser::IParserError const>(World& w) {
#if NV_TENSORRT_MAJOR >= 8
  w.parser().parse(w.bytes, 7, nullptr);
#else
  w.parser().parse(w.bytes, 7);
#endif
  return w.parser().getError(0);
}
#if NV_TENSORRT_MAJOR < 11
LIVE(IFillLayer, w.network().addFill(Dims2(2, 3), FillOperation::kLINSPACE))
#else
LIVE(IFillLayer, w.network().addFill(Dims2(2, 3), FillOperation::kLINSPACE, DataType::kFLOAT))
#endif
#if NV_TENSORRT_MAJOR < 10
LIVE(IFullyConnectedLayer, w.network().addFullyConnected(w.x(), 2, w.weights(512), w.weights(2)))
LIVE(IRNNv2Layer, w.network().addRNNv2(w.input("sequence", DataType::kFLOAT, {1, 4, 8}), 1, 8, 4, RNNOperation::kLSTM))
LIVE(nvcaffeparser1::ICaffeParser, (static_cast<void>(w), nvcaffeparser1::createCaffeParser()))
LIVE(nvuffparser::IUffParser, (static_cast<void>(w), nvuffparser::createUffParser()))
#endif
#if NV_TENSORRT_MAJOR == 7
LIVE(IRNNLayer, w.network().addRNN(w.input("sequence", DataType::kFLOAT, {1, 4, 8}), 1, 8, 4, RNNOperation::kRELU,
                                   RNNInputMode::kLINEAR, RNNDirection::kUNIDIRECTION, w.weights(144), w.weights(16)))
#endif
#if NV_TENSORRT_MAJOR >= 8
LIVE(ITimingCache, w.config().createTimingCache(nullptr, 0))
LIVE(IEngineInspector, w.engine().createEngineInspector())
LIVE(ISerializationConfig, w.engine().createSerializationConfig())
#if NV_TENSORRT_MAJOR < 11
LIVE(IQuantizeLayer, w.network().addQuantize(w.x(), w.scale()))
LIVE(IDequantizeLayer, w.network().addDequantize(w.input("bytes", DataType::kINT8, {4, 4}), w.scale()))
#else
LIVE(IQuantizeLayer, w.network().addQuantize(w.x(), w.scale(), DataType::kINT8))
LIVE(IDequantizeLayer,
     w.network().addDequantize(w.input("bytes", DataType::kINT8, {4, 4}), w.scale(), DataType::kFLOAT))
#endif
LIVE(IAssertionLayer, w.network().addAssertion(w.yes(), "holds"))
LIVE(IScatterLayer, w.network().addScatter(w.matrix(), w.input("places", DataType::kINT32, {1, 4}),
                                           w.input("updates", DataType::kFLOAT, {1, 4}), ScatterMode::kELEMENT))
LIVE(INonZeroLayer, w.network().addNonZero(w.x()))
LIVE(ICastLayer, w.network().addCast(w.x(), DataType::kINT32))
LIVE(IOneHotLayer,
     w.network().addOneHot(w.indices(), w.input("values", DataType::kFLOAT, {2}), w.constant(4, true), -1))
LIVE(IGridSampleLayer, w.network().addGridSample(w.x(), w.input("grid", DataType::kFLOAT, {1, 3, 3, 2})))
LIVE(INMSLayer, w.network().addNMS(w.input("boxes", DataType::kFLOAT, {1, 6, 4}),
                                   w.input("scores", DataType::kFLOAT, {1, 6, 2}), w.constant(3, true)))
LIVE(IReverseSequenceLayer, w.network().addReverseSequence(w.matrix(), w.indices()))
LIVE(INormalizationLayer, w.network().addNormalization(w.x(), w.channel(), w.channel(), 12U))
LIVE(IIfConditional, w.network().addIfConditional())
LIVE(IConditionLayer, live<IIfConditional>(w).setCondition(w.yes()))
LIVE(IIfConditionalInputLayer, live<IIfConditional>(w).addInput(w.x()))
LIVE(IIfConditionalOutputLayer, live<IIfConditional>(w).addOutput(w.x(), w.x()))
LIVE(IIfConditionalBoundaryLayer, &live<IConditionLayer>(w))
template <>
inline IEinsumLayer* make<IEinsumLayer>(World& w) {
  ITensor* const both[] = {&w.matrix(), &w.matrix()};
  return w.network().addEinsum(both, 2, "ij,jk->ik");
}
#endif
#if NV_TENSORRT_MAJOR >= 10
LIVE(IRuntimeConfig, w.engine().createRuntimeConfig())
LIVE(ISqueezeLayer, w.network().addSqueeze(w.x(), w.constant(0, false)))
LIVE(IUnsqueezeLayer, w.network().addUnsqueeze(w.x(), w.constant(0, false)))
LIVE(ICumulativeLayer, w.network().addCumulative(w.x(), w.constant(1, true), CumulativeOperation::kSUM, false, false))
LIVE(IDynamicQuantizeLayer,
     w.network().addDynamicQuantize(w.input("rows", DataType::kFLOAT, {4, 32}), 1, 16, DataType::kFP4, DataType::kFP8))
LIVE(nvonnxparser::IParserRefitter, nvonnxparser::createParserRefitter(live<IRefitter>(w), w.logger))
#endif
#if NV_TENSORRT_MAJOR >= 10
LIVE(IAttention, w.network().addAttention(w.x(), w.x(), w.x(), AttentionNormalizationOp::kSOFTMAX, false))
LIVE(IRotaryEmbeddingLayer, w.network().addRotaryEmbedding(w.x(), w.input("cos", DataType::kFLOAT, {1, 8, 4}),
                                                           w.input("sin", DataType::kFLOAT, {1, 8, 4}), false, 0))
LIVE(IKVCacheUpdateLayer, w.network().addKVCacheUpdate(w.x(), w.input("update", DataType::kFLOAT, {1, 4, 1, 8}),
                                                       w.input("at", DataType::kINT32, {1}), KVCacheMode::kLINEAR))
LIVE(IMoELayer,
     w.network().addMoE(w.input("tokens", DataType::kFLOAT, {1, 4, 8}), w.input("experts", DataType::kINT32, {1, 4, 2}),
                        w.input("weights", DataType::kFLOAT, {1, 4, 2})))
#endif
#undef LIVE

// Values to call with, by parameter type.

template <class T, class = void>
struct Value {
  static T of(World&) { return static_cast<T>(1); }
};
template <class T>
struct Value<T, std::enable_if_t<std::is_enum<T>::value>> {
  static T of(World&) { return static_cast<T>(0); }
};
template <class T>
struct Value<T*> {
  static T* of(World& w) { return &live<std::remove_const_t<T>>(w); }
};
#define VALUE(Type, expression)                                           \
  template <>                                                             \
  struct Value<Type> {                                                    \
    static Type of(World& w) { return static_cast<void>(w), expression; } \
  };
VALUE(size_t, 16)
VALUE(char const*, "x")
VALUE(char const**, const_cast<char const**>(reinterpret_cast<char**>(w.bindings)))
VALUE(void*, w.bytes)
VALUE(void const*, w.bytes)
VALUE(void**, w.bindings)
VALUE(void* const*, w.bindings)
VALUE(uint8_t const*, (reinterpret_cast<uint8_t const*>(w.bytes)))
VALUE(int32_t*, w.ones)
VALUE(int32_t const*, w.ones)
VALUE(int64_t*, (reinterpret_cast<int64_t*>(w.bytes)))
VALUE(int64_t const*, (reinterpret_cast<int64_t const*>(w.bytes)))
VALUE(float*, w.numbers)
VALUE(float const*, w.numbers)
VALUE(cudaStream_t, nullptr)
VALUE(cudaStream_t*, (reinterpret_cast<cudaStream_t*>(w.bytes)))
VALUE(cudaEvent_t, nullptr)
VALUE(cudaEvent_t*, nullptr)
VALUE(WeightsRole*, (reinterpret_cast<WeightsRole*>(w.bytes)))
VALUE(IErrorRecorder*, &w.recorder)
VALUE(IGpuAllocator*, &w.allocator)
VALUE(IProfiler*, &w.profiler)
VALUE(Weights, w.weights(72))
VALUE(Permutation, (Permutation{{1, 0, 2, 3, 4, 5, 6, 7}}))
VALUE(DimsHW, DimsHW(2, 2))
VALUE(Dims, Dims2(2, 2))
#if NV_TENSORRT_MAJOR < 11
VALUE(IInt8Calibrator*, new Calibrator)
VALUE(IAlgorithmSelector*, new Selector)
#endif
#if NV_TENSORRT_MAJOR == 7
VALUE(nvcaffeparser1::IPluginFactory*, nullptr)
VALUE(nvcaffeparser1::IPluginFactoryExt*, nullptr)
VALUE(nvuffparser::IPluginFactory*, nullptr)
VALUE(nvuffparser::IPluginFactoryExt*, nullptr)
VALUE(IOutputDimensionsFormula*, new Formula)
VALUE(onnxTensorDescriptorV1 const*, nullptr)
#endif
#if NV_TENSORRT_MAJOR < 10
VALUE(nvcaffeparser1::IPluginFactoryV2*, nullptr)
VALUE(IPluginFactory*, nullptr)
#endif
#if NV_TENSORRT_MAJOR >= 8
VALUE(char const* const*, (reinterpret_cast<char const* const*>(w.paths)))
VALUE(IProgressMonitor*, new Monitor)
VALUE(IOutputAllocator*, new Outputs)
#endif
#if NV_TENSORRT_MAJOR >= 10
VALUE(IDebugListener*, new Listener)
VALUE(IStreamReader*, new Reader)
VALUE(IStreamReaderV2*, new ReaderV2)
VALUE(IStreamWriter*, new Writer)
VALUE(TimingCacheKey, TimingCacheKey{})
VALUE(TimingCacheKey*, new TimingCacheKey)
VALUE(TimingCacheValue, TimingCacheValue{})
#endif
template <>
struct Value<ITensor* const*> {
  static ITensor* const* of(World& w) {
    w.bindings[3] = &w.x();
    return reinterpret_cast<ITensor* const*>(w.bindings + 3);
  }
};
template <>
struct Value<IHostMemory*&> {
  static IHostMemory*& of(World&) {
    static IHostMemory* text = nullptr;
    return text;
  }
};
#undef VALUE
#if NV_TENSORRT_MAJOR < 11
template <>
struct Value<SubGraphCollection_t&> {
  static SubGraphCollection_t& of(World&) {
    static SubGraphCollection_t parts;
    return parts;
  }
};
#endif
/// What a reference parameter is bound to: an object, or for a plain value a copy that stays.
template <class T>
struct Value<T&, std::enable_if_t<!std::is_pointer<T>::value>> {
  using Plain = std::remove_const_t<T>;
  static T& of(World& w) {
    if constexpr (std::is_polymorphic<Plain>::value) {
      return *Value<Plain*>::of(w);
    } else {
      static Plain kept;
      return kept = Value<Plain>::of(w);
    }
  }
};

// Another value than the one before, and whether two are the same.

template <class T>
T other(World& w, T const& before) {
  if constexpr (std::is_same<T, bool>::value) {
    return !before;
  } else if constexpr (std::is_enum<T>::value) {
    return static_cast<T>(static_cast<int64_t>(before) == 0 ? 1 : 0);
  } else if constexpr (std::is_floating_point<T>::value) {
    return before == T(0.5) ? T(0.25) : T(0.5);
  } else if constexpr (std::is_arithmetic<T>::value) {
    return static_cast<T>(before + 1);
  } else if constexpr (std::is_same<T, char const*>::value) {
    return "another";
  } else if constexpr (std::is_base_of<Dims, T>::value) {
    T result = before;
    result.nbDims = before.nbDims > 0 ? before.nbDims : 2;
    for (int32_t i = 0; i < result.nbDims; ++i) {
      result.d[i] = before.nbDims > 0 ? before.d[i] + 1 : 1;
    }
    return result;
  } else if constexpr (std::is_same<T, Weights>::value) {
    static float numbers[4096];
    return Weights{DataType::kFLOAT, numbers, before.count > 0 ? before.count : 4};
  } else {
    return Value<T>::of(w);
  }
}

inline bool same(char const* a, char const* b) { return a && b && std::strcmp(a, b) == 0; }
inline bool same(Dims const& a, Dims const& b) {
  return a.nbDims == b.nbDims && std::equal(a.d, a.d + (a.nbDims > 0 ? a.nbDims : 0), b.d);
}
inline bool same(Weights const& a, Weights const& b) {
  return a.type == b.type && a.values == b.values && a.count == b.count;
}
inline bool same(Permutation const& a, Permutation const& b) { return std::equal(a.order, a.order + 4, b.order); }
template <class A, class B>
bool same(A const& a, B const& b) {
  if constexpr (std::is_base_of<Dims, A>::value && !std::is_same<Dims, A>::value) {
    return same(static_cast<Dims const&>(a), static_cast<Dims const&>(b));
  } else {
    return a == b;
  }
}

/// A setting of a builder at every level.
#if NV_TENSORRT_MAJOR < 10
#define LIVE_CHANGE_BUILDER(builder) (builder).setMaxBatchSize(5)
#else
#define LIVE_CHANGE_BUILDER(builder) (builder).setMaxThreads(3)
#endif

// What an object says of itself, as text, and what a call answers.

template <class T>
void show(std::string& text, T const& value) {
  if constexpr (std::is_enum<T>::value) {
    text += std::to_string(static_cast<int64_t>(value));
  } else if constexpr (std::is_arithmetic<T>::value) {
    text += std::to_string(value);
  } else if constexpr (std::is_same<T, char const*>::value) {
    text += value ? value : "null";
  } else if constexpr (std::is_polymorphic<T>::value) {
    text += std::to_string(reinterpret_cast<uintptr_t>(&value));
  } else if constexpr (std::is_pointer<T>::value) {
    text += std::to_string(reinterpret_cast<uintptr_t>(value));
  } else if constexpr (std::is_base_of<Dims, T>::value) {
    for (int32_t i = 0; i < value.nbDims; ++i) {
      text += std::to_string(value.d[i]) + ",";
    }
  } else if constexpr (std::is_same<T, Weights>::value) {
    text += std::to_string(reinterpret_cast<uintptr_t>(value.values)) + "x" + std::to_string(value.count);
  } else if constexpr (std::is_same<T, Permutation>::value) {
    for (int32_t axis : value.order) {
      text += std::to_string(axis);
    }
  }
  text += ";";
}

template <class T>
bool says(T const& value) {
  if constexpr (std::is_arithmetic<T>::value || std::is_pointer<T>::value) {
    return value != T{};
  } else {
    return true;
  }
}

template <class T>
std::string no_state(World&, T&) {
  return {};
}

/// Keeps what getters log apart from what the call under test logs.
class Quiet {
 public:
  explicit Quiet(World& w) : logger_(w.logger), errors_(w.logger.errors), messages_(w.logger.messages) {}
  int logged() {
    int const count = logger_.messages - messages_;
    errors_ = logger_.errors;
    messages_ = logger_.messages;
    return count;
  }
  void end() {
    logger_.errors = errors_;
    logger_.messages = messages_;
  }

 private:
  CountingLogger& logger_;
  int errors_, messages_;
};
