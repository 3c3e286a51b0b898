// Stretch, an IPluginV2DynamicExt of the years of TensorRT 8 and 10: y = concat(factor * x + offset, x) along the last
// axis. Counts its objects and what is done to them.
#pragma once
#include <cstring>
#include <string>

#include "NvInfer.h"

struct StretchCounts {
  int alive = 0, clones = 0, configured = 0, initialized = 0, terminated = 0, attached = 0, detached = 0, enqueued = 0;
};
inline StretchCounts& stretch_counts() {
  static StretchCounts counts;
  return counts;
}

class Stretch : public nvinfer1::IPluginV2DynamicExt {
 public:
  Stretch(float factor, int offset) : factor_(factor), offset_(offset) { ++stretch_counts().alive; }
  Stretch(void const* data, size_t size) : Stretch(0.0F, 0) {
    if (size == sizeof(factor_) + sizeof(offset_)) {
      std::memcpy(&factor_, data, sizeof(factor_));
      std::memcpy(&offset_, static_cast<char const*>(data) + sizeof(factor_), sizeof(offset_));
    }
  }
  ~Stretch() override { --stretch_counts().alive; }

  nvinfer1::IPluginV2DynamicExt* clone() const noexcept override {
    ++stretch_counts().clones;
    Stretch* copy = new Stretch(factor_, offset_);
    copy->setPluginNamespace(space_.c_str());
    return copy;
  }
  nvinfer1::DimsExprs getOutputDimensions(int32_t, nvinfer1::DimsExprs const* inputs, int32_t,
                                          nvinfer1::IExprBuilder& builder) noexcept override {
    nvinfer1::DimsExprs out = inputs[0];
    out.d[out.nbDims - 1] =
        builder.operation(nvinfer1::DimensionOperation::kPROD, *inputs[0].d[out.nbDims - 1], *builder.constant(2));
    return out;
  }
  bool supportsFormatCombination(int32_t pos, nvinfer1::PluginTensorDesc const* all, int32_t,
                                 int32_t) noexcept override {
    return all[pos].type == nvinfer1::DataType::kFLOAT && all[pos].format == nvinfer1::TensorFormat::kLINEAR;
  }
  void configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t inputs,
                       nvinfer1::DynamicPluginTensorDesc const* out, int32_t outputs) noexcept override {
    configured_ =
        inputs == 1 && outputs == 1 && out[0].max.d[out[0].max.nbDims - 1] == 2 * in[0].max.d[in[0].max.nbDims - 1];
    ++stretch_counts().configured;
  }
  size_t getWorkspaceSize(nvinfer1::PluginTensorDesc const* in, int32_t, nvinfer1::PluginTensorDesc const*,
                          int32_t) const noexcept override {
    return count(in[0].dims) * sizeof(float);
  }
  int32_t enqueue(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
                  void const* const* inputs, void* const* outputs, void* workspace, cudaStream_t) noexcept override {
    ++stretch_counts().enqueued;
    size_t const n = count(in[0].dims), row = static_cast<size_t>(in[0].dims.d[in[0].dims.nbDims - 1]);
    if (!configured_ || !workspace || count(out[0].dims) != 2 * n) {
      return 1;
    }
    float const* x = static_cast<float const*>(inputs[0]);
    float* scratch = static_cast<float*>(workspace);
    for (size_t i = 0; i < n; ++i) {
      scratch[i] = factor_ * x[i] + static_cast<float>(offset_);
    }
    float* y = static_cast<float*>(outputs[0]);
    for (size_t r = 0; r < n / row; ++r) {
      std::memcpy(y + 2 * r * row, scratch + r * row, row * sizeof(float));
      std::memcpy(y + (2 * r + 1) * row, x + r * row, row * sizeof(float));
    }
    return 0;
  }
  nvinfer1::DataType getOutputDataType(int32_t, nvinfer1::DataType const* types, int32_t) const noexcept override {
    return types[0];
  }
  char const* getPluginType() const noexcept override { return "Stretch"; }
  char const* getPluginVersion() const noexcept override { return "3"; }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t initialize() noexcept override { return ++stretch_counts().initialized, 0; }
  void terminate() noexcept override { ++stretch_counts().terminated; }
  size_t getSerializationSize() const noexcept override { return sizeof(factor_) + sizeof(offset_); }
  void serialize(void* buffer) const noexcept override {
    std::memcpy(buffer, &factor_, sizeof(factor_));
    std::memcpy(static_cast<char*>(buffer) + sizeof(factor_), &offset_, sizeof(offset_));
  }
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }
  void attachToContext(cudnnContext*, cublasContext*, nvinfer1::IGpuAllocator*) noexcept override {
    ++stretch_counts().attached;
  }
  void detachFromContext() noexcept override { ++stretch_counts().detached; }

 private:
  static size_t count(nvinfer1::Dims const& dims) {
    size_t n = 1;
    for (int32_t i = 0; i < dims.nbDims; ++i) {
      n *= static_cast<size_t>(dims.d[i]);
    }
    return n;
  }
  float factor_;
  int offset_;
  bool configured_ = false;
  std::string space_;
};

class StretchCreator : public nvinfer1::IPluginCreator {
 public:
  StretchCreator() {
    fields_[0] = {"factor", nullptr, nvinfer1::PluginFieldType::kFLOAT32, 1};
    fields_[1] = {"offset", nullptr, nvinfer1::PluginFieldType::kINT32, 1};
    fields_[2] = {"unused", nullptr, nvinfer1::PluginFieldType::kINT32, 1};
    collection_ = {3, fields_};
  }
  char const* getPluginName() const noexcept override { return "Stretch"; }
  char const* getPluginVersion() const noexcept override { return "3"; }
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override { return &collection_; }
  nvinfer1::IPluginV2* createPlugin(char const*, nvinfer1::PluginFieldCollection const* given) noexcept override {
    float factor = 0.0F;
    int offset = 0;
    for (int32_t i = 0; i < given->nbFields; ++i) {
      nvinfer1::PluginField const& field = given->fields[i];
      if (std::string(field.name) == "factor" && field.length == 1) {
        factor = *static_cast<float const*>(field.data);
      }
      if (std::string(field.name) == "offset" && field.length == 1) {
        offset = *static_cast<int32_t const*>(field.data);
      }
    }
    return named(new Stretch(factor, offset));
  }
  nvinfer1::IPluginV2* deserializePlugin(char const*, void const* data, size_t size) noexcept override {
    return named(new Stretch(data, size));
  }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  Stretch* named(Stretch* plugin) {
    plugin->setPluginNamespace(space_.c_str());
    return plugin;
  }
  nvinfer1::PluginField fields_[3];
  nvinfer1::PluginFieldCollection collection_;
  std::string space_;
};
