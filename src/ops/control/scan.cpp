// Scan: for each i along the scanned axes, (states, elements_i) = body(states, slices_i); elements are stacked.
#include <algorithm>

#include "ops/control/body.h"
#include "ops/control/control.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

BodyInput slice_type(const ir::Value& v, int64_t axis) {
  require(v.ranked, ErrorCode::kShapeMismatch, "the shape of '", v.name, "' is not known");
  BodyInput t = type_of(v);
  t.shape.erase(t.shape.begin() + int64_t(normalized_axis(axis, t.shape.size())));
  return t;
}

std::vector<BodyInput> body_types(const std::vector<LoopState>& states, const std::vector<BodyInput>& slices) {
  std::vector<BodyInput> types;
  for (const LoopState& s : states) types.push_back(s.type);
  types.insert(types.end(), slices.begin(), slices.end());
  return types;
}

bool widen_all(std::vector<LoopState>& states, const ir::Graph& body, ir::SymbolTable& symbols) {
  bool changed = false;
  for (size_t i = 0; i < states.size(); ++i) changed |= states[i].widen(body.value(body.outputs[i]), symbols);
  return changed;
}

void require_attrs(const ScanAttrs& a, size_t outputs) {
  const size_t scanned = size_t(a.scanned), stacks = outputs - size_t(a.states);
  require(a.body && a.input_axes.size() == scanned && a.input_directions.size() == scanned &&
              a.output_axes.size() == stacks && a.output_directions.size() == stacks &&
              a.body->outputs.size() >= outputs,
          ErrorCode::kInvalidModel, "axes and directions need one entry for each of ", scanned, " scanned inputs and ",
          stacks, " stacked outputs, and the body ", outputs, " outputs");
}

void infer_scan(InferContext& c) {
  const ScanAttrs& a = c.attrs<ScanAttrs>();
  const size_t first_symbol = c.dims().size();
  require(a.states >= 0 && a.scanned >= 1 && size_t(a.states) + size_t(a.scanned) <= c.input_count() &&
              size_t(a.states) <= c.output_count(),
          ErrorCode::kInvalidModel, "has ", c.input_count(), " inputs for ", a.states, " states and ", a.scanned,
          " scanned inputs");
  const size_t n = size_t(a.states), scanned = size_t(a.scanned);
  require_attrs(a, c.output_count());
  std::vector<LoopState> states;
  std::vector<BodyInput> slices;
  Dim trips;
  for (size_t i = 0; i < n; ++i) states.emplace_back(type_of(c.input(i)));
  for (size_t i = 0; i < scanned; ++i) {
    const Dim length = c.shape(n + i)[c.axis(a.input_axes[i], c.rank(n + i))];
    c.expect(i == 0 || length == trips || !length.is_const() || !trips.is_const(), "scanned inputs have lengths ",
             c.dims().text(trips), " and ", c.dims().text(length));
    if (i == 0 || length.is_const()) trips = length;
    slices.push_back(slice_type(c.input(n + i), a.input_axes[i]));
  }
  do infer_body(c, *a.body, body_types(states, slices), n + scanned, c.input_count() - n - scanned);
  while (widen_all(states, *a.body, c.dims()));
  for (size_t i = 0; i < n; ++i) output_type(c, i, states[i].type, first_symbol);
  for (size_t i = n; i < c.output_count(); ++i) {
    const BodyInput t = type_of(a.body->value(a.body->outputs[i]));
    output_type(c, i, t, first_symbol);
    if (!t.ranked || c.node().outputs[i] == ir::kNone) continue;
    Shape shape = c.graph().value(c.node().outputs[i]).shape;
    shape.insert(shape.begin() + int64_t(c.axis(a.output_axes[i - n], shape.size() + 1)), trips);
    c.output(i, t.dtype, std::move(shape));
  }
}

void eval_scan(EvalContext& c) {
  const ScanAttrs& a = c.attrs<ScanAttrs>();
  const size_t n = size_t(a.states), scanned = size_t(a.scanned);
  std::vector<size_t> axes;
  for (size_t i = 0; i < scanned; ++i) axes.push_back(normalized_axis(a.input_axes[i], c.input(n + i).dims().size()));
  const int64_t trips = c.input(n).dims()[axes[0]];
  for (size_t i = 0; i < scanned; ++i)
    require(c.input(n + i).dims()[axes[i]] == trips, ErrorCode::kShapeMismatch, "scanned inputs have lengths ", trips,
            " and ", c.input(n + i).dims()[axes[i]]);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  std::vector<DType> types;
  for (size_t i = 0; i < c.outputs.size(); ++i) types.push_back(c.output_type(i));
  std::vector<std::vector<Tensor>> stacks(c.outputs.size() - n);
  for (int64_t t = 0; t < trips; ++t) {
    for (size_t i = 0; i < scanned; ++i)
      inputs[n + i] = take(c.input(n + i), axes[i], a.input_directions[i] ? trips - 1 - t : t);
    auto results = run_body(*a.body, inputs, types);
    for (size_t s = 0; s < n; ++s) inputs[s] = std::move(results[s]);
    for (size_t s = 0; s < stacks.size(); ++s) stacks[s].push_back(std::move(results[n + s]));
  }
  for (size_t s = 0; s < n; ++s) c.outputs[s] = std::move(inputs[s]);
  for (size_t s = 0; s < stacks.size(); ++s) {
    if (a.output_directions[s]) std::reverse(stacks[s].begin(), stacks[s].end());
    const Dims element = stacks[s].empty() ? known_dims(a.body->value(a.body->outputs[n + s])) : stacks[s][0].dims();
    c.outputs[n + s] =
        stack(stacks[s], normalized_axis(a.output_axes[s], element.size() + 1), c.output_type(n + s), element);
  }
}

// As for Loop, the body is imported again if an iteration changes the states' types.
void import_scan(ImportContext& c) {
  ScanAttrs a;
  a.scanned = c.attr_int("num_scan_inputs", 0);
  a.states = int64_t(c.input_count()) - a.scanned;
  require(a.scanned >= 1 && a.states >= 0 && a.states <= int64_t(c.output_count()), ErrorCode::kInvalidModel,
          "num_scan_inputs is ", a.scanned, " with ", c.input_count(), " inputs and ", c.output_count(), " outputs");
  const size_t n = size_t(a.states), scanned = size_t(a.scanned), stacks = c.output_count() - n;
  a.input_axes = c.attr_ints("scan_input_axes", std::vector<int64_t>(scanned, 0));
  a.input_directions = c.attr_ints("scan_input_directions", std::vector<int64_t>(scanned, 0));
  a.output_axes = c.attr_ints("scan_output_axes", std::vector<int64_t>(stacks, 0));
  a.output_directions = c.attr_ints("scan_output_directions", std::vector<int64_t>(stacks, 0));
  require(a.input_axes.size() == scanned, ErrorCode::kInvalidModel, "scan_input_axes has ", a.input_axes.size(),
          " entries, ", scanned, " are needed");
  std::vector<ir::ValueId> inputs, captures;
  std::vector<LoopState> states;
  std::vector<BodyInput> slices;
  for (size_t i = 0; i < c.input_count(); ++i) inputs.push_back(c.required(i));
  for (size_t i = 0; i < n; ++i) states.emplace_back(type_of(c.graph().value(inputs[i])));
  for (size_t i = 0; i < scanned; ++i) slices.push_back(slice_type(c.graph().value(inputs[n + i]), a.input_axes[i]));
  do {
    a.body = c.attr_graph("body", captures, body_types(states, slices));
    require(a.body->inputs.size() == inputs.size() + captures.size(), ErrorCode::kInvalidModel, "the body has ",
            a.body->inputs.size() - captures.size(), " inputs, the node has ", inputs.size());
    require_attrs(a, c.output_count());
  } while (widen_all(states, *a.body, *c.graph().symbols));
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  const auto outputs = c.add_n("Scan", std::move(inputs), a, c.output_count());
  for (size_t i = 0; i < c.output_count(); ++i) c.output(i, outputs[i]);
}

}  // namespace

OpSet scan() {
  return {{{.name = "Scan",
            .attrs = ir::schema_of<ScanAttrs>(),
            .max_inputs = SIZE_MAX,
            .infer = infer_scan,
            .eval = eval_scan,
            .form = OpForm::kControlFlow}},
          {{"", "Scan", 9, import_scan}}};
}

}  // namespace tenon::ops
