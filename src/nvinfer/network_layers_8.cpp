// INetworkDefinition's layers that came with TensorRT 8 and 10.
#include "nvinfer/network_add.h"

#if NV_TENSORRT_MAJOR >= 8
namespace tenon::nvinfer {

IFillLayer* Network::addFillV2(DimsArg dims, FillOperation op, DataType type) noexcept {
  return adding("INetworkDefinition::addFillV2", [&] {
    IFillLayer* layer = addFill(dims, op);
    if (layer) layer->setToType(type);
    return layer;
  });
}

IQuantizeLayer* Network::addQuantizeV2(ITensor& input, ITensor& scale, DataType type) noexcept {
  return adding("INetworkDefinition::addQuantize", [&] {
    auto* layer = add<QuantizeLayerFields>("trt.Quantize", LayerType::kQUANTIZE, {&input, &scale});
    layer->setToType(type);
    return layer;
  });
}
IQuantizeLayer* Network::addQuantize(ITensor& input, ITensor& scale) noexcept {
  return addQuantizeV2(input, scale, DataType::kINT8);
}

IDequantizeLayer* Network::addDequantizeV2(ITensor& input, ITensor& scale, DataType type) noexcept {
  return adding("INetworkDefinition::addDequantize", [&] {
    auto* layer = add<DequantizeLayerFields>("trt.Dequantize", LayerType::kDEQUANTIZE, {&input, &scale});
    layer->setToType(type);
    return layer;
  });
}
IDequantizeLayer* Network::addDequantize(ITensor& input, ITensor& scale) noexcept {
  return addDequantizeV2(input, scale, DataType::kFLOAT);
}

IGatherLayer* Network::addGatherV2(ITensor& data, ITensor& indices, GatherMode mode) noexcept {
  return adding("INetworkDefinition::addGatherV2", [&] {
    auto* layer = add<GatherLayerFields>("trt.Gather", LayerType::kGATHER, {&data, &indices});
    layer->setMode(mode);
    return layer;
  });
}

IScatterLayer* Network::addScatter(ITensor& data, ITensor& indices, ITensor& updates, ScatterMode mode) noexcept {
  return adding("INetworkDefinition::addScatter", [&] {
    auto* layer = add<ScatterLayerFields>("trt.Scatter", LayerType::kSCATTER, {&data, &indices, &updates});
    layer->setMode(mode);
    return layer;
  });
}

IEinsumLayer* Network::addEinsum(ITensor* const* inputs, int32_t count, const char* equation) noexcept {
  return adding("INetworkDefinition::addEinsum", [&] {
    auto* layer = add<EinsumLayerFields>("trt.Einsum", LayerType::kEINSUM, ids_of(inputs, count));
    layer->setEquation(equation);
    return layer;
  });
}

IAssertionLayer* Network::addAssertion(ITensor& condition, const char* message) noexcept {
  return adding("INetworkDefinition::addAssertion", [&] {
    auto* layer = add<AssertionLayerFields>("trt.Assertion", LayerType::kASSERTION, {&condition}, 0);
    layer->setMessage(message);
    return layer;
  });
}

IOneHotLayer* Network::addOneHot(ITensor& indices, ITensor& values, ITensor& depth, int32_t axis) noexcept {
  return adding("INetworkDefinition::addOneHot", [&] {
    auto* layer = add<OneHotLayerFields>("trt.OneHot", LayerType::kONE_HOT, {&indices, &values, &depth});
    layer->setAxis(axis);
    return layer;
  });
}

INonZeroLayer* Network::addNonZero(ITensor& input) noexcept {
  return adding("INetworkDefinition::addNonZero",
                [&] { return add<NonZeroLayerFields>("trt.NonZero", LayerType::kNON_ZERO, {&input}, 2); });
}

IGridSampleLayer* Network::addGridSample(ITensor& input, ITensor& grid) noexcept {
  return adding("INetworkDefinition::addGridSample", [&] {
    return add<GridSampleLayerFields>("trt.GridSample", LayerType::kGRID_SAMPLE, {&input, &grid});
  });
}

INMSLayer* Network::addNMS(ITensor& boxes, ITensor& scores, ITensor& most) noexcept {
  return adding("INetworkDefinition::addNMS", [&] {
    return add<NMSLayerFields>("trt.NMS", LayerType::kNMS, {&boxes, &scores, &most}, 2);
  });
}

IReverseSequenceLayer* Network::addReverseSequence(ITensor& input, ITensor& lengths) noexcept {
  return adding("INetworkDefinition::addReverseSequence", [&] {
    return add<ReverseSequenceLayerFields>("trt.ReverseSequence", LayerType::kREVERSE_SEQUENCE, {&input, &lengths});
  });
}

INormalizationLayer* Network::addNormalization(ITensor& input, ITensor& scale, ITensor& bias, uint32_t axes) noexcept {
  return adding("INetworkDefinition::addNormalization", [&] {
    auto* layer = add<NormalizationLayer>("trt.Normalization", LayerType::kNORMALIZATION, {&input, &scale, &bias});
    layer->setAxes(axes);
    return layer;
  });
}

ICastLayer* Network::addCast(ITensor& input, DataType type) noexcept {
  return adding("INetworkDefinition::addCast", [&] {
    auto* layer = add<CastLayerFields>("trt.Cast", LayerType::kCAST, {&input});
    layer->setToType(type);
    return layer;
  });
}

#if NV_TENSORRT_MAJOR >= 10
ISqueezeLayer* Network::addSqueeze(ITensor& input, ITensor& axes) noexcept {
  return adding("INetworkDefinition::addSqueeze", [&] {
    return add<SqueezeLayerFields>("trt.Squeeze", LayerType::kSQUEEZE, {&input, &axes});
  });
}

IUnsqueezeLayer* Network::addUnsqueeze(ITensor& input, ITensor& axes) noexcept {
  return adding("INetworkDefinition::addUnsqueeze", [&] {
    return add<UnsqueezeLayerFields>("trt.Unsqueeze", LayerType::kUNSQUEEZE, {&input, &axes});
  });
}

IDynamicQuantizeLayer* Network::addDynamicQuantize(ITensor& input, int32_t axis, int32_t block, DataType type,
                                                   DataType scale_type) noexcept {
  return adding("INetworkDefinition::addDynamicQuantize", [&]() -> IDynamicQuantizeLayer* {
    auto* layer = add<DynamicQuantizeLayerFields>("trt.DynamicQuantize", LayerType::kDYNAMIC_QUANTIZE, {&input}, 2);
    layer->setAxis(axis);
    layer->setBlockSize(block);
    layer->setToType(type);
    layer->setScaleType(scale_type);
    return layer;
  });
}

ICumulativeLayer* Network::addCumulative(ITensor& input, ITensor& axis, CumulativeOperation op, bool exclusive,
                                         bool reverse) noexcept {
  return adding("INetworkDefinition::addCumulative", [&] {
    auto* layer = add<CumulativeLayerFields>("trt.Cumulative", LayerType::kCUMULATIVE, {&input, &axis});
    layer->setOperation(op);
    layer->setExclusive(exclusive);
    layer->setReverse(reverse);
    return layer;
  });
}
#endif

}  // namespace tenon::nvinfer
#endif
