// GatherElements: y[i][j][k] = x[index[i][j][k]][j][k] along axis 0. Attributes: AxisAttrs. Inputs: data, indices.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_gather_elements(InferContext& c) {
  const Shape &x = c.shape(0), &indices = c.shape(1);
  const size_t axis = c.axis(c.attrs<AxisAttrs>().axis, x.size());
  c.expect(x.size() == indices.size(), "data ", c.text(x), " and indices ", c.text(indices), " differ in rank");
  for (size_t d = 0; d < x.size(); ++d)
    c.expect(d == axis || !x[d].is_const() || !indices[d].is_const() || indices[d].constant() <= x[d].constant(),
             "indices ", c.text(indices), " reach beyond data ", c.text(x), " on axis ", d);
  c.expect(ir::is_integer(c.dtype(1)), "indices have type ", c.dtype(1), ", accepted are integers");
  c.output(0, c.dtype(0), indices);
}

void eval_gather_elements(EvalContext& c) {
  const Tensor &x = c.input(0), &indices = c.input(1);
  const Dims &xd = x.dims(), &yd = indices.dims();
  const size_t axis = normalized_axis(c.attrs<AxisAttrs>().axis, xd.size());
  require(xd.size() == yd.size(), ErrorCode::kShapeMismatch, "data ", xd, " and indices ", yd, " differ in rank");
  for (size_t d = 0; d < xd.size(); ++d)
    require(d == axis || yd[d] <= xd[d], ErrorCode::kShapeMismatch, "indices ", yd, " reach beyond data ", xd,
            " on axis ", d);
  const ElementMover move(x, c.output(0, yd));
  const Dims strides = ir::strides_of(xd);
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < indices.count(); ++i, advance(index, yd)) {
    const int64_t chosen = front_index(indices.get_int(i), xd[axis]);
    move(offset_of(index, strides) + (chosen - index[axis]) * strides[axis], i);
  }
}

void import_gather_elements(ImportContext& c) {
  c.output(0, c.add("GatherElements", {c.required(0), c.required(1)}, AxisAttrs{c.attr_int("axis", 0)}));
}

}  // namespace

OpSet gather_elements() {
  return {{{.name = "GatherElements",
            .attrs = ir::schema_of<AxisAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_gather_elements,
            .eval = eval_gather_elements}},
          {{"", "GatherElements", 11, import_gather_elements}}};
}

}  // namespace tenon::ops
