// INetworkDefinition's layers that only levels up to 9, or level 7 alone, have.
#include "nvinfer/network_add.h"

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
  return guard(reports_, "INetworkDefinition::addFullyConnected", [&] {
    auto* layer = add<FullyConnectedLayerFields>("trt.FullyConnected", LayerType::kFULLY_CONNECTED, {&input});
    layer->setNbOutputChannels(outputs);
    layer->setKernelWeights(weights);
    layer->setBiasWeights(bias);
    return layer;
  });
}

IRNNv2Layer* Network::addRNNv2(ITensor&, int32_t, int32_t, int32_t, RNNOperation) noexcept {
  return guard(reports_, "INetworkDefinition::addRNNv2",
               [&]() -> IRNNv2Layer* { fail(ErrorCode::kUnsupported, "recurrent layers made by hand"); });
}

#if TRT_UNTIL(7)
IMatrixMultiplyLayer* Network::addMatrixMultiply(ITensor& a, bool transpose_a, ITensor& b, bool transpose_b) noexcept {
  auto op = [](bool transpose) { return transpose ? MatrixOperation::kTRANSPOSE : MatrixOperation::kNONE; };
  return addMatrixMultiply(a, op(transpose_a), b, op(transpose_b));
}

IRNNLayer* Network::addRNN(ITensor&, int32_t, size_t, int32_t, RNNOperation, RNNInputMode, RNNDirection, Weights,
                           Weights) noexcept {
  return guard(reports_, "INetworkDefinition::addRNN",
               [&]() -> IRNNLayer* { fail(ErrorCode::kUnsupported, "recurrent layers made by hand"); });
}

void Network::refuse_formula(const IOutputDimensionsFormula* formula) noexcept {
  if (!formula) return;  // the default again
  reports_.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE, "INetworkDefinition::set*OutputDimensionsFormula",
                 "output dims follow the layers' padding modes, a formula is not asked");
}

const IOutputDimensionsFormula& Network::default_formula() noexcept {
  class Formula final : public IOutputDimensionsFormula {
   public:
    DimsHW compute(DimsHW input, DimsHW kernel, DimsHW stride, DimsHW padding, DimsHW dilation,
                   const char*) const override {
      DimsHW out;
      for (int32_t i = 0; i < 2; ++i) {
        out.d[i] = (input.d[i] + 2 * padding.d[i] - ((kernel.d[i] - 1) * dilation.d[i] + 1)) / stride.d[i] + 1;
      }
      return out;
    }
  };
  static const Formula formula;
  return formula;
}
#endif

}  // namespace tenon::nvinfer
#endif
