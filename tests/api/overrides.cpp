// Interfaces as user code of an era implements them: with and without noexcept, both spellings of enqueue at level 7.
#include "NvInfer.h"
#include "NvInferPlugin.h"
#include "NvOnnxParser.h"

namespace {

class PlainLogger : public nvinfer1::ILogger {
 public:
  void log(Severity, const char*) override {}
};

class Logger : public nvinfer1::ILogger {
  void log(nvinfer1::ILogger::Severity severity, char const* msg) noexcept override {
    worst = severity < worst ? severity : worst;
    text = msg;
  }
  Severity worst{Severity::kVERBOSE};
  char const* text{nullptr};
};

class Profiler : public nvinfer1::IProfiler {
  void reportLayerTime(char const*, float) noexcept override {}
};

class PlainProfiler : public nvinfer1::IProfiler {
  virtual void reportLayerTime(const char*, float) {}
};

template <typename Derived>
class PluginBase : public nvinfer1::IPluginV2IOExt {
 public:
  const char* getPluginType() const noexcept override { return "Probe"; }
  const char* getPluginVersion() const noexcept override { return "1"; }
  int getNbOutputs() const noexcept override { return 1; }
  nvinfer1::Dims getOutputDimensions(int, nvinfer1::Dims const* inputs, int) noexcept override { return inputs[0]; }
  int initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getWorkspaceSize(int) const noexcept override { return 0; }
  size_t getSerializationSize() const noexcept override { return 0; }
  void serialize(void*) const noexcept override {}
  void destroy() noexcept override { delete this; }
  nvinfer1::IPluginV2Ext* clone() const noexcept override { return new Derived; }
  void setPluginNamespace(const char*) noexcept override {}
  const char* getPluginNamespace() const noexcept override { return ""; }
  nvinfer1::DataType getOutputDataType(int, nvinfer1::DataType const* types, int) const noexcept override {
    return types[0];
  }
#if NV_TENSORRT_MAJOR < 11
  bool isOutputBroadcastAcrossBatch(int, bool const*, int) const noexcept override { return false; }
  bool canBroadcastInputAcrossBatch(int) const noexcept override { return false; }
#endif
  void configurePlugin(nvinfer1::PluginTensorDesc const*, int, nvinfer1::PluginTensorDesc const*,
                       int) noexcept override {}
  bool supportsFormatCombination(int, nvinfer1::PluginTensorDesc const*, int, int) const noexcept override {
    return true;
  }
};

class Plugin : public PluginBase<Plugin> {
  int enqueue(int, void const* const*, void* const*, void*, cudaStream_t) noexcept override { return 0; }
};

#if NV_TENSORRT_MAJOR < 8
class OldPlugin : public PluginBase<OldPlugin> {
  int enqueue(int, void const* const*, void**, void*, cudaStream_t) override { return 0; }
};
#endif

}  // namespace

nvinfer1::ILogger* makeLogger(bool plain) {
  if (plain) {
    return new PlainLogger;
  }
  return new Logger;
}

nvinfer1::IProfiler* makeProfiler(bool plain) {
  if (plain) {
    return new PlainProfiler;
  }
  return new Profiler;
}

nvinfer1::IPluginV2* makePlugin(bool old) {
#if NV_TENSORRT_MAJOR < 8
  if (old) {
    return new OldPlugin;
  }
#endif
  (void)old;
  return new Plugin;
}

void release(nvinfer1::IBuilder* builder, nvinfer1::ICudaEngine* engine) {
#if NV_TENSORRT_MAJOR < 10
  builder->destroy();
#else
  delete builder;
#endif
  delete engine;
}
