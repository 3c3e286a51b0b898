#include "nvinfer/regions.h"

#include "nvinfer/network_add.h"

namespace tenon::nvinfer {

template <class L>
L* Network::add_boundary(const char* op, LayerType type, std::initializer_list<const ITensor*> inputs, size_t outputs,
                         const ops::trt::BoundaryAttrs& attrs) {
  for (ir::NodeId n = 0; n < graph_.node_count(); ++n)
    if (ops::trt::is_boundary_of(graph_.node(n), attrs.region)) mark_edited(n);
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

void RecurrenceLayer::find_next() {
  const ir::Graph& graph = network_.graph();
  for (ir::NodeId n = 0; n < graph.node_count(); ++n)
    if (graph.node(n).alive && graph.node(n).op == "trt.Next" &&
        ops::trt::boundary_attrs(graph.node(n).attrs).kind == int64_t{node_})
      next_ = n;
}

Loop& Network::loop_of(int64_t region) {
  for (const auto& loop : loops_)
    if (loop->region() == region) return *loop;
  return *loops_.emplace_back(std::make_unique<Loop>(*this, region));
}

std::unique_ptr<Layer> Network::boundary_layer(ir::NodeId node) {
  const std::string op = graph_.node(node).op;
  const int64_t region = ops::trt::boundary_attrs(graph_.node(node).attrs).region;
  const auto of_loop = [&](auto layer) {
    layer->loop = &loop_of(region);
    return layer;
  };
  if (op == "trt.Recurrence") {
    auto layer = of_loop(std::make_unique<RecurrenceLayer>(*this, node, LayerType::kRECURRENCE));
    layer->find_next();
    return layer;
  }
  if (op == "trt.Iterator")
    return of_loop(std::make_unique<LoopLayer<IteratorLayerFields>>(*this, node, LayerType::kITERATOR));
  if (op == "trt.TripLimit") return of_loop(std::make_unique<TripLimitLayer>(*this, node, LayerType::kTRIP_LIMIT));
  if (op == "trt.LoopOutput") return of_loop(std::make_unique<LoopOutputLayer>(*this, node, LayerType::kLOOP_OUTPUT));
#if NV_TENSORRT_MAJOR >= 8
  const auto of_conditional = [&](auto layer) {
    layer->conditional = &conditional_of(region);
    return layer;
  };
  if (op == "trt.Condition") {
    auto layer =
        of_conditional(std::make_unique<ConditionalLayer<ConditionLayerFields>>(*this, node, LayerType::kCONDITION));
    conditional_of(region).set_condition_layer(*layer);
    return layer;
  }
  if (op == "trt.IfInput")
    return of_conditional(
        std::make_unique<ConditionalLayer<IfConditionalInputLayerFields>>(*this, node, LayerType::kCONDITIONAL_INPUT));
  if (op == "trt.IfOutput")
    return of_conditional(std::make_unique<ConditionalLayer<IfConditionalOutputLayerFields>>(
        *this, node, LayerType::kCONDITIONAL_OUTPUT));
#endif
  fail(ErrorCode::kInternal, op, " stands at no border");
}

ir::NodeId Network::add_next(ir::NodeId recurrence, ITensor& value) {
  ops::trt::BoundaryAttrs attrs = ops::trt::boundary_attrs(graph_.node(recurrence).attrs);
  attrs.kind = recurrence;
  return graph_.add_node("trt.Next", {id_of(value)}, to_attrs(attrs), 0, graph_.node(recurrence).name);
}

#if NV_TENSORRT_MAJOR >= 8
Conditional& Network::conditional_of(int64_t region) {
  for (const auto& known : conditionals_)
    if (known->region() == region) return *known;
  Conditional& made = *conditionals_.emplace_back(std::make_unique<Conditional>(*this, region));
  for (ir::NodeId n = 0; n < graph_.node_count(); ++n)
    if (ops::trt::is_boundary_of(graph_.node(n), region) && graph_.node(n).op == "trt.Condition") layer_of(n);
  return made;
}

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
