// Layers of language models, from TensorRT 10.14 on, whose settings are more than fields.
#pragma once
#include "layers.h"
#include "settings.h"

#if NV_TENSORRT_MAJOR >= 10
namespace tenon::nvinfer {

class AttentionLayer final : public AttentionOutputLayerFields, public apiv::VAttentionBoundaryLayer {
 public:
  AttentionLayer(Network& network, ir::NodeId node, LayerType type) : AttentionOutputLayerFields(network, node, type) {
    this->mBoundary = this;
  }
  IAttention* getAttention() const noexcept { return attention; }
  /// An optional input at its place. False, with a report, if it is not this network's.
  bool set_optional(int32_t index, ITensor* tensor) noexcept;
  template <class T>
  bool set_number(const char* field, T value) noexcept {
    return set(field, value);
  }
  /// Whether the tensor is this network's; reports where it is not.
  bool knows(const ITensor& tensor) const noexcept;
  template <class T>
  T number(const char* field) const noexcept {
    return get<T>(field);
  }
  IAttention* attention = nullptr;
};

class Attention final : public AttentionState {
 public:
  Attention(AttentionLayer& layer, const Reports& reports) : layer_(layer), reports_(reports) {}
  bool setInput(int32_t index, ITensor& input) noexcept;
  int32_t getNbInputs() const noexcept { return layer_.Layer::getNbInputs(); }
  ITensor* getInput(int32_t index) const noexcept { return layer_.Layer::getInput(index); }
  int32_t getNbOutputs() const noexcept { return 1; }
  ITensor* getOutput(int32_t index) const noexcept { return layer_.Layer::getOutput(index); }
  bool setMask(ITensor& mask) noexcept { return layer_.set_optional(3, &mask); }
  ITensor* getMask() const noexcept { return layer_.Layer::getInput(3); }
  bool setNormalizationQuantizeScale(ITensor& scale) noexcept;
  bool setNormalizationQuantizeToType(DataType type) noexcept;
  ITensor* getNormalizationQuantizeScale() const noexcept { return quantize_scale_; }
  bool setNormalizationOperation(AttentionNormalizationOp op) noexcept {
    return layer_.set_number("normalization", op);
  }
  AttentionNormalizationOp getNormalizationOperation() const noexcept {
    return layer_.number<AttentionNormalizationOp>("normalization");
  }
  // The number is a CausalMaskKind, which came with level 11: none, or aligned above to the left.
  bool setCausal(bool causal) noexcept { return layer_.set_number("causal", int32_t{causal}); }
  bool getCausal() const noexcept { return layer_.number<int32_t>("causal") != 0; }
#if NV_TENSORRT_MAJOR >= 11
  bool setCausalKind(CausalMaskKind kind) noexcept { return layer_.set_number("causal", kind); }
  CausalMaskKind getCausalKind() const noexcept { return layer_.number<CausalMaskKind>("causal"); }
  bool setQueryForm(AttentionIOForm form) noexcept { return layer_.set_number("query_form", form); }
  AttentionIOForm getQueryForm() const noexcept { return layer_.number<AttentionIOForm>("query_form"); }
  bool setKeyValueForm(AttentionIOForm form) noexcept { return layer_.set_number("key_value_form", form); }
  AttentionIOForm getKeyValueForm() const noexcept { return layer_.number<AttentionIOForm>("key_value_form"); }
  bool setKeyValueLengths(ITensor* lengths) noexcept { return layer_.set_optional(4, lengths); }
  ITensor* getKeyValueLengths() const noexcept { return layer_.Layer::getInput(4); }
  bool setQueryLengths(ITensor* lengths) noexcept { return layer_.set_optional(5, lengths); }
  ITensor* getQueryLengths() const noexcept { return layer_.Layer::getInput(5); }
#endif
  bool setName(const char* name) noexcept;
  const char* getName() const noexcept { return layer_.Layer::getName(); }
  bool setMetadata(const char* metadata) noexcept { return layer_.Layer::setMetadata(metadata), true; }
  const char* getMetadata() const noexcept { return layer_.Layer::getMetadata(); }
  bool setNbRanks(int32_t ranks) noexcept { return layer_.Layer::setNbRanks(ranks); }
  int32_t getNbRanks() const noexcept { return 1; }

 private:
  AttentionLayer& layer_;
  Reports reports_;
  ITensor* quantize_scale_ = nullptr;
};

class KVCacheUpdateLayer final : public KVCacheUpdateLayerFields {
 public:
  using KVCacheUpdateLayerFields::KVCacheUpdateLayerFields;
#if NV_TENSORRT_MAJOR >= 11
  bool setUpdateLengths(ITensor* lengths) noexcept;
  ITensor* getUpdateLengths() const noexcept { return Layer::getInput(3); }
#endif
};

class RotaryEmbeddingLayer final : public RotaryEmbeddingLayerFields {
 public:
  using RotaryEmbeddingLayerFields::RotaryEmbeddingLayerFields;
  void setInput(int32_t index, ITensor& input) noexcept override { Layer::setInput(index, input); }
};

class MoELayer final : public MoELayerFields {
 public:
  using MoELayerFields::MoELayerFields;
  void setInput(int32_t index, ITensor& tensor) noexcept override { Layer::setInput(index, tensor); }
  void setGatedWeights(ITensor& gate, ITensor& up, ITensor& down, MoEActType activation) noexcept;
  void setGatedBiases(ITensor& gate, ITensor& up, ITensor& down) noexcept;
  void setQuantizationStatic(ITensor& scale, DataType type) noexcept;
  void setQuantizationDynamicDblQ(ITensor& scale, DataType type, const Dims& block, DataType scale_type) noexcept;
  void setSwigluParams(float limit, float alpha, float beta) noexcept;
  // How the product before the down weights would be quantized; here it keeps its type.
  void setQuantizationToType(DataType type) noexcept;
  DataType getQuantizationToType() const noexcept { return to_type_; }
  void setQuantizationBlockShape(const Dims& shape) noexcept;
  Dims getQuantizationBlockShape() const noexcept { return block_; }
  void setDynQOutputScaleType(DataType type) noexcept;
  DataType getDynQOutputScaleType() const noexcept { return scale_type_; }

 private:
  DataType to_type_ = DataType::kFLOAT, scale_type_ = DataType::kFLOAT;
  Dims block_ = invalid_dims();
};

}  // namespace tenon::nvinfer
#endif
