#include "nvinfer/regions.h"

#include "nvinfer/network_add.h"

namespace tenon::nvinfer {

template <class L>
L* Network::add_boundary(const char* op, LayerType type, std::initializer_list<const ITensor*> inputs, size_t outputs,
                         const ops::trt::BoundaryAttrs& attrs) {
  L* layer = add<L>(op, type, inputs, outputs);
  graph_.node(layer->id()).attrs = to_attrs(attrs);
  return layer;
}

ILoop* Network::addLoop() noexcept {
  return guard(reports_, "INetworkDefinition::addLoop", [&]() -> ILoop* {
    loops_.push_back(std::make_unique<Loop>(*this, regions_++));
    return loops_.back().get();
  });
}

void Loop::setName(const char* name) noexcept {
  guard(network_.reports(), "ILoop::setName", [&] { name_ = need(name, "name"); });
}

IRecurrenceLayer* Loop::addRecurrence(ITensor& initial) noexcept {
  return guard(network_.reports(), "ILoop::addRecurrence", [&]() -> IRecurrenceLayer* {
    auto* layer = network_.add_boundary<RecurrenceLayer>("trt.Recurrence", LayerType::kRECURRENCE, {&initial}, 1,
                                                         {.region = region_});
    layer->loop = this;
    return layer;
  });
}

ITripLimitLayer* Loop::addTripLimit(ITensor& tensor, TripLimit limit) noexcept {
  return guard(network_.reports(), "ILoop::addTripLimit", [&]() -> ITripLimitLayer* {
    need_known(limit, "limit");
    auto* layer = network_.add_boundary<TripLimitLayer>("trt.TripLimit", LayerType::kTRIP_LIMIT, {&tensor}, 0,
                                                        {.region = region_, .kind = static_cast<int64_t>(limit)});
    layer->loop = this;
    return layer;
  });
}

IIteratorLayer* Loop::addIterator(ITensor& tensor, int32_t axis, bool reverse) noexcept {
  return guard(network_.reports(), "ILoop::addIterator", [&]() -> IIteratorLayer* {
    auto* layer = network_.add_boundary<LoopLayer<IteratorLayerFields>>("trt.Iterator", LayerType::kITERATOR, {&tensor},
                                                                        1, {.region = region_});
    layer->loop = this;
    layer->setAxis(axis);
    layer->setReverse(reverse);
    return layer;
  });
}

ILoopOutputLayer* Loop::addLoopOutput(ITensor& tensor, LoopOutput kind, int32_t axis) noexcept {
  return guard(network_.reports(), "ILoop::addLoopOutput", [&]() -> ILoopOutputLayer* {
    need_known(kind, "outputKind");
    auto* layer = network_.add_boundary<LoopOutputLayer>("trt.LoopOutput", LayerType::kLOOP_OUTPUT, {&tensor}, 1,
                                                         {.region = region_, .kind = static_cast<int64_t>(kind)});
    layer->loop = this;
    layer->setAxis(axis);
    return layer;
  });
}

int32_t RecurrenceLayer::getNbInputs() const noexcept { return next_ == ir::kNone ? 1 : 2; }

ITensor* RecurrenceLayer::getInput(int32_t index) const noexcept {
  if (index != 1 || next_ == ir::kNone) return Layer::getInput(index);
  return guard(reports(), "ILayer::getInput", [&] { return network_.tensor(network_.graph().node(next_).inputs[0]); });
}

void RecurrenceLayer::setInput(int32_t index, ITensor& tensor) noexcept {
  if (index != 1) return Layer::setInput(index, tensor);
  guard(reports(), "ILayer::setInput", [&] {
    if (next_ == ir::kNone)
      next_ = network_.add_next(node_, tensor);
    else
      network_.set_input(next_, 0, tensor);
  });
}

ir::NodeId Network::add_next(ir::NodeId recurrence, ITensor& value) {
  ops::trt::BoundaryAttrs attrs = ops::trt::boundary_attrs(graph_.node(recurrence).attrs);
  attrs.kind = recurrence;
  return graph_.add_node("trt.Next", {id_of(value)}, to_attrs(attrs), 0, graph_.node(recurrence).name);
}

#if NV_TENSORRT_MAJOR >= 8
IIfConditional* Network::addIfConditional() noexcept {
  return guard(reports_, "INetworkDefinition::addIfConditional", [&]() -> IIfConditional* {
    conditionals_.push_back(std::make_unique<Conditional>(*this, regions_++));
    return conditionals_.back().get();
  });
}

void Conditional::setName(const char* name) noexcept {
  guard(network_.reports(), "IIfConditional::setName", [&] { name_ = need(name, "name"); });
}

IConditionLayer* Conditional::setCondition(ITensor& condition) noexcept {
  return guard(network_.reports(), "IIfConditional::setCondition", [&]() -> IConditionLayer* {
    if (condition_) {
      condition_->setInput(0, condition);
      return condition_;
    }
    auto* layer = network_.add_boundary<ConditionalLayer<ConditionLayerFields>>("trt.Condition", LayerType::kCONDITION,
                                                                                {&condition}, 0, {.region = region_});
    layer->conditional = this;
    return condition_ = layer;
  });
}

IIfConditionalInputLayer* Conditional::addInput(ITensor& input) noexcept {
  return guard(network_.reports(), "IIfConditional::addInput", [&]() -> IIfConditionalInputLayer* {
    auto* layer = network_.add_boundary<ConditionalLayer<IfConditionalInputLayerFields>>(
        "trt.IfInput", LayerType::kCONDITIONAL_INPUT, {&input}, 1, {.region = region_});
    layer->conditional = this;
    return layer;
  });
}

IIfConditionalOutputLayer* Conditional::addOutput(ITensor& when_true, ITensor& when_false) noexcept {
  return guard(network_.reports(), "IIfConditional::addOutput", [&]() -> IIfConditionalOutputLayer* {
    auto* layer = network_.add_boundary<ConditionalLayer<IfConditionalOutputLayerFields>>(
        "trt.IfOutput", LayerType::kCONDITIONAL_OUTPUT, {&when_true, &when_false}, 1, {.region = region_});
    layer->conditional = this;
    return layer;
  });
}
#endif

}  // namespace tenon::nvinfer
