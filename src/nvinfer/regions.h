// Loops and conditionals of a network, and their boundary layers.
#pragma once
#include "layers.h"
#include "ops/trt/boundary.h"

namespace tenon::nvinfer {

class Loop final : public ILoop, public apiv::VLoop {
 public:
  Loop(Network& network, int64_t region) : network_(network), region_(region) { mImpl = this; }
  int64_t region() const { return region_; }
  IRecurrenceLayer* addRecurrence(ITensor& initial) noexcept;
  ITripLimitLayer* addTripLimit(ITensor& tensor, TripLimit limit) noexcept;
  IIteratorLayer* addIterator(ITensor& tensor, int32_t axis, bool reverse) noexcept;
  ILoopOutputLayer* addLoopOutput(ITensor& tensor, LoopOutput kind, int32_t axis) noexcept;
  void setName(const char* name) noexcept;
  const char* getName() const noexcept { return name_.c_str(); }

 private:
  Network& network_;
  int64_t region_;
  std::string name_;
};

/// A layer `Fields` at the border of a loop.
template <class Fields>
class LoopLayer : public Fields, public apiv::VLoopBoundaryLayer {
 public:
  LoopLayer(Network& network, ir::NodeId node, LayerType type) : Fields(network, node, type) { this->mBoundary = this; }
  ILoop* getLoop() const noexcept { return loop; }
  ILoop* loop = nullptr;
};

class RecurrenceLayer final : public LoopLayer<RecurrenceLayerFields> {
 public:
  using LoopLayer::LoopLayer;
  // Input 1, the value in the next iteration, is read by a node of its own: nodes form no cycle.
  int32_t getNbInputs() const noexcept override;
  ITensor* getInput(int32_t index) const noexcept override;
  void setInput(int32_t index, ITensor& tensor) noexcept override;
  /// Of a parser's loop: the node of input 1.
  void find_next();

 private:
  ir::NodeId next_ = ir::kNone;
};

class TripLimitLayer final : public LoopLayer<TripLimitLayerFields> {
 public:
  using LoopLayer::LoopLayer;
  TripLimit getTripLimit() const noexcept { return get<TripLimit>("kind"); }
};

class LoopOutputLayer final : public LoopLayer<LoopOutputLayerFields> {
 public:
  using LoopLayer::LoopLayer;
  LoopOutput getLoopOutput() const noexcept { return get<LoopOutput>("kind"); }
};

#if NV_TENSORRT_MAJOR >= 8
class Conditional final : public IIfConditional, public apiv::VIfConditional {
 public:
  Conditional(Network& network, int64_t region) : network_(network), region_(region) { mImpl = this; }
  int64_t region() const { return region_; }
  void set_condition_layer(IConditionLayer& layer) { condition_ = &layer; }
  IConditionLayer* setCondition(ITensor& condition) noexcept;
  IIfConditionalInputLayer* addInput(ITensor& input) noexcept;
  IIfConditionalOutputLayer* addOutput(ITensor& when_true, ITensor& when_false) noexcept;
  void setName(const char* name) noexcept;
  const char* getName() const noexcept { return name_.c_str(); }

 private:
  Network& network_;
  int64_t region_;
  std::string name_;
  IConditionLayer* condition_ = nullptr;
};

template <class Fields>
class ConditionalLayer final : public Fields, public apiv::VConditionalBoundaryLayer {
 public:
  ConditionalLayer(Network& network, ir::NodeId node, LayerType type) : Fields(network, node, type) {
    this->mBoundary = this;
  }
  IIfConditional* getConditional() const noexcept { return conditional; }
  IIfConditional* conditional = nullptr;
};
#endif

}  // namespace tenon::nvinfer
