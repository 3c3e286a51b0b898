// Plugins of TensorRT 7 and 8 with CUDA kernels: implicit batch and dynamic shapes, bindings by index.
#include <dlfcn.h>

#include <cmath>
#include <cstring>

#include "NvInferRuntime.h"
#include "bindings/common.h"
#include "gpu/leaky.h"

using namespace nvinfer1;

namespace {

/// What attachToContext was given, and whether cuBLAS took its handle.
cudnnContext* given_cudnn = nullptr;
cublasContext* given_cublas = nullptr;
bool handle_works = false;
using SetStream = int (*)(cublasContext*, cudaStream_t);
SetStream set_stream = nullptr;

#if NV_TENSORRT_MAJOR == 7
using Outputs = void**;
#else
using Outputs = void* const*;
#endif

int64_t count_of(Dims const& dims) {
  int64_t count = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    count *= dims.d[i];
  }
  return count;
}

/// Under an implicit batch; configured with the type and count of one element of the batch.
class Leaky : public IPluginV2Ext {
 public:
  explicit Leaky(float slope, DataType type) : slope_(slope), type_(type) {}
  int getNbOutputs() const noexcept override { return 1; }
  Dims getOutputDimensions(int, Dims const* inputs, int) noexcept override { return inputs[0]; }
  bool supportsFormat(DataType type, PluginFormat format) const noexcept override {
    return type == type_ && format == PluginFormat::kLINEAR;
  }
  void configurePlugin(Dims const* in, int, Dims const*, int, DataType const* types, DataType const*, bool const*,
                       bool const*, PluginFormat, int) noexcept override {
    EXPECT(types[0] == type_);
    count_ = count_of(in[0]);
  }
  int initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getWorkspaceSize(int batch) const noexcept override { return static_cast<size_t>(batch * count_) * 4; }
  int enqueue(int batch, void const* const* in, Outputs out, void* workspace, cudaStream_t stream) noexcept override {
    handle_works = set_stream && given_cublas && set_stream(given_cublas, stream) == 0;
    return type_ == DataType::kHALF ? leaky<__half>(in[0], out[0], workspace, batch * count_, slope_, stream)
                                    : leaky<float>(in[0], out[0], workspace, batch * count_, slope_, stream);
  }
  void attachToContext(cudnnContext* cudnn, cublasContext* cublas, IGpuAllocator*) noexcept override {
    given_cudnn = cudnn;
    given_cublas = cublas;
  }
  DataType getOutputDataType(int, DataType const* types, int) const noexcept override { return types[0]; }
  bool isOutputBroadcastAcrossBatch(int, bool const*, int) const noexcept override { return false; }
  bool canBroadcastInputAcrossBatch(int) const noexcept override { return false; }
  size_t getSerializationSize() const noexcept override { return 0; }
  void serialize(void*) const noexcept override {}
  char const* getPluginType() const noexcept override { return "Leaky"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  void destroy() noexcept override { delete this; }
  IPluginV2Ext* clone() const noexcept override { return new Leaky(*this); }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  float slope_;
  DataType type_;
  int64_t count_ = 0;
};

/// With dynamic shapes; without a workspace.
class DynamicLeaky : public IPluginV2DynamicExt {
 public:
  explicit DynamicLeaky(float slope) : slope_(slope) {}
  DimsExprs getOutputDimensions(int, DimsExprs const* in, int, IExprBuilder&) noexcept override { return in[0]; }
  bool supportsFormatCombination(int pos, PluginTensorDesc const* all, int, int) noexcept override {
    return all[pos].type == DataType::kFLOAT && all[pos].format == TensorFormat::kLINEAR;
  }
  void configurePlugin(DynamicPluginTensorDesc const*, int, DynamicPluginTensorDesc const*, int) noexcept override {}
  size_t getWorkspaceSize(PluginTensorDesc const*, int, PluginTensorDesc const*, int) const noexcept override {
    return 0;
  }
  int enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
              cudaStream_t stream) noexcept override {
    return leaky<float>(in[0], out[0], nullptr, count_of(desc[0].dims), slope_, stream);
  }
  DataType getOutputDataType(int, DataType const* types, int) const noexcept override { return types[0]; }
  int getNbOutputs() const noexcept override { return 1; }
  int initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getSerializationSize() const noexcept override { return sizeof(slope_); }
  void serialize(void* buffer) const noexcept override { std::memcpy(buffer, &slope_, sizeof(slope_)); }
  char const* getPluginType() const noexcept override { return "DynamicLeaky"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  void destroy() noexcept override { delete this; }
  IPluginV2DynamicExt* clone() const noexcept override { return new DynamicLeaky(*this); }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  float slope_;
};

class DynamicLeakyCreator : public IPluginCreator {
 public:
  char const* getPluginName() const noexcept override { return "DynamicLeaky"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override { return nullptr; }
  IPluginV2* deserializePlugin(char const*, void const* data, size_t) noexcept override {
    float slope;
    std::memcpy(&slope, data, sizeof(slope));
    return new DynamicLeaky(slope);
  }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  PluginFieldCollection none_{0, nullptr};
};
REGISTER_TENSORRT_PLUGIN(DynamicLeakyCreator);

#if NV_TENSORRT_MAJOR == 7
/// The first interface; the program owns it.
class OldLeaky : public IPluginExt {
 public:
  int getNbOutputs() const override { return 1; }
  Dims getOutputDimensions(int, Dims const* inputs, int) override { return inputs[0]; }
  bool supportsFormat(DataType type, PluginFormat format) const override {
    return type == DataType::kFLOAT && format == PluginFormat::kNCHW;
  }
  void configureWithFormat(Dims const* in, int, Dims const*, int, DataType, PluginFormat, int) override {
    count_ = count_of(in[0]);
  }
  void configure(Dims const*, int, Dims const*, int, int) override {}  // never called on an IPluginExt
  int initialize() override { return 0; }
  void terminate() override {}
  size_t getWorkspaceSize(int batch) const override { return static_cast<size_t>(batch * count_) * 4; }
  int enqueue(int batch, void const* const* in, void** out, void* workspace, cudaStream_t stream) override {
    return leaky<float>(in[0], out[0], workspace, batch * count_, 0.5F, stream);
  }
  size_t getSerializationSize() override { return 0; }
  void serialize(void*) override {}

 private:
  int64_t count_ = 0;
};
#endif

/// Runs what expects y = leaky(2 x) + x three times: launched, recorded and replayed.
template <class Enqueue>
void run(Buffers& buffers, size_t count, double slope, double tolerance, Enqueue const& enqueue) {
  for (int turn = 0; turn < 4; ++turn) {
    std::vector<float> const x = noise(count, static_cast<uint32_t>(turn + 1));
    buffers.upload(0, x);
    int const before = seen().runs;
    EXPECT(enqueue());
    std::vector<float> const y = buffers.download(1, count);
    EXPECT(seen().runs == before + 1 && seen().stream == buffers.stream());
    double worst = 0;
    for (size_t i = 0; i < count; ++i) {
      worst = std::fmax(worst, std::fabs(y[i] - (leaky_value(2.0 * x[i], slope) + x[i])));
    }
    EXPECT(worst < tolerance);
  }
}

/// leaky(2 x) + x with `add` putting the plugin between.
template <class Add>
void finish_network(INetworkDefinition& network, ITensor& x, Add const& add) {
  ITensor* twice = network.addElementWise(x, x, ElementWiseOperation::kSUM)->getOutput(0);
  ITensor* y = network.addElementWise(*add(twice), x, ElementWiseOperation::kSUM)->getOutput(0);
  y->setName("y");
  network.markOutput(*y);
}

template <class Add>
void test_implicit(KeepingLogger& logger, double tolerance, Add const& add) {
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(0);
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims3{3, 5, 7});
  finish_network(*network, *x, [&](ITensor* twice) { return add(*network, twice); });
  builder->setMaxBatchSize(4);
  IBuilderConfig* config = builder->createBuilderConfig();
  config->setFlag(BuilderFlag::kFP16);
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  if (engine) {
    IExecutionContext* context = engine->createExecutionContext();
    Buffers buffers({4 * 105, 4 * 105});
    for (int batch : {4, 1, 3}) {
      run(buffers, static_cast<size_t>(batch) * 105, 0.5, tolerance,
          [&] { return context->enqueue(batch, buffers.bindings(), buffers.stream(), nullptr); });
    }
    context->destroy();
    engine->destroy();
  }
  config->destroy();
  network->destroy();
  builder->destroy();
}

void test_dynamic(KeepingLogger& logger) {
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{-1, 3, 5, 7});
  DynamicLeaky plugin(0.25F);
  finish_network(*network, *x, [&](ITensor* twice) { return network->addPluginV2(&twice, 1, plugin)->getOutput(0); });
  IBuilderConfig* config = builder->createBuilderConfig();
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, Dims4{1, 3, 5, 7});
  profile->setDimensions("x", OptProfileSelector::kOPT, Dims4{2, 3, 5, 7});
  profile->setDimensions("x", OptProfileSelector::kMAX, Dims4{6, 3, 5, 7});
  config->addOptimizationProfile(profile);
  ICudaEngine* built = builder->buildEngineWithConfig(*network, *config);
  EXPECT(built != nullptr);
  IHostMemory* plan = built->serialize();
  built->destroy();
  IRuntime* runtime = createInferRuntime(logger);
  ICudaEngine* engine = runtime->deserializeCudaEngine(plan->data(), plan->size());
  EXPECT(engine != nullptr);
  IExecutionContext* context = engine->createExecutionContext();
  Buffers buffers({6 * 105, 6 * 105});
  for (int batch : {2, 6, 1}) {
    EXPECT(context->setBindingDimensions(0, Dims4{batch, 3, 5, 7}));
    run(buffers, static_cast<size_t>(batch) * 105, 0.25, 1e-5,
        [&] { return context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr); });
  }
  context->destroy();
  engine->destroy();
  runtime->destroy();
  plan->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  // As with a plugin that is linked to these libraries.
  void* cublas = dlopen("libcublas.so.13", RTLD_NOW);
  void* cudnn = dlopen("libcudnn.so.9", RTLD_NOW);
  set_stream = cublas ? reinterpret_cast<SetStream>(dlsym(cublas, "cublasSetStream_v2")) : nullptr;
  for (DataType type : {DataType::kFLOAT, DataType::kHALF}) {
    Leaky plugin(0.5F, type);
    test_implicit(logger, 5e-3, [&](INetworkDefinition& network, ITensor* twice) {
      return network.addPluginV2(&twice, 1, plugin)->getOutput(0);
    });
  }
  EXPECT((given_cublas != nullptr) == (cublas != nullptr) && handle_works == (cublas != nullptr));
  EXPECT((given_cudnn != nullptr) == (cudnn != nullptr));
#if NV_TENSORRT_MAJOR == 7
  OldLeaky old;
  test_implicit(logger, 5e-3, [&](INetworkDefinition& network, ITensor* twice) {
    return network.addPluginExt(&twice, 1, old)->getOutput(0);
  });
#endif
  test_dynamic(logger);
  EXPECT(seen().host_pointers == 0);
  return finish(logger);
}
