#include "nvinfer/transformer_layers.h"

#if NV_TENSORRT_MAJOR >= 10
#include "nvinfer/network.h"

namespace tenon::nvinfer {

bool AttentionLayer::set_optional(int32_t index, ITensor* tensor) noexcept {
  return guard(reports(), "IAttention",
               [&] { return network_.set_input(node_, index, *need(tensor, "tensor")), true; });
}

bool Attention::setInput(int32_t index, ITensor& input) noexcept {
  return guard(reports_, "IAttention::setInput", [&] {
    require(index >= 0 && index < 3, ErrorCode::kInvalidArgument, "input ", index, ", 0 to 2 are accepted");
    return layer_.Layer::setInput(index, input), true;
  });
}

bool Attention::setName(const char* name) noexcept {
  layer_.Layer::setName(name);
  return name != nullptr;
}

namespace {
bool belongs(const ITensor& tensor, const Network& network, const char* where) noexcept {
  return guard(network.reports(), where, [&] {
    require(&own(tensor).network() == &network, ErrorCode::kInvalidArgument, "tensor '", tensor.getName(),
            "' belongs to another network");
    return true;
  });
}
}  // namespace

bool AttentionLayer::knows(const ITensor& tensor) const noexcept { return belongs(tensor, network_, "IAttention"); }

bool Attention::setNormalizationQuantizeScale(ITensor& scale) noexcept {
  if (!layer_.knows(scale)) return false;
  reports_.log(ILogger::Severity::kWARNING,
               "IAttention::setNormalizationQuantizeScale: normalized scores keep their type, which is more precise");
  quantize_scale_ = &scale;
  return true;
}

bool Attention::setNormalizationQuantizeToType(DataType type) noexcept {
  return guard(reports_, "IAttention::setNormalizationQuantizeToType", [&] {
    to_core(type);  // refuses what is no type
    reports_.log(
        ILogger::Severity::kWARNING,
        "IAttention::setNormalizationQuantizeToType: normalized scores keep their type, which is more precise");
    return normalization_quantize_to_type_ = type, true;
  });
}

#if NV_TENSORRT_MAJOR >= 11
bool KVCacheUpdateLayer::setUpdateLengths(ITensor* lengths) noexcept {
  return guard(reports(), "IKVCacheUpdateLayer::setUpdateLengths",
               [&] { return network_.set_input(node_, 3, *need(lengths, "lengths")), true; });
}
#endif

void MoELayer::setGatedWeights(ITensor& gate, ITensor& up, ITensor& down, MoEActType activation) noexcept {
  Layer::setInput(3, gate);
  Layer::setInput(4, up);
  Layer::setInput(5, down);
  setActivationType(activation);
}

void MoELayer::setGatedBiases(ITensor& gate, ITensor& up, ITensor& down) noexcept {
  Layer::setInput(6, gate);
  Layer::setInput(7, up);
  Layer::setInput(8, down);
}

void MoELayer::setQuantizationToType(DataType type) noexcept {
  guard(reports(), "IMoELayer::setQuantizationToType", [&] {
    to_core(type);  // refuses what is no type
    reports().log(ILogger::Severity::kWARNING,
                  "IMoELayer: what the down weights multiply keeps its type, which is more precise");
    to_type_ = type;
  });
}

void MoELayer::setQuantizationBlockShape(const Dims& shape) noexcept {
  guard(reports(), "IMoELayer::setQuantizationBlockShape", [&] { to_core(shape), block_ = shape; });
}

void MoELayer::setDynQOutputScaleType(DataType type) noexcept {
  guard(reports(), "IMoELayer::setDynQOutputScaleType", [&] { to_core(type), scale_type_ = type; });
}

void MoELayer::setQuantizationStatic(ITensor& scale, DataType type) noexcept {
  if (belongs(scale, network_, "IMoELayer::setQuantizationStatic")) setQuantizationToType(type);
}

void MoELayer::setQuantizationDynamicDblQ(ITensor& scale, DataType type, const Dims& block,
                                          DataType scale_type) noexcept {
  if (!belongs(scale, network_, "IMoELayer::setQuantizationDynamicDblQ")) return;
  setQuantizationToType(type);
  setQuantizationBlockShape(block);
  setDynQOutputScaleType(scale_type);
}

void MoELayer::setSwigluParams(float limit, float alpha, float beta) noexcept {
  setSwigluParamLimit(limit);
  setSwigluParamAlpha(alpha);
  setSwigluParamBeta(beta);
}

}  // namespace tenon::nvinfer
#endif
