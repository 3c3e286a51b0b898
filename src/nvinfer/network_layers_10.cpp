// INetworkDefinition's layers that came with TensorRT 10.14 and later.
#include "nvinfer/network_add.h"
#include "nvinfer/transformer_layers.h"

#if NV_TENSORRT_MAJOR >= 10
namespace tenon::nvinfer {

ITopKLayer* Network::addTopKV2(ITensor& input, TopKOperation op, int32_t k, uint32_t axes, DataType type) noexcept {
  return adding("INetworkDefinition::addTopKV2", [&] {
    ITopKLayer* layer = addTopK(input, op, k, axes);
    if (layer) layer->setIndicesType(type);
    return layer;
  });
}

INonZeroLayer* Network::addNonZeroV2(ITensor& input, DataType type) noexcept {
  return adding("INetworkDefinition::addNonZeroV2", [&] {
    INonZeroLayer* layer = addNonZero(input);
    if (layer) layer->setIndicesType(type);
    return layer;
  });
}

INMSLayer* Network::addNMSV2(ITensor& boxes, ITensor& scores, ITensor& most, DataType type) noexcept {
  return adding("INetworkDefinition::addNMSV2", [&] {
    INMSLayer* layer = addNMS(boxes, scores, most);
    if (layer) layer->setIndicesType(type);
    return layer;
  });
}

INormalizationLayer* Network::addNormalizationV2(ITensor& input, ITensor& scale, ITensor& bias,
                                                 uint32_t axes) noexcept {
  return adding("INetworkDefinition::addNormalizationV2", [&] {
    auto* layer = add<NormalizationLayer>("trt.Normalization", LayerType::kNORMALIZATION, {&input, &scale, &bias});
    layer->setAxes(axes);
    layer->mark_second();
    return layer;
  });
}

IRotaryEmbeddingLayer* Network::addRotaryEmbedding(ITensor& input, ITensor& cos, ITensor& sin, bool interleaved,
                                                   int32_t dim) noexcept {
  return adding("INetworkDefinition::addRotaryEmbedding", [&]() -> IRotaryEmbeddingLayer* {
    auto* layer = add<RotaryEmbeddingLayer>("trt.RotaryEmbedding", LayerType::kROTARY_EMBEDDING, {&input, &cos, &sin});
    layer->setInterleaved(interleaved);
    layer->setRotaryEmbeddingDim(dim);
    return layer;
  });
}

IDynamicQuantizeLayer* Network::addDynamicQuantizeV2(ITensor& input, const Dims& block, DataType type,
                                                     DataType scale_type) noexcept {
  return adding("INetworkDefinition::addDynamicQuantizeV2", [&]() -> IDynamicQuantizeLayer* {
    auto* layer = add<DynamicQuantizeLayerFields>("trt.DynamicQuantize", LayerType::kDYNAMIC_QUANTIZE, {&input}, 2);
    layer->setBlockShape(block);
    layer->setToType(type);
    layer->setScaleType(scale_type);
    return layer;
  });
}

IKVCacheUpdateLayer* Network::addKVCacheUpdate(ITensor& cache, ITensor& update, ITensor& indices,
                                               KVCacheMode mode) noexcept {
  return adding("INetworkDefinition::addKVCacheUpdate", [&]() -> IKVCacheUpdateLayer* {
    auto* layer = add<KVCacheUpdateLayer>("trt.KVCacheUpdate", LayerType::kKVCACHE_UPDATE, {&cache, &update, &indices});
    layer->setCacheMode(mode);
    return layer;
  });
}

IMoELayer* Network::addMoE(ITensor& states, ITensor& experts, ITensor& scores) noexcept {
  return adding("INetworkDefinition::addMoE", [&]() -> IMoELayer* {
    return add<MoELayer>("trt.MoE", LayerType::kMOE, {&states, &experts, &scores});
  });
}

IAttention* Network::addAttention(ITensor& q, ITensor& k, ITensor& v, AttentionNormalizationOp op,
                                  bool causal) noexcept {
  return adding("INetworkDefinition::addAttention", [&]() -> IAttention* {
    auto* layer = add<AttentionLayer>("trt.Attention", LayerType::kATTENTION_OUTPUT, {&q, &k, &v});
    Attention& attention = attention_of(*layer);
    attention.setNormalizationOperation(op);
    attention.setCausal(causal);
    return &attention;
  });
}

Attention& Network::attention_of(AttentionLayer& layer) {
  attentions_.push_back(std::make_unique<Attention>(layer, reports_));
  layer.attention = attentions_.back().get();
  return *attentions_.back();
}

std::unique_ptr<Layer> Network::attention_layer(ir::NodeId node) {
  auto layer = std::make_unique<AttentionLayer>(*this, node, LayerType::kATTENTION_OUTPUT);
  attention_of(*layer);
  return layer;
}

#if NV_TENSORRT_MAJOR >= 11
IAttention* Network::addAttentionV2(ITensor& q, ITensor& k, ITensor& v, AttentionNormalizationOp op,
                                    CausalMaskKind kind) noexcept {
  return adding("INetworkDefinition::addAttentionV2", [&] {
    IAttention* attention = addAttention(q, k, v, op, false);
    if (attention) attention->setCausalKind(kind);
    return attention;
  });
}

ISqueezeLayer* Network::addSqueezeV2(ITensor& input, ITensor* axes) noexcept {
  if (axes) return addSqueeze(input, *axes);
  return adding("INetworkDefinition::addSqueeze",
                [&] { return add<SqueezeLayerFields>("trt.Squeeze", LayerType::kSQUEEZE, {&input}); });
}
#endif

IDistCollectiveLayer* Network::addDistCollective(ITensor&, CollectiveOperation, ReduceOperation, int64_t, int64_t*,
                                                 int64_t) noexcept {
  return adding("INetworkDefinition::addDistCollective", [&]() -> IDistCollectiveLayer* {
    fail(ErrorCode::kUnsupported, "collective operations need NCCL and several devices, there is one");
  });
}

}  // namespace tenon::nvinfer
#endif
