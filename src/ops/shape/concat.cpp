// Concat: joins tensors along one axis. Attributes: AxisAttrs.
#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_concat(InferContext& c) {
  Shape y = c.shape(0);
  const size_t axis = c.axis(c.attrs<AxisAttrs>().axis, y.size());
  std::optional<std::vector<Dim>> joined = std::vector<Dim>();
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Shape& x = c.shape(i);
    c.expect(c.dtype(i) == c.dtype(0), "input ", i, " has type ", c.dtype(i), ", input 0 has ", c.dtype(0));
    c.expect(x.size() == y.size(), "input ", i, " ", c.text(x), " and input 0 ", c.text(c.shape(0)), " differ in rank");
    for (size_t d = 0; i > 0 && d < y.size(); ++d) {
      if (d == axis)
        y[d] = c.dims().add(y[d], x[d]);
      else if (!y[d].is_const())
        y[d] = x[d].is_const() ? x[d] : y[d];
      else
        c.expect(!x[d].is_const() || x[d] == y[d], "input ", i, " ", c.text(x), " and input 0 ", c.text(c.shape(0)),
                 " differ in axis ", d, ", which is not joined");
    }
    auto part = c.contents(i);
    if (!part || !joined)
      joined.reset();
    else
      joined->insert(joined->end(), part->begin(), part->end());
  }
  const bool vector = y.size() == 1;
  c.output(0, c.dtype(0), std::move(y));
  if (joined && vector) c.output_contents(0, std::move(*joined));
}

void eval_concat(EvalContext& c) {
  Dims yd = c.input(0).dims();
  const size_t axis = normalized_axis(c.attrs<AxisAttrs>().axis, yd.size());
  for (size_t i = 1; i < c.input_count(); ++i) {
    Dims x = c.input(i).dims();
    require(x.size() == yd.size(), ErrorCode::kShapeMismatch, "input ", i, " ", x, " differs in rank from input 0");
    yd[axis] = checked_add(yd[axis], x[axis]);
    x[axis] = yd[axis];
    require(x == yd, ErrorCode::kShapeMismatch, "input ", i, " ", c.input(i).dims(), " does not join input 0 ",
            c.input(0).dims(), " along axis ", axis);
  }
  Tensor& y = c.output(0, yd);
  const int64_t outer = count_between(yd, 0, axis), row = count_between(yd, axis, yd.size());
  int64_t at = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const ElementMover move(c.input(i), y);
    const int64_t part = count_between(c.input(i).dims(), axis, yd.size());
    for (int64_t o = 0; o < outer; ++o) move(o * part, o * row + at, part);
    at += part;
  }
}

void import_concat(ImportContext& c) {
  std::vector<ir::ValueId> inputs;
  for (size_t i = 0; i < c.input_count(); ++i) inputs.push_back(c.required(i));
  if (!c.has_attr("axis")) c.fail("attribute axis is missing");
  c.output(0, c.add("Concat", std::move(inputs), AxisAttrs{c.attr_int("axis", 0)}));
}

}  // namespace

OpSet concat() {
  return {{{.name = "Concat",
            .attrs = ir::schema_of<AxisAttrs>(),
            .min_inputs = 1,
            .max_inputs = SIZE_MAX,
            .infer = infer_concat,
            .eval = eval_concat}},
          {{"", "Concat", 4, import_concat}}};
}

}  // namespace tenon::ops
