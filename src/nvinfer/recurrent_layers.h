// Recurrent layers of levels 7 and 8.
#pragma once
#include <map>

#include "layers.h"

#if TRT_UNTIL(8)
namespace tenon::nvinfer {

/// What both have: sizes, and optional inputs at fixed places.
template <class Fields>
class RecurrentLayer : public Fields {
 public:
  using Fields::Fields;
  void set_sizes(int64_t layers, int64_t hidden, int32_t longest) noexcept {
    this->set("layer_count", layers);
    this->set("hidden_size", hidden);
    longest_ = longest;
  }
  /// The user's inputs alone; weights are inputs too.
  int32_t getNbInputs() const noexcept override {
    const std::vector<ir::ValueId>& inputs = this->node().inputs;
    int32_t count = 0;
    for (int32_t i = 0; i < 4 && size_t(i) < inputs.size(); ++i)
      if (inputs[size_t(i)] != ir::kNone) count = i + 1;
    return count;
  }
  int32_t getDataLength() const noexcept {
    const Dims dims = this->Layer::getInput(0)->getDimensions();
    return dims.nbDims > 0 ? static_cast<int32_t>(dims.d[dims.nbDims - 1]) : 0;
  }
  void setHiddenState(ITensor& hidden) noexcept { this->Layer::setInput(1, hidden); }
  ITensor* getHiddenState() const noexcept { return this->Layer::getInput(1); }
  void setCellState(ITensor& cell) noexcept { this->Layer::setInput(2, cell); }
  ITensor* getCellState() const noexcept { return this->Layer::getInput(2); }

 protected:
  int32_t longest_ = 0;
};

class RNNv2Layer final : public RecurrentLayer<RNNv2LayerFields> {
 public:
  using RecurrentLayer::RecurrentLayer;
  int32_t getLayerCount() const noexcept { return get<int32_t>("layer_count"); }
  int32_t getHiddenSize() const noexcept { return get<int32_t>("hidden_size"); }
  int32_t getMaxSeqLength() const noexcept { return longest_; }
  void setSequenceLengths(ITensor& lengths) noexcept { Layer::setInput(3, lengths); }
  ITensor* getSequenceLengths() const noexcept { return Layer::getInput(3); }
  void setWeightsForGate(int32_t layer, RNNGateType gate, bool is_w, Weights weights) noexcept;
  Weights getWeightsForGate(int32_t layer, RNNGateType gate, bool is_w) const noexcept;
  void setBiasForGate(int32_t layer, RNNGateType gate, bool is_w, Weights bias) noexcept;
  Weights getBiasForGate(int32_t layer, RNNGateType gate, bool is_w) const noexcept;

 private:
  void put(int32_t layer, RNNGateType gate, int32_t part, const Weights& weights);
  Weights find(int32_t layer, RNNGateType gate, int32_t part) const noexcept;
  std::map<int64_t, Weights> given_;  ///< by input
};

#if TRT_UNTIL(7)
class RNNLayer final : public RecurrentLayer<RNNLayerFields> {
 public:
  RNNLayer(Network& network, ir::NodeId node, LayerType type);
  uint32_t getLayerCount() const noexcept { return get<uint32_t>("layer_count"); }
  size_t getHiddenSize() const noexcept { return get<size_t>("hidden_size"); }
  int32_t getSeqLength() const noexcept { return longest_; }
};
#endif

}  // namespace tenon::nvinfer
#endif
