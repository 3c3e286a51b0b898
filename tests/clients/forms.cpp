// Forms of declarations that plugins in public code have, at every level: names of the base classes brought in by
// using, in whichever section, the macros of each era, the safety headers. Built, saved, loaded and run.
#include <NvInfer.h>
#include <NvInferPlugin.h>
#include <NvOnnxParser.h>
#include <cuda_runtime_api.h>
#if NV_TENSORRT_MAJOR >= 8 && NV_TENSORRT_MAJOR <= 10
#include <NvInferConsistency.h>
#include <NvInferSafeRuntime.h>
#endif

#include <cstring>
#include <memory>

#include "client.h"

using namespace nvinfer1;
using namespace nvinfer1::plugin;

namespace {

#if NV_TENSORRT_MAJOR >= 8
#define TRT_NOEXCEPT noexcept
#else
#define TRT_NOEXCEPT
#endif

constexpr int kCount = 6;

#if NV_TENSORRT_MAJOR == 7
#define USER_OVERRIDE _TENSORRT_OVERRIDE
#define USER_FINAL _TENSORRT_FINAL
#else
#define USER_OVERRIDE override
#define USER_FINAL final
#endif

/// y = 2 x, which "device" code on the host does.
class Twice USER_FINAL : public IPluginV2DynamicExt {
 public:
  IPluginV2DynamicExt* clone() const TRT_NOEXCEPT USER_OVERRIDE { return new Twice(*this); }
  DimsExprs getOutputDimensions(int, DimsExprs const* inputs, int, IExprBuilder&) TRT_NOEXCEPT override {
    return inputs[0];
  }
  bool supportsFormatCombination(int at, PluginTensorDesc const* all, int, int) TRT_NOEXCEPT override {
    return all[at].type == DataType::kFLOAT && all[at].format == TensorFormat::kLINEAR;
  }
  void configurePlugin(DynamicPluginTensorDesc const*, int, DynamicPluginTensorDesc const*, int) TRT_NOEXCEPT override {
  }
  size_t getWorkspaceSize(PluginTensorDesc const*, int, PluginTensorDesc const*, int) const TRT_NOEXCEPT override {
    return 0;
  }
  int enqueue(PluginTensorDesc const* in, PluginTensorDesc const*, void const* const* inputs, void* const* outputs,
              void*, cudaStream_t stream) TRT_NOEXCEPT override {
    size_t count = 1;
    for (int i = 0; i < in[0].dims.nbDims; ++i) count *= static_cast<size_t>(in[0].dims.d[i]);
    std::vector<float> values(count);
    if (cudaMemcpyAsync(values.data(), inputs[0], count * 4, cudaMemcpyDeviceToHost, stream) != cudaSuccess) return -1;
    if (cudaStreamSynchronize(stream) != cudaSuccess) return -1;
    for (float& v : values) v *= 2;
    if (cudaMemcpyAsync(outputs[0], values.data(), count * 4, cudaMemcpyHostToDevice, stream) != cudaSuccess) return -1;
    return cudaStreamSynchronize(stream) == cudaSuccess ? 0 : -1;
  }
  DataType getOutputDataType(int, DataType const* types, int) const TRT_NOEXCEPT override { return types[0]; }
  char const* getPluginType() const TRT_NOEXCEPT override { return "Twice"; }
  char const* getPluginVersion() const TRT_NOEXCEPT override { return "1"; }
  int getNbOutputs() const TRT_NOEXCEPT override { return 1; }
  int initialize() TRT_NOEXCEPT override { return 0; }
  void terminate() TRT_NOEXCEPT override {}
  size_t getSerializationSize() const TRT_NOEXCEPT override { return 0; }
  void serialize(void*) const TRT_NOEXCEPT override {}
  void destroy() TRT_NOEXCEPT override { delete this; }
  void setPluginNamespace(char const* space) TRT_NOEXCEPT override { space_ = space; }
  char const* getPluginNamespace() const TRT_NOEXCEPT override { return space_.c_str(); }

 private:
  std::string space_;

 protected:
  // Against warnings of hidden overloads, by the class that hides them or by the one that declared them first.
  using IPluginV2DynamicExt::configurePlugin;
  using IPluginV2DynamicExt::enqueue;
  using IPluginV2DynamicExt::getOutputDimensions;
  using IPluginV2DynamicExt::getWorkspaceSize;
  using IPluginV2DynamicExt::supportsFormat;
#if NV_TENSORRT_MAJOR <= 10
  using IPluginV2DynamicExt::canBroadcastInputAcrossBatch;
  using IPluginV2DynamicExt::isOutputBroadcastAcrossBatch;
#endif
};

class TwiceCreator : public IPluginCreator {
 public:
  char const* getPluginName() const TRT_NOEXCEPT override { return "Twice"; }
  char const* getPluginVersion() const TRT_NOEXCEPT override { return "1"; }
  PluginFieldCollection const* getFieldNames() TRT_NOEXCEPT override { return &fields_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) TRT_NOEXCEPT override { return new Twice; }
  IPluginV2* deserializePlugin(char const*, void const*, size_t) TRT_NOEXCEPT override { return new Twice; }
  void setPluginNamespace(char const* space) TRT_NOEXCEPT override { space_ = space; }
  char const* getPluginNamespace() const TRT_NOEXCEPT override { return space_.c_str(); }

 private:
  PluginFieldCollection fields_{0, nullptr};
  std::string space_;
};
REGISTER_TENSORRT_PLUGIN(TwiceCreator);

/// Declared only: what brings in names of the other two plugin interfaces compiles.
class Channels : public IPluginV2IOExt {
 protected:
  using IPluginV2IOExt::configurePlugin;
  using IPluginV2IOExt::supportsFormat;
};
class Legacy : public IPluginV2DynamicExt {
  using IPluginV2::enqueue;
  using IPluginV2::getOutputDimensions;
  using IPluginV2::getWorkspaceSize;
  using IPluginV2Ext::configurePlugin;
};

#if NV_TENSORRT_MAJOR >= 8 && NV_TENSORRT_MAJOR <= 10
class SafeCreator : public TwiceCreator {
 public:
  char const* getPluginName() const noexcept override { return "SafeTwice"; }
};
REGISTER_SAFE_TENSORRT_PLUGIN(SafeCreator);

void certified(KeepingLogger& logger) {
  int32_t count = 0;
  auto* const* creators = getSafePluginRegistry()->getPluginCreatorList(&count);
  bool found = false;
  for (int32_t i = 0; i < count; ++i) found = found || std::strcmp(creators[i]->getPluginName(), "SafeTwice") == 0;
  EXPECT(found);
  std::unique_ptr<safe::IRuntime> runtime(safe::createInferRuntime(logger));
  EXPECT(runtime == nullptr);
  std::unique_ptr<consistency::IConsistencyChecker> checker(consistency::createConsistencyChecker(logger, "x", 1));
  EXPECT(checker == nullptr);
  EXPECT(logger.errors.size() == 2);
  logger.errors.clear();
  EXPECT(nvinfer1::getBuilderSafePluginRegistry(nvinfer1::EngineCapability::kSAFETY) == getSafePluginRegistry());
}
#else
void certified(KeepingLogger&) {}
#endif

/// The functions of bundled plugins answer, though there are none.
void bundled(KeepingLogger& logger) {
  EXPECT(initLibNvInferPlugins(&logger, ""));
#if NV_TENSORRT_MAJOR >= 8
  EXPECT(nvinfer1::getBuilderPluginRegistry(nvinfer1::EngineCapability::kSTANDARD) == getPluginRegistry());
#endif
#if NV_TENSORRT_MAJOR == 8
  EXPECT(nvinfer1::getBuilderPluginRegistry(nvinfer1::EngineCapability::kDEFAULT) == getPluginRegistry());
#endif
#if NV_TENSORRT_MAJOR <= 10
  EXPECT(createReorgPlugin(2) == nullptr);
  EXPECT(createNMSPlugin(DetectionOutputParameters()) == nullptr);
  EXPECT(logger.errors.size() == 2);
  logger.errors.clear();
#endif
}

std::vector<char> build(KeepingLogger& logger) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  bundled(logger);
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(1U));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{2, kCount / 2});
  Twice twice;
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, twice);
  layer->getOutput(0)->setName("y");
  network->markOutput(*layer->getOutput(0));
  network->markOutput(*layer->getOutput(0));  // once more is no error, and no second output
  EXPECT(network->getNbOutputs() == 1);
#if NV_TENSORRT_MAJOR >= 8
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
#else
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  std::unique_ptr<IHostMemory> plan(engine->serialize());
#endif
  EXPECT(plan != nullptr);
  char const* bytes = static_cast<char const*>(plan->data());
  return std::vector<char>(bytes, bytes + plan->size());
}

bool enqueue(IExecutionContext& context, void** bindings, cudaStream_t stream) {
#if NV_TENSORRT_MAJOR >= 10
  EXPECT(context.setTensorAddress("x", bindings[0]) && context.setTensorAddress("y", bindings[1]));
  return context.enqueueV3(stream);
#else
  return context.enqueueV2(bindings, stream, nullptr);
#endif
}

}  // namespace

int main() {
  KeepingLogger logger;
  certified(logger);
  const std::vector<char> plan = build(logger);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
#if NV_TENSORRT_MAJOR == 7
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size(), nullptr));
#else
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
#endif
  EXPECT(engine != nullptr);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  float x[kCount] = {1, -2, 3, 0, 5, 6}, y[kCount] = {};
  void* bindings[2];
  for (void*& p : bindings) EXPECT(cudaMalloc(&p, sizeof(x)) == cudaSuccess);
  cudaStream_t stream;
  EXPECT(cudaStreamCreate(&stream) == cudaSuccess);
  EXPECT(cudaMemcpyAsync(bindings[0], x, sizeof(x), cudaMemcpyHostToDevice, stream) == cudaSuccess);
  EXPECT(enqueue(*context, bindings, stream));
  EXPECT(cudaMemcpyAsync(y, bindings[1], sizeof(y), cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  EXPECT(cudaStreamSynchronize(stream) == cudaSuccess);
  for (int i = 0; i < kCount; ++i) EXPECT(y[i] == 2 * x[i]);
  for (void* p : bindings) EXPECT(cudaFree(p) == cudaSuccess);
  EXPECT(cudaStreamDestroy(stream) == cudaSuccess);
  EXPECT(logger.errors.empty());
  return failures() == 0 ? 0 : 1;
}
