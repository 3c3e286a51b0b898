// INetworkDefinition's layers that came with TensorRT 11.
#include "nvinfer/network_add.h"

#if NV_TENSORRT_MAJOR >= 11
namespace tenon::nvinfer {

ITopKLayer* Network::addTopKV2(ITensor& input, TopKOperation op, int32_t k, uint32_t axes, DataType type) noexcept {
  ITopKLayer* layer = addTopK(input, op, k, axes);
  if (layer) layer->setIndicesType(type);
  return layer;
}

INonZeroLayer* Network::addNonZeroV2(ITensor& input, DataType type) noexcept {
  INonZeroLayer* layer = addNonZero(input);
  if (layer) layer->setIndicesType(type);
  return layer;
}

INMSLayer* Network::addNMSV2(ITensor& boxes, ITensor& scores, ITensor& most, DataType type) noexcept {
  INMSLayer* layer = addNMS(boxes, scores, most);
  if (layer) layer->setIndicesType(type);
  return layer;
}

INormalizationLayer* Network::addNormalizationV2(ITensor& input, ITensor& scale, ITensor& bias,
                                                 uint32_t axes) noexcept {
  return guard(reports_, "INetworkDefinition::addNormalizationV2", [&] {
    auto* layer = add<NormalizationLayer>("trt.Normalization", LayerType::kNORMALIZATION, {&input, &scale, &bias});
    layer->setAxes(axes);
    layer->mark_second();
    return layer;
  });
}

IAttention* Network::addAttention(ITensor&, ITensor&, ITensor&, AttentionNormalizationOp, bool) noexcept {
  return guard(reports_, "INetworkDefinition::addAttention",
               [&]() -> IAttention* { fail(ErrorCode::kUnsupported, "attention made by hand"); });
}

IAttention* Network::addAttentionV2(ITensor&, ITensor&, ITensor&, AttentionNormalizationOp, CausalMaskKind) noexcept {
  return guard(reports_, "INetworkDefinition::addAttentionV2",
               [&]() -> IAttention* { fail(ErrorCode::kUnsupported, "attention made by hand"); });
}

IRotaryEmbeddingLayer* Network::addRotaryEmbedding(ITensor&, ITensor&, ITensor&, bool, int32_t) noexcept {
  return guard(reports_, "INetworkDefinition::addRotaryEmbedding",
               [&]() -> IRotaryEmbeddingLayer* { fail(ErrorCode::kUnsupported, "rotary embedding made by hand"); });
}

IDynamicQuantizeLayer* Network::addDynamicQuantizeV2(ITensor&, const Dims&, DataType, DataType) noexcept {
  return guard(reports_, "INetworkDefinition::addDynamicQuantizeV2",
               [&]() -> IDynamicQuantizeLayer* { fail(ErrorCode::kUnsupported, "dynamic quantization"); });
}

IKVCacheUpdateLayer* Network::addKVCacheUpdate(ITensor&, ITensor&, ITensor&, KVCacheMode) noexcept {
  return guard(reports_, "INetworkDefinition::addKVCacheUpdate",
               [&]() -> IKVCacheUpdateLayer* { fail(ErrorCode::kUnsupported, "cache updates made by hand"); });
}

IMoELayer* Network::addMoE(ITensor&, ITensor&, ITensor&) noexcept {
  return guard(reports_, "INetworkDefinition::addMoE",
               [&]() -> IMoELayer* { fail(ErrorCode::kUnsupported, "mixtures of experts made by hand"); });
}

IDistCollectiveLayer* Network::addDistCollective(ITensor&, CollectiveOperation, ReduceOperation, int64_t, int64_t*,
                                                 int64_t) noexcept {
  return guard(reports_, "INetworkDefinition::addDistCollective",
               [&]() -> IDistCollectiveLayer* { fail(ErrorCode::kUnsupported, "collectives need several devices"); });
}

}  // namespace tenon::nvinfer
#endif
