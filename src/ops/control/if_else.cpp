// If: outputs = condition ? then_branch(captures) : else_branch(captures).
#include "ir/inline.h"
#include "ops/control/body.h"
#include "ops/control/control.h"

namespace tenon::ops {
namespace {

void expect_condition(InferContext& c) {
  c.expect(c.dtype(0) == DType::kBool, "the condition is ", c.dtype(0), ", bool is accepted");
  for (Dim d : c.shape(0))
    c.expect(!d.is_const() || d == 1, "the condition has shape ", c.text(c.shape(0)), ", one element is accepted");
}

/// What both branches' types have in common.
BodyInput merge(InferContext& c, size_t i, const ir::Value& a, const ir::Value& b) {
  c.expect(a.dtype == b.dtype, "output ", i, " is ", a.dtype, " in one branch and ", b.dtype, " in the other");
  BodyInput t = type_of(a);
  t.ranked = a.ranked && b.ranked && a.shape.size() == b.shape.size();
  if (!t.ranked) t.shape.clear();
  for (size_t d = 0; d < t.shape.size(); ++d)
    if (!(a.shape[d] == b.shape[d])) t.shape[d] = c.unknown();
  return t;
}

void infer_if(InferContext& c) {
  const IfAttrs& a = c.attrs<IfAttrs>();
  expect_condition(c);
  const size_t then_captures = size_t(a.then_captures);
  require(a.then_branch && a.else_branch && then_captures < c.input_count(), ErrorCode::kInvalidModel,
          "branches are missing");
  infer_body(c, *a.then_branch, {}, 1, then_captures);
  infer_body(c, *a.else_branch, {}, 1 + then_captures, c.input_count() - 1 - then_captures);
  const auto &t = a.then_branch->outputs, &e = a.else_branch->outputs;
  c.expect(t.size() == e.size() && t.size() >= c.output_count(), "the branches have ", t.size(), " and ", e.size(),
           " outputs, the node ", c.output_count());
  for (size_t i = 0; i < c.output_count(); ++i)
    output_type(c, i, merge(c, i, a.then_branch->value(t[i]), a.else_branch->value(e[i])), SIZE_MAX);
}

void eval_if(EvalContext& c) {
  const IfAttrs& a = c.attrs<IfAttrs>();
  require(c.input(0).count() == 1, ErrorCode::kShapeMismatch, "the condition has ", c.input(0).count(),
          " elements, one is accepted");
  const bool taken = c.input(0).get_int(0) != 0;
  const size_t split = 1 + size_t(a.then_captures);
  const size_t begin = taken ? 1 : split, end = taken ? split : c.input_count();
  std::vector<Tensor> inputs;
  for (size_t i = begin; i < end; ++i) inputs.push_back(c.input(i));
  std::vector<DType> types;
  for (size_t i = 0; i < c.outputs.size(); ++i) types.push_back(c.output_type(i));
  auto results = run_body(taken ? *a.then_branch : *a.else_branch, inputs, types);
  for (size_t i = 0; i < c.outputs.size(); ++i) c.outputs[i] = std::move(results[i]);
}

void import_if(ImportContext& c) {
  const ir::ValueId condition = c.required(0);
  std::vector<ir::ValueId> outputs;
  if (const Tensor* known = c.constant(condition)) {
    require(known->count() == 1, ErrorCode::kShapeMismatch, "the condition has ", known->count(),
            " elements, one is accepted");
    std::vector<ir::ValueId> captures;
    const auto branch = c.attr_graph(known->get_int(0) ? "then_branch" : "else_branch", captures);
    outputs = ir::inline_graph(c.graph(), *branch, captures);
  } else {
    IfAttrs a;
    std::vector<ir::ValueId> inputs{condition}, then_captures, else_captures;
    a.then_branch = c.attr_graph("then_branch", then_captures);
    a.else_branch = c.attr_graph("else_branch", else_captures);
    a.then_captures = int64_t(then_captures.size());
    inputs.insert(inputs.end(), then_captures.begin(), then_captures.end());
    inputs.insert(inputs.end(), else_captures.begin(), else_captures.end());
    outputs = c.add_n("If", std::move(inputs), a, c.output_count());
  }
  require(outputs.size() >= c.output_count(), ErrorCode::kInvalidModel, "a branch has ", outputs.size(),
          " outputs, the node ", c.output_count());
  for (size_t i = 0; i < c.output_count(); ++i) c.output(i, outputs[i]);
}

}  // namespace

OpSet if_else() {
  return {{{.name = "If",
            .attrs = ir::schema_of<IfAttrs>(),
            .max_inputs = SIZE_MAX,
            .infer = infer_if,
            .eval = eval_if,
            .form = OpForm::kControlFlow}},
          {{"", "If", 1, import_if}}};
}

}  // namespace tenon::ops
