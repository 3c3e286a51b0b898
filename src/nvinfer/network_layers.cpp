// INetworkDefinition's layers that every level has.
#include "nvinfer/network_add.h"
#include "ops/op.h"

namespace tenon::nvinfer {

ir::NodeId Network::new_node(const char* op, LayerType, const std::vector<ir::ValueId>& inputs, size_t outputs) {
  const std::string name = cat("(Unnamed Layer* ", order_.size(), ") [", std::string_view(op).substr(4), "]");
  const ir::NodeId n = graph_.add_node(op, inputs, ir::Attrs(ops::find_op(op).attrs), outputs, name);
  order_.push_back({n});
  for (size_t i = 0; i < outputs; ++i) {
    graph_.rename(graph_.node(n).outputs[i],
                  graph_.unique_name(outputs == 1 ? cat(name, "_output") : cat(name, "_output_", i)));
  }
  touch(n);
  return n;
}

void Network::take_back_layer() {
  const ir::NodeId n = order_.back().node;
  order_.pop_back();
  layers_.erase(n);
  for (ir::ValueId v : graph_.node(n).outputs) tensors_.erase(v);
  graph_.erase_node(n);
}

IConvolutionLayer* Network::addConvolutionNd(ITensor& input, DimInt maps, DimsArg kernel, Weights weights,
                                             Weights bias) noexcept {
  return adding("INetworkDefinition::addConvolutionNd", [&] {
    auto* layer = add<ConvolutionLayerFields>("trt.Convolution", LayerType::kCONVOLUTION, {&input});
    layer->setNbOutputMaps(maps);
    layer->setKernelSizeNd(kernel);
    layer->setKernelWeights(weights);
    layer->setBiasWeights(bias);
    return layer;
  });
}

IDeconvolutionLayer* Network::addDeconvolutionNd(ITensor& input, DimInt maps, DimsArg kernel, Weights weights,
                                                 Weights bias) noexcept {
  return adding("INetworkDefinition::addDeconvolutionNd", [&] {
    auto* layer = add<DeconvolutionLayerFields>("trt.Deconvolution", LayerType::kDECONVOLUTION, {&input});
    layer->setNbOutputMaps(maps);
    layer->setKernelSizeNd(kernel);
    layer->setKernelWeights(weights);
    layer->setBiasWeights(bias);
    return layer;
  });
}

IPoolingLayer* Network::addPoolingNd(ITensor& input, PoolingType type, DimsArg window) noexcept {
  return adding("INetworkDefinition::addPoolingNd", [&] {
    auto* layer = add<PoolingLayerFields>("trt.Pooling", LayerType::kPOOLING, {&input});
    layer->setPoolingType(type);
    layer->setWindowSizeNd(window);
    return layer;
  });
}

IActivationLayer* Network::addActivation(ITensor& input, ActivationType type) noexcept {
  return adding("INetworkDefinition::addActivation", [&] {
    auto* layer = add<ActivationLayerFields>("trt.Activation", LayerType::kACTIVATION, {&input});
    layer->setActivationType(type);
    if (type == ActivationType::kSOFTPLUS) {  // clients that set neither expect log(exp(x) + 1)
      layer->setAlpha(1);
      layer->setBeta(1);
    }
    return layer;
  });
}

ILRNLayer* Network::addLRN(ITensor& input, DimInt window, float alpha, float beta, float k) noexcept {
  return adding("INetworkDefinition::addLRN", [&] {
    auto* layer = add<LRNLayerFields>("trt.LRN", LayerType::kLRN, {&input});
    layer->setWindowSize(window);
    layer->setAlpha(alpha);
    layer->setBeta(beta);
    layer->setK(k);
    return layer;
  });
}

IScaleLayer* Network::addScaleNd(ITensor& input, ScaleMode mode, Weights shift, Weights scale, Weights power,
                                 int32_t axis) noexcept {
  return adding("INetworkDefinition::addScaleNd", [&] {
    auto* layer = add<ScaleLayer>("trt.Scale", LayerType::kSCALE, {&input});
    layer->setMode(mode);
    layer->setShift(shift);
    layer->setScale(scale);
    layer->setPower(power);
    layer->setChannelAxis(axis);
    return layer;
  });
}

IScaleLayer* Network::addScale(ITensor& input, ScaleMode mode, Weights shift, Weights scale, Weights power) noexcept {
  return addScaleNd(input, mode, shift, scale, power, implicit_ ? 0 : 1);
}

/// The axis that layers work on unless told otherwise: the third from last, if there is one.
int32_t default_axis(const Dims& dims) { return dims.nbDims > 3 ? dims.nbDims - 3 : 0; }

ISoftMaxLayer* Network::addSoftMax(ITensor& input) noexcept {
  return adding("INetworkDefinition::addSoftMax", [&] {
    const int32_t axis = default_axis(input.getDimensions());
    auto* layer = add<SoftMaxLayerFields>("trt.SoftMax", LayerType::kSOFTMAX, {&input});
    layer->setAxes(1U << axis);
    return layer;
  });
}

IConcatenationLayer* Network::addConcatenation(ITensor* const* inputs, int32_t count) noexcept {
  return adding("INetworkDefinition::addConcatenation", [&] {
    require(count > 0, ErrorCode::kInvalidArgument, "concatenation of ", count, " tensors");
    const std::vector<ir::ValueId> ids = ids_of(inputs, count);
    const int32_t axis = default_axis(inputs[0]->getDimensions());
    auto* layer = add<ConcatenationLayerFields>("trt.Concatenation", LayerType::kCONCATENATION, ids);
    layer->setAxis(axis);
    return layer;
  });
}

IElementWiseLayer* Network::addElementWise(ITensor& a, ITensor& b, ElementWiseOperation op) noexcept {
  return adding("INetworkDefinition::addElementWise", [&] {
    auto* layer = add<ElementWiseLayerFields>("trt.ElementWise", LayerType::kELEMENTWISE, {&a, &b});
    layer->setOperation(op);
    return layer;
  });
}

IUnaryLayer* Network::addUnary(ITensor& input, UnaryOperation op) noexcept {
  return adding("INetworkDefinition::addUnary", [&] {
    auto* layer = add<UnaryLayerFields>("trt.Unary", LayerType::kUNARY, {&input});
    layer->setOperation(op);
    return layer;
  });
}

IShuffleLayer* Network::addShuffle(ITensor& input) noexcept {
  return adding("INetworkDefinition::addShuffle",
                [&] { return add<ShuffleLayer>("trt.Shuffle", LayerType::kSHUFFLE, {&input}); });
}

IReduceLayer* Network::addReduce(ITensor& input, ReduceOperation op, uint32_t axes, bool keep) noexcept {
  return adding("INetworkDefinition::addReduce", [&] {
    auto* layer = add<ReduceLayerFields>("trt.Reduce", LayerType::kREDUCE, {&input});
    layer->setOperation(op);
    layer->setReduceAxes(axes);
    layer->setKeepDimensions(keep);
    return layer;
  });
}

ITopKLayer* Network::addTopK(ITensor& input, TopKOperation op, int32_t k, uint32_t axes) noexcept {
  return adding("INetworkDefinition::addTopK", [&] {
    auto* layer = add<TopKLayerFields>("trt.TopK", LayerType::kTOPK, {&input}, 2);
    layer->setOperation(op);
    layer->setK(k);
    layer->setReduceAxes(axes);
    return layer;
  });
}

IGatherLayer* Network::addGather(ITensor& data, ITensor& indices, int32_t axis) noexcept {
  return adding("INetworkDefinition::addGather", [&] {
    auto* layer = add<GatherLayerFields>("trt.Gather", LayerType::kGATHER, {&data, &indices});
    layer->setGatherAxis(axis);
    return layer;
  });
}

IRaggedSoftMaxLayer* Network::addRaggedSoftMax(ITensor& input, ITensor& bounds) noexcept {
  return adding("INetworkDefinition::addRaggedSoftMax", [&] {
    return add<RaggedSoftMaxLayerFields>("trt.RaggedSoftMax", LayerType::kRAGGED_SOFTMAX, {&input, &bounds});
  });
}

IMatrixMultiplyLayer* Network::addMatrixMultiply(ITensor& a, MatrixOperation op_a, ITensor& b,
                                                 MatrixOperation op_b) noexcept {
  return adding("INetworkDefinition::addMatrixMultiply", [&] {
    auto* layer = add<MatrixMultiplyLayer>("trt.MatrixMultiply", LayerType::kMATRIX_MULTIPLY, {&a, &b});
    layer->setOperation(0, op_a);
    layer->setOperation(1, op_b);
    return layer;
  });
}

IConstantLayer* Network::addConstant(DimsArg dims, Weights weights) noexcept {
  return adding("INetworkDefinition::addConstant", [&] {
    auto* layer = add<ConstantLayerFields>("trt.Constant", LayerType::kCONSTANT, {});
    layer->setDimensions(dims);
    layer->setWeights(weights);
    return layer;
  });
}

IIdentityLayer* Network::addIdentity(ITensor& input) noexcept {
  return adding("INetworkDefinition::addIdentity",
                [&] { return add<IdentityLayerFields>("trt.Identity", LayerType::kIDENTITY, {&input}); });
}

ISliceLayer* Network::addSlice(ITensor& input, DimsArg start, DimsArg size, DimsArg stride) noexcept {
  return adding("INetworkDefinition::addSlice", [&] {
    auto* layer = add<SliceLayerFields>("trt.Slice", LayerType::kSLICE, {&input});
    layer->setStart(start);
    layer->setSize(size);
    layer->setStride(stride);
    return layer;
  });
}

IShapeLayer* Network::addShape(ITensor& input) noexcept {
  return adding("INetworkDefinition::addShape", [&] {
    auto* layer = add<ShapeLayer>("trt.Shape", LayerType::kSHAPE, {&input});
    if (client_ < 10) layer->make_narrow();
    return layer;
  });
}

IParametricReLULayer* Network::addParametricReLU(ITensor& input, ITensor& slope) noexcept {
  return adding("INetworkDefinition::addParametricReLU", [&] {
    return add<ParametricReLULayerFields>("trt.ParametricReLU", LayerType::kPARAMETRIC_RELU, {&input, &slope});
  });
}

IResizeLayer* Network::addResize(ITensor& input) noexcept {
  return adding("INetworkDefinition::addResize",
                [&] { return add<ResizeLayer>("trt.Resize", LayerType::kRESIZE, {&input}); });
}

ISelectLayer* Network::addSelect(ITensor& condition, ITensor& then_input, ITensor& else_input) noexcept {
  return adding("INetworkDefinition::addSelect", [&] {
    return add<SelectLayerFields>("trt.Select", LayerType::kSELECT, {&condition, &then_input, &else_input});
  });
}

IFillLayer* Network::addFill(DimsArg dims, FillOperation op) noexcept {
  return adding("INetworkDefinition::addFill", [&] {
    auto* layer = add<FillLayer>("trt.Fill", LayerType::kFILL, std::vector<ir::ValueId>{});
    layer->setDimensions(dims);
    layer->setOperation(op);
    return layer;
  });
}

IPaddingLayer* Network::addPaddingNd(ITensor& input, DimsArg pre, DimsArg post) noexcept {
  return adding("INetworkDefinition::addPaddingNd", [&] {
    auto* layer = add<PaddingLayerFields>("trt.Padding", LayerType::kPADDING, {&input});
    layer->setPrePaddingNd(pre);
    layer->setPostPaddingNd(post);
    return layer;
  });
}

}  // namespace tenon::nvinfer
