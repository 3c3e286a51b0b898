// Loop, Scan and If as boundary layers around the nodes of their bodies.
#include "ops/control/control.h"
#include "ops/trt/expand_context.h"
#include "ops/trt/regions.h"

namespace tenon::ops::trt {
namespace {

/// Copies of a closed body's nodes; what it reads from outside is said first.
class Body {
 public:
  Body(ExpandContext& c, const ir::Graph& body)
      : body_(body), copy_(body, c.graph(), [](ValueId) -> ValueId {
          tenon::fail(ErrorCode::kInternal, "a body reads a value that nobody gives");
        }) {}
  void set(size_t input, ValueId v) { copy_.set(body_.inputs.at(input), v); }
  void run() { copy_.copy(body_.topological_order(), true); }
  ValueId output(size_t i) { return copy_.value(body_.outputs.at(i)); }
  bool reads(size_t input) const {
    const ValueId v = body_.inputs.at(input);
    return !body_.users(v).empty() || body_.is_output(v);
  }

 private:
  const ir::Graph& body_;
  NodeCopier copy_;
};

ValueId as_scalar(ExpandContext& c, ValueId v) { return c.rank(v) == 0 ? v : c.reshape(v, {}); }

bool is_true(const Tensor* t) { return t && t->count() == 1 && t->get_int(0) != 0; }

/// Whether nothing but the count ends the loop.
bool is_counted(ExpandContext& c, const ir::Graph& body) {
  if (c.has(1) && !is_true(c.constant_input(1))) return false;
  ValueId next = body.outputs.at(0);
  for (const ir::Node* n = body.producer(next); n && n->op == "Identity"; n = body.producer(next)) next = n->inputs[0];
  return next == body.inputs.at(1) || is_true(body.constant(next));
}

/// The number of the iteration: a state that counts from 0.
ValueId iteration_of(ExpandContext& c, int64_t region) {
  const ValueId i = c.recurrence(region, c.constant(Tensor::scalar_i64(0)));
  c.set_next(i, c.elementwise("Add", i, c.constant(Tensor::scalar_i64(1))));
  return i;
}

/// A state of a loop. Throws kUnsupported if iterations change its type: the body is then inferred for a wider one.
ValueId steady_state(ExpandContext& c, int64_t region, ValueId initial, const ir::Value& inside) {
  const ir::Value& first = c.graph().value(initial);
  require(inside.ranked && first.dtype == inside.dtype && first.shape == inside.shape, ErrorCode::kUnsupported,
          "a state changes its type");
  return c.recurrence(region, initial);
}

ValueId loop_output(ExpandContext& c, int64_t region, int64_t kind, int64_t axis, std::vector<ValueId> inputs) {
  return c.boundary("trt.LoopOutput", std::move(inputs), {.region = region, .kind = kind, .axis = axis}, 1)[0];
}

void expand_loop(ExpandContext& c) {
  const auto& a = c.attrs<LoopAttrs>();
  const auto carried = size_t(a.carried);
  const int64_t region = c.new_region();
  const bool counted = is_counted(c, *a.body);
  Body body(c, *a.body);
  const ValueId count = c.has(0) ? as_scalar(c, c.input(0)) : ir::kNone;
  if (c.has(0)) c.boundary("trt.TripLimit", {count}, {.region = region, .kind = kCount}, 0);
  ValueId going_on = c.constant([] {
    Tensor t(DType::kBool, {});
    t.set_int(0, 1);
    return t;
  }());
  if (!counted) {
    going_on = c.recurrence(region, c.has(1) ? as_scalar(c, c.input(1)) : going_on);
    c.boundary("trt.TripLimit", {going_on}, {.region = region, .kind = kWhile}, 0);
  }
  body.set(0, body.reads(0) ? iteration_of(c, region) : c.constant(Tensor::scalar_i64(0)));
  body.set(1, going_on);
  std::vector<ValueId> states;
  for (size_t i = 0; i < carried; ++i) {
    states.push_back(steady_state(c, region, c.input(2 + i), a.body->value(a.body->inputs.at(2 + i))));
    body.set(2 + i, states.back());
  }
  for (size_t i = 2 + carried; i < c.input_count(); ++i) body.set(i, c.input(i));
  body.run();
  if (!counted) c.set_next(going_on, as_scalar(c, body.output(0)));
  for (size_t i = 0; i < carried; ++i) c.set_next(states[i], body.output(1 + i));
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!c.wants(i)) continue;
    if (i < carried) {
      c.output(i, loop_output(c, region, kLastValue, 0, {states[i]}));
      continue;
    }
    std::vector<ValueId> inputs{body.output(1 + i)};
    if (counted) inputs.push_back(count);  // else as many as there were iterations
    c.output(i, loop_output(c, region, kConcatenate, 0, std::move(inputs)));
  }
}

void expand_scan(ExpandContext& c) {
  const auto& a = c.attrs<ScanAttrs>();
  const auto states = size_t(a.states), scanned = size_t(a.scanned);
  const int64_t region = c.new_region();
  Body body(c, *a.body);
  const ValueId first = c.input(states);
  const auto axis = int64_t(normalized_axis(a.input_axes[0], c.rank(first)));
  const ir::Dim length = c.shape(first)[size_t(axis)];
  const ValueId count =
      length.is_const() ? c.constant(Tensor::scalar_i64(length.constant()))
                        : c.layer("trt.Gather", {c.layer("trt.Shape", {first}), c.constant(Tensor::scalar_i64(axis))},
                                  {{"gather_axis", int64_t{0}}});
  c.boundary("trt.TripLimit", {count}, {.region = region, .kind = kCount}, 0);
  std::vector<ValueId> recurrences;
  for (size_t i = 0; i < states; ++i) {
    recurrences.push_back(steady_state(c, region, c.input(i), a.body->value(a.body->inputs.at(i))));
    body.set(i, recurrences.back());
  }
  for (size_t i = 0; i < scanned; ++i) {
    const BoundaryAttrs attrs{.region = region,
                              .axis = int64_t(normalized_axis(a.input_axes[i], c.rank(c.input(states + i)))),
                              .reverse = a.input_directions[i] != 0};
    body.set(states + i, c.boundary("trt.Iterator", {c.input(states + i)}, attrs, 1)[0]);
  }
  for (size_t i = states + scanned; i < c.input_count(); ++i) body.set(i, c.input(i));
  body.run();
  for (size_t i = 0; i < states; ++i) c.set_next(recurrences[i], body.output(i));
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!c.wants(i)) continue;
    if (i < states) {
      c.output(i, loop_output(c, region, kLastValue, 0, {recurrences[i]}));
      continue;
    }
    const ValueId element = body.output(i);
    const auto at = int64_t(normalized_axis(a.output_axes[i - states], c.rank(element) + 1));
    c.output(i,
             loop_output(c, region, a.output_directions[i - states] ? kReverse : kConcatenate, at, {element, count}));
  }
}

void expand_if(ExpandContext& c) {
  const auto& a = c.attrs<IfAttrs>();
  const BoundaryAttrs attrs{.region = c.new_region()};
  c.boundary("trt.Condition", {as_scalar(c, c.input(0))}, attrs, 0);
  std::vector<Body> branches{{c, *a.then_branch}, {c, *a.else_branch}};
  for (size_t i = 1; i < c.input_count(); ++i) {
    const size_t then = size_t(a.then_captures);
    const bool constant = c.constant_input(i) != nullptr;
    const ValueId inside = constant ? c.input(i) : c.boundary("trt.IfInput", {c.input(i)}, attrs, 1)[0];
    i <= then ? branches[0].set(i - 1, inside) : branches[1].set(i - 1 - then, inside);
  }
  for (Body& branch : branches) branch.run();
  for (size_t i = 0; i < c.outputs.size(); ++i)
    if (c.wants(i))
      c.output(i, c.boundary("trt.IfOutput", {branches[0].output(i), branches[1].output(i)}, attrs, 1)[0]);
}

}  // namespace

std::vector<ExpandRule> expand_region_rules() {
  return {{"Loop", expand_loop, true}, {"Scan", expand_scan, true}, {"If", expand_if, true}};
}

}  // namespace tenon::ops::trt
