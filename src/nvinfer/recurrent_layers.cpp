#include "nvinfer/recurrent_layers.h"

#if TRT_UNTIL(8)
#include "nvinfer/network.h"

namespace tenon::nvinfer {
namespace {

constexpr int32_t kGates = 7, kFirst = 4;

int64_t input_of(int32_t layer, RNNGateType gate, int32_t part) {
  return kFirst + (int64_t{layer} * kGates + static_cast<int64_t>(gate)) * 4 + part;
}

}  // namespace

void RNNv2Layer::put(int32_t layer, RNNGateType gate, int32_t part, const Weights& weights) {
  const int32_t directions = getDirection() == RNNDirection::kBIDIRECTION ? 2 : 1;
  require(layer >= 0 && layer < getLayerCount() * directions, ErrorCode::kInvalidArgument, "layer ", layer, ", 0 to ",
          getLayerCount() * directions - 1, " are accepted");
  require(static_cast<int32_t>(gate) >= 0 && static_cast<int32_t>(gate) < kGates, ErrorCode::kInvalidArgument, "gate ",
          static_cast<int32_t>(gate), " does not exist");
  const auto input = static_cast<int32_t>(input_of(layer, gate, part));
  given_[input] = weights;
  network_.set_input_constant(node_, input, to_core(weights));
}

Weights RNNv2Layer::find(int32_t layer, RNNGateType gate, int32_t part) const noexcept {
  auto it = given_.find(input_of(layer, gate, part));
  return it == given_.end() ? Weights{DataType::kFLOAT, nullptr, 0} : it->second;
}

void RNNv2Layer::setWeightsForGate(int32_t layer, RNNGateType gate, bool is_w, Weights weights) noexcept {
  guard(reports(), "IRNNv2Layer::setWeightsForGate", [&] { put(layer, gate, is_w ? 0 : 1, weights); });
}
void RNNv2Layer::setBiasForGate(int32_t layer, RNNGateType gate, bool is_w, Weights bias) noexcept {
  guard(reports(), "IRNNv2Layer::setBiasForGate", [&] { put(layer, gate, is_w ? 2 : 3, bias); });
}
Weights RNNv2Layer::getWeightsForGate(int32_t layer, RNNGateType gate, bool is_w) const noexcept {
  return find(layer, gate, is_w ? 0 : 1);
}
Weights RNNv2Layer::getBiasForGate(int32_t layer, RNNGateType gate, bool is_w) const noexcept {
  return find(layer, gate, is_w ? 2 : 3);
}

#if TRT_UNTIL(7)
RNNLayer::RNNLayer(Network& network, ir::NodeId node, LayerType type) : RecurrentLayer(network, node, type) {
  set("sequence_axis", 0);  // the batch, where it is implicit, comes before
}
#endif

}  // namespace tenon::nvinfer
#endif
