// A loop of boundary nodes as one Loop node: states are the recurrences, slices are gathered by the iteration number,
// a condition is evaluated on the states before the first iteration and at the end of each.
#include <algorithm>

#include "ops/control/control.h"
#include "ops/trt/regions.h"

namespace tenon::ops::trt {
namespace {

class LoopLowering {
 public:
  LoopLowering(ir::Graph& graph, RegionMap& map, const Region& region)
      : g_(graph),
        map_(map),
        region_(region),
        model_(graph.node(region.nodes.begin()->second.front())),
        outer_(graph, model_, {}),
        body_(std::make_shared<ir::Graph>(graph.symbols)),
        inner_(*body_, model_, {}),
        inside_(map.dependents(region)) {}

  void run() {
    find_limits();
    find_states();
    begin_body();
    finish_body();
    replace();
    map_.erase(region_, inside_);
  }

 private:
  ValueId input(NodeId n, size_t i) const {
    const ir::Node& node = g_.node(n);
    return i < node.inputs.size() ? node.inputs[i] : ir::kNone;
  }
  const BoundaryAttrs& attrs(NodeId n) const { return g_.node(n).attrs.as<BoundaryAttrs>(); }
  void expect_outside(ValueId v, const char* what) const {
    const NodeId p = g_.value(v).producer;
    require(p == ir::kNone || !inside_.count(p), ErrorCode::kInvalidModel, what, " '", g_.value(v).name,
            "' is made inside the loop");
  }

  void find_limits() {
    for (NodeId n : region_.of("trt.TripLimit")) {
      ValueId& limit = attrs(n).kind == kCount ? count_ : while_;
      require(limit == ir::kNone, ErrorCode::kInvalidModel, "there are two trip limits of one kind");
      limit = input(n, 0);
    }
    require(count_ != ir::kNone || while_ != ir::kNone, ErrorCode::kInvalidModel, "there is no trip limit");
    if (count_ == ir::kNone) return;
    if (while_ == ir::kNone) all_trips_ = count_;
    expect_outside(count_, "the trip count");
    count_ = outer_.onnx("Reshape", {outer_.cast(count_, DType::kI64), outer_.ints({})});
  }

  void find_states() {
    for (NodeId n : region_.of("trt.Recurrence")) {
      expect_outside(input(n, 0), "the initial value");
      ValueId next = ir::kNone;
      for (NodeId m : region_.of("trt.Next"))
        if (attrs(m).kind == int64_t(n)) next = input(m, 0);
      require(next != ir::kNone, ErrorCode::kInvalidModel, "recurrence '", g_.node(n).name,
              "' has no second input, its value in the next iteration");
      nexts_.push_back(next);
    }
  }

  ValueId capture(ValueId v) {
    auto [it, added] = captured_.try_emplace(v, ir::kNone);
    if (added) {
      const ir::Value& value = g_.value(v);
      it->second = body_->add_input(body_->unique_name(value.name), value.dtype, value.shape);
      body_->value(it->second).ranked = value.ranked;
      body_->value(it->second).contents = value.contents;
      captures_.push_back(v);
    }
    return it->second;
  }
  /// A value from outside, in the body.
  ValueId in_body(ValueId v) { return g_.constant(v) ? body_->add_constant(*g_.constant(v)) : capture(v); }

  /// Slice `index` (an i64 number) of an iterator's tensor.
  static ValueId slice(LowerContext& c, ValueId tensor, const BoundaryAttrs& a, ValueId index, bool clamp) {
    const int64_t rank = int64_t(c.rank(tensor));
    const int64_t axis = a.axis < 0 ? a.axis + rank : a.axis;
    if (a.reverse || clamp) {
      const ValueId length =
          c.onnx("Gather", {c.onnx("Shape", {tensor}), c.constant(Tensor::scalar_i64(axis))}, {{"axis", int64_t{0}}});
      const ValueId last = c.onnx("Sub", {length, c.constant(Tensor::scalar_i64(1))});
      if (clamp) index = c.onnx("Min", {index, last});
      if (a.reverse) index = c.onnx("Sub", {last, index});
    }
    return c.onnx("Gather", {tensor, index}, {{"axis", axis}});
  }

  void begin_body() {
    iteration_ = body_->add_input("iteration", DType::kI64, {});
    going_on_ = body_->add_input("condition", DType::kBool, {});
    for (NodeId n : region_.of("trt.Recurrence")) {
      const ir::Value& value = g_.value(input(n, 0));
      states_.push_back(body_->add_input(body_->unique_name(g_.node(n).name), value.dtype, value.shape));
    }
  }

  /// Copies what `sinks` need, with the given states and iteration.
  NodeCopier copier(const std::vector<ValueId>& sinks, const std::vector<ValueId>& states, ValueId index, bool clamp,
                    bool deep) {
    NodeCopier copy(g_, *body_, [this](ValueId v) { return capture(v); });
    const auto& recurrences = region_.of("trt.Recurrence");
    for (size_t i = 0; i < states.size(); ++i) copy.set(g_.node(recurrences[i]).outputs[0], states[i]);
    for (NodeId n : region_.of("trt.Iterator")) {
      expect_outside(input(n, 0), "the tensor iterated over");
      copy.set(g_.node(n).outputs[0], slice(inner_, in_body(input(n, 0)), attrs(n), index, clamp));
    }
    copy.copy(map_.needed(sinks, inside_), deep);
    return copy;
  }

  std::vector<NodeId> stacked() const {
    std::vector<NodeId> nodes;
    for (NodeId n : region_.of("trt.LoopOutput"))
      if (attrs(n).kind != kLastValue) nodes.push_back(n);
    return nodes;
  }

  void finish_body() {
    std::vector<ValueId> sinks = nexts_;
    for (NodeId n : stacked()) sinks.push_back(input(n, 0));
    NodeCopier copy = copier(sinks, states_, iteration_, false, false);
    std::vector<ValueId> next;
    for (ValueId v : nexts_) next.push_back(copy.value(v));
    ValueId condition = going_on_;
    if (while_ != ir::kNone) {
      const ValueId later = inner_.onnx("Add", {iteration_, inner_.constant(Tensor::scalar_i64(1))});
      condition = copier({while_}, next, later, true, true).value(while_);
      condition = inner_.onnx("Reshape", {condition, inner_.ints({})});
    }
    body_->outputs = {condition};
    body_->outputs.insert(body_->outputs.end(), next.begin(), next.end());
    for (NodeId n : stacked()) body_->outputs.push_back(copy.value(input(n, 0)));
  }

  /// The condition on the initial states, outside.
  ValueId first_condition() {
    if (while_ == ir::kNone) return ir::kNone;
    NodeCopier copy(g_, g_, [](ValueId v) { return v; });
    for (NodeId n : region_.of("trt.Recurrence")) copy.set(g_.node(n).outputs[0], input(n, 0));
    const ValueId zero = outer_.constant(Tensor::scalar_i64(0));
    for (NodeId n : region_.of("trt.Iterator"))
      copy.set(g_.node(n).outputs[0], slice(outer_, input(n, 0), attrs(n), zero, false));
    copy.copy(map_.needed({while_}, inside_), true);
    return outer_.onnx("Reshape", {copy.value(while_), outer_.ints({})});
  }

  void replace() {
    std::vector<ValueId> inputs{count_, first_condition()};
    for (NodeId n : region_.of("trt.Recurrence")) inputs.push_back(input(n, 0));
    inputs.insert(inputs.end(), captures_.begin(), captures_.end());
    LoopAttrs loop;
    loop.body = body_;
    loop.carried = int64_t(states_.size());
    const std::vector<NodeId> stacks = stacked();
    const NodeId made = g_.add_node("Loop", std::move(inputs), loop, states_.size() + stacks.size(), model_.name);
    infer_node(g_, made);
    const std::vector<ValueId> results = g_.node(made).outputs;
    for (NodeId n : region_.of("trt.LoopOutput"))
      if (attrs(n).kind == kLastValue) g_.replace_uses(g_.node(n).outputs[0], results[state_of(n)]);
    for (size_t i = 0; i < stacks.size(); ++i)
      g_.replace_uses(g_.node(stacks[i]).outputs[0], fitted(stacks[i], results[states_.size() + i]));
  }

  size_t state_of(NodeId output) const {
    const auto& recurrences = region_.of("trt.Recurrence");
    for (size_t i = 0; i < recurrences.size(); ++i)
      if (g_.node(recurrences[i]).outputs[0] == input(output, 0)) return i;
    for (size_t i = 0; i < nexts_.size(); ++i)
      if (nexts_[i] == input(output, 0)) return i;
    fail(ErrorCode::kInvalidModel, "loop output '", g_.node(output).name, "' of kind kLAST_VALUE reads '",
         g_.value(input(output, 0)).name, "', which is no recurrence");
  }

  /// A stack of all iterations in the asked order, length and axis. What no iteration wrote is zero.
  ValueId fitted(NodeId output, ValueId stack) {
    const BoundaryAttrs a = attrs(output);
    LowerContext& c = outer_;
    if (a.kind == kReverse)
      stack = c.onnx("Slice", {stack, c.ints({-1}), c.ints({INT64_MIN}), c.ints({0}), c.ints({-1})});
    if (const ValueId given = input(output, 1); given != ir::kNone) {
      expect_outside(given, "the length of a loop output");
      const ValueId length = c.onnx("Reshape", {c.cast(given, DType::kI64), c.ints({1})});
      if (given != all_trips_ && !same_length(length, c.shape(stack)[0])) stack = with_length(stack, length);
    }
    const int64_t rank = int64_t(c.rank(stack)), axis = a.axis < 0 ? a.axis + rank : a.axis;
    require(axis >= 0 && axis < rank, ErrorCode::kShapeMismatch, "axis ", a.axis, " of a loop output of rank ", rank);
    if (axis == 0) return stack;
    Ints order;
    for (int64_t i = 1; i < rank; ++i) order.push_back(i);
    order.insert(order.begin() + axis, 0);
    return c.onnx("Transpose", {stack}, {{"perm", order}});
  }

  bool same_length(ValueId length, Dim trips) const {
    const ir::Value& value = g_.value(length);
    if (value.contents && value.contents->size() == 1) return (*value.contents)[0] == trips;
    return value.constant && value.constant->count() == 1 && trips == value.constant->get_int(0);
  }

  ValueId with_length(ValueId stack, ValueId length) {
    LowerContext& c = outer_;
    const ValueId rest = c.onnx("Shape", {stack}, {{"start", int64_t{1}}});
    const ValueId dims = c.onnx("Concat", {length, rest}, {{"axis", int64_t{0}}});
    const ValueId zeros = c.onnx("Expand", {c.scalar(c.dtype(stack), 0), dims});
    const ValueId both = c.onnx("Concat", {stack, zeros}, {{"axis", int64_t{0}}});
    return c.onnx("Reshape", {c.onnx("Slice", {both, c.ints({0}), length, c.ints({0})}), dims});
  }

  ir::Graph& g_;
  RegionMap& map_;
  const Region& region_;
  const ir::Node model_;  ///< gives new nodes their names
  LowerContext outer_;
  std::shared_ptr<ir::Graph> body_;
  LowerContext inner_;
  std::set<NodeId> inside_;
  ValueId count_ = ir::kNone, while_ = ir::kNone;
  ValueId all_trips_ = ir::kNone;  ///< the count as it was given, where nothing else ends the loop
  ValueId iteration_ = ir::kNone, going_on_ = ir::kNone;
  std::vector<ValueId> nexts_, states_, captures_;
  std::map<ValueId, ValueId> captured_;
};

}  // namespace

void lower_loop(ir::Graph& graph, RegionMap& map, const Region& region) { LoopLowering(graph, map, region).run(); }

}  // namespace tenon::ops::trt
