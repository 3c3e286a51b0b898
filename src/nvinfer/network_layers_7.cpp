// INetworkDefinition's layers that only levels up to 9, or level 7 alone, have.
#include "nvinfer/network_add.h"
#include "nvinfer/recurrent_layers.h"

#if TRT_UNTIL(8)
namespace tenon::nvinfer {

IConvolutionLayer* Network::addConvolution(ITensor& input, int32_t maps, DimsHW kernel, Weights weights,
                                           Weights bias) noexcept {
  return addConvolutionNd(input, maps, kernel, weights, bias);
}

IDeconvolutionLayer* Network::addDeconvolution(ITensor& input, int32_t maps, DimsHW kernel, Weights weights,
                                               Weights bias) noexcept {
  return addDeconvolutionNd(input, maps, kernel, weights, bias);
}

IPoolingLayer* Network::addPooling(ITensor& input, PoolingType type, DimsHW window) noexcept {
  return addPoolingNd(input, type, window);
}

IPaddingLayer* Network::addPadding(ITensor& input, DimsHW pre, DimsHW post) noexcept {
  return addPaddingNd(input, pre, post);
}

IFullyConnectedLayer* Network::addFullyConnected(ITensor& input, int32_t outputs, Weights weights,
                                                 Weights bias) noexcept {
  return adding("INetworkDefinition::addFullyConnected", [&] {
    auto* layer = add<FullyConnectedLayerFields>("trt.FullyConnected", LayerType::kFULLY_CONNECTED, {&input});
    layer->setNbOutputChannels(outputs);
    layer->setKernelWeights(weights);
    layer->setBiasWeights(bias);
    return layer;
  });
}

IRNNv2Layer* Network::addRNNv2(ITensor& input, int32_t layers, int32_t hidden, int32_t longest,
                               RNNOperation op) noexcept {
  return adding("INetworkDefinition::addRNNv2", [&]() -> IRNNv2Layer* {
    auto* layer = add<RNNv2Layer>("trt.RNNv2", LayerType::kRNN_V2, {&input}, op == RNNOperation::kLSTM ? 3 : 2);
    layer->setOperation(op);
    layer->set_sizes(layers, hidden, longest);
    return layer;
  });
}

#if TRT_UNTIL(7)
IMatrixMultiplyLayer* Network::addMatrixMultiply(ITensor& a, bool transpose_a, ITensor& b, bool transpose_b) noexcept {
  auto op = [](bool transpose) { return transpose ? MatrixOperation::kTRANSPOSE : MatrixOperation::kNONE; };
  return addMatrixMultiply(a, op(transpose_a), b, op(transpose_b));
}

IRNNLayer* Network::addRNN(ITensor& input, int32_t layers, size_t hidden, int32_t longest, RNNOperation op,
                           RNNInputMode mode, RNNDirection direction, Weights weights, Weights bias) noexcept {
  return adding("INetworkDefinition::addRNN", [&]() -> IRNNLayer* {
    auto* layer = add<RNNLayer>("trt.RNNv2", LayerType::kRNN, {&input}, op == RNNOperation::kLSTM ? 3 : 2);
    layer->setOperation(op);
    layer->setInputMode(mode);
    layer->setDirection(direction);
    layer->setWeights(weights);
    layer->setBias(bias);
    layer->set_sizes(layers, static_cast<int64_t>(hidden), longest);
    return layer;
  });
}

#endif

}  // namespace tenon::nvinfer
#endif
