// Loop: for (i = 0; i < trip_count && condition; ++i) (condition, states, elements_i) = body(i, condition, states).
#include <algorithm>

#include "ops/control/body.h"
#include "ops/control/control.h"

namespace tenon::ops {
namespace {

constexpr size_t kHead = 2;  // trip count and condition, before the states

/// Types of the body's inputs before its captures.
std::vector<BodyInput> body_types(const std::vector<LoopState>& states) {
  std::vector<BodyInput> types{{DType::kI64, true, {}}, {DType::kBool, true, {}}};
  for (const LoopState& s : states) types.push_back(s.type);
  return types;
}

void require_outputs(const ir::Graph& body, size_t carried, size_t outputs) {
  require(body.outputs.size() >= 1 + carried && body.outputs.size() >= 1 + outputs, ErrorCode::kInvalidModel,
          "the body has ", body.outputs.size(), " outputs; a condition, ", carried, " states and ",
          outputs - std::min(outputs, carried), " elements are needed");
}

bool widen_all(std::vector<LoopState>& states, const ir::Graph& body, ir::SymbolTable& symbols) {
  bool changed = false;
  for (size_t i = 0; i < states.size(); ++i) changed |= states[i].widen(body.value(body.outputs[1 + i]), symbols);
  return changed;
}

/// Whether only the trip count ends the loop.
bool always_continues(const InferContext& c, const ir::Graph& body) {
  const Tensor* first = c.constant(1);
  if (c.has(1) && !(first && first->count() == 1 && first->get_int(0))) return false;
  ir::ValueId next = body.outputs[0];
  for (const ir::Node* n = body.producer(next); n && n->op == "Identity"; n = body.producer(next)) next = n->inputs[0];
  const Tensor* constant = body.constant(next);
  return next == body.inputs[1] || (constant && constant->count() == 1 && constant->get_int(0));
}

void infer_loop(InferContext& c) {
  const LoopAttrs& a = c.attrs<LoopAttrs>();
  const size_t carried = size_t(a.carried);
  require(a.body && a.carried >= 0 && kHead + carried <= c.input_count(), ErrorCode::kInvalidModel,
          "the body or states are missing");
  require_outputs(*a.body, carried, c.output_count());
  c.expect(!c.has(0) || c.dtype(0) == DType::kI64, "the trip count is not i64");
  c.expect(!c.has(1) || c.dtype(1) == DType::kBool, "the condition is not bool");
  const size_t first_symbol = c.dims().size();
  std::vector<LoopState> states;
  for (size_t i = 0; i < carried; ++i) states.emplace_back(type_of(c.input(kHead + i)));
  do infer_body(c, *a.body, body_types(states), kHead + carried, c.input_count() - kHead - carried);
  while (widen_all(states, *a.body, c.dims()));
  const bool counted = always_continues(c, *a.body);
  c.expect(c.has(0) || !counted, "the loop has no trip count and its condition stays true: it does not end");
  for (size_t i = 0; i < carried; ++i) output_type(c, i, states[i].type, first_symbol);
  const auto count = c.contents(0);
  const Dim trips = counted && count && count->size() == 1 ? c.dims().max((*count)[0], 0) : c.unknown();
  for (size_t i = carried; i < c.output_count(); ++i) {
    BodyInput t = type_of(a.body->value(a.body->outputs[1 + i]));
    output_type(c, i, t, first_symbol);
    if (!t.ranked || c.node().outputs[i] == ir::kNone) continue;
    Shape shape = c.graph().value(c.node().outputs[i]).shape;
    shape.insert(shape.begin(), trips);
    c.output(i, t.dtype, std::move(shape));
  }
}

int64_t one_integer(const Tensor& t, std::string_view what) {
  require(t.count() == 1, ErrorCode::kShapeMismatch, what, " has ", t.count(), " elements, one is accepted");
  return t.get_int(0);
}

void eval_loop(EvalContext& c) {
  const LoopAttrs& a = c.attrs<LoopAttrs>();
  const size_t carried = size_t(a.carried);
  const int64_t trips = c.has(0) ? one_integer(c.input(0), "the trip count") : INT64_MAX;
  bool go_on = !c.has(1) || one_integer(c.input(1), "the condition") != 0;
  std::vector<Tensor> inputs{Tensor::scalar_i64(0), Tensor(DType::kBool, {})};
  for (size_t i = kHead; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  std::vector<DType> types{DType::kBool};
  for (size_t i = 0; i < c.outputs.size(); ++i) types.push_back(c.output_type(i));
  std::vector<std::vector<Tensor>> stacks(c.outputs.size() - std::min(c.outputs.size(), carried));
  for (int64_t i = 0; i < trips && go_on; ++i) {
    inputs[0] = Tensor::scalar_i64(i);
    inputs[1] = Tensor(DType::kBool, {});
    inputs[1].set_int(0, 1);
    auto results = run_body(*a.body, inputs, types);
    go_on = one_integer(results[0], "the condition") != 0;
    for (size_t s = 0; s < carried; ++s) inputs[kHead + s] = std::move(results[1 + s]);
    for (size_t s = 0; s < stacks.size(); ++s) stacks[s].push_back(std::move(results[1 + carried + s]));
  }
  for (size_t i = 0; i < std::min(carried, c.outputs.size()); ++i) c.outputs[i] = std::move(inputs[kHead + i]);
  for (size_t s = 0; s < stacks.size(); ++s)
    c.outputs[carried + s] =
        stack(stacks[s], 0, c.output_type(carried + s), known_dims(a.body->value(a.body->outputs[1 + carried + s])));
}

// A body is imported for the states' types; if an iteration changes them, it is imported again for wider ones, since
// rules read shapes.
void import_loop(ImportContext& c) {
  require(c.input_count() >= kHead, ErrorCode::kInvalidModel, "has ", c.input_count(),
          " inputs, at least 2 are needed");
  LoopAttrs a;
  std::vector<ir::ValueId> inputs{c.input(0), c.input(1)}, captures;
  std::vector<LoopState> states;
  for (size_t i = kHead; i < c.input_count(); ++i) {
    inputs.push_back(c.required(i));
    states.emplace_back(type_of(c.graph().value(inputs.back())));
  }
  a.carried = int64_t(states.size());
  do {
    a.body = c.attr_graph("body", captures, body_types(states));
    require(a.body->inputs.size() == kHead + states.size() + captures.size(), ErrorCode::kInvalidModel, "the body has ",
            a.body->inputs.size() - captures.size(), " inputs, the node has ", c.input_count());
    require_outputs(*a.body, states.size(), c.output_count());
  } while (widen_all(states, *a.body, *c.graph().symbols));
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  const auto outputs = c.add_n("Loop", std::move(inputs), a, c.output_count());
  for (size_t i = 0; i < c.output_count(); ++i) c.output(i, outputs[i]);
}

}  // namespace

OpSet loop() {
  return {{{.name = "Loop",
            .attrs = ir::schema_of<LoopAttrs>(),
            .min_inputs = kHead,
            .max_inputs = SIZE_MAX,
            .infer = infer_loop,
            .eval = eval_loop,
            .form = OpForm::kControlFlow}},
          {{"", "Loop", 1, import_loop}}};
}

}  // namespace tenon::ops
