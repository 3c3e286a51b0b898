// What the plugins of these programs have in common that have no state and give one tensor of their first input's type
// and shape.
#pragma once
#include "NvInferRuntime.h"

template <class Plugin>
class SameShapeV2 : public nvinfer1::IPluginV2DynamicExt {
 public:
  explicit SameShapeV2(char const* name) : name_(name) {}
  nvinfer1::IPluginV2DynamicExt* clone() const noexcept override {
    return new Plugin(static_cast<Plugin const&>(*this));
  }
  nvinfer1::DimsExprs getOutputDimensions(int32_t, nvinfer1::DimsExprs const* in, int32_t,
                                          nvinfer1::IExprBuilder&) noexcept override {
    return in[0];
  }
  bool supportsFormatCombination(int32_t pos, nvinfer1::PluginTensorDesc const* all, int32_t,
                                 int32_t) noexcept override {
    return all[pos].type == nvinfer1::DataType::kFLOAT && all[pos].format == nvinfer1::TensorFormat::kLINEAR;
  }
  void configurePlugin(nvinfer1::DynamicPluginTensorDesc const*, int32_t, nvinfer1::DynamicPluginTensorDesc const*,
                       int32_t) noexcept override {}
  size_t getWorkspaceSize(nvinfer1::PluginTensorDesc const*, int32_t, nvinfer1::PluginTensorDesc const*,
                          int32_t) const noexcept override {
    return 0;
  }
  nvinfer1::DataType getOutputDataType(int32_t, nvinfer1::DataType const* types, int32_t) const noexcept override {
    return types[0];
  }
  char const* getPluginType() const noexcept override { return name_; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getSerializationSize() const noexcept override { return 0; }
  void serialize(void*) const noexcept override {}
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  char const* name_;
};
