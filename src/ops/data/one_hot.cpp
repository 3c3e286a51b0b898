// OneHot. Inputs: indices, depth (one element), values [off, on]. A new axis of `depth` entries is put at `axis` of the
// output; an index outside [-depth, depth) selects nothing. Attributes: AxisAttrs.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_one_hot(InferContext& c) {
  Shape y = c.shape(0);
  const size_t axis = c.axis(c.attrs<AxisAttrs>().axis, y.size() + 1);
  const auto known = c.contents(1);
  Dim depth = known && known->size() == 1 ? (*known)[0] : Dim(-1);
  if (const Tensor* t = c.constant(1); t && t->count() == 1)
    depth = t->get_int(0);
  else if (!known)
    depth = c.unknown();
  y.insert(y.begin() + int64_t(axis), depth);
  c.output(0, c.dtype(2), std::move(y));
}

void eval_one_hot(EvalContext& c) {
  const Tensor &indices = c.input(0), &values = c.input(2);
  require(c.input(1).count() == 1, ErrorCode::kShapeMismatch, "depth has ", c.input(1).count(),
          " elements, accepted is 1");
  require(values.count() == 2, ErrorCode::kShapeMismatch, "values have ", values.count(), " elements, accepted are 2");
  const int64_t depth = c.input(1).get_int(0);
  require(depth >= 0, ErrorCode::kInvalidArgument, "depth is ", depth, ", accepted are numbers from 0");
  Dims yd = indices.dims();
  const size_t axis = normalized_axis(c.attrs<AxisAttrs>().axis, yd.size() + 1);
  yd.insert(yd.begin() + int64_t(axis), depth);
  const ElementMover move(values, c.output(0, yd));
  const int64_t outer = count_between(yd, 0, axis), inner = count_between(yd, axis + 1, yd.size());
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      int64_t on = indices.get_int(o * inner + i);
      if (on < 0 && on >= -depth) on += depth;
      for (int64_t d = 0; d < depth; ++d) move(d == on, (o * depth + d) * inner + i);
    }
}

void import_one_hot(ImportContext& c) {
  c.output(0, c.add("OneHot", {c.required(0), c.required(1), c.required(2)}, AxisAttrs{c.attr_int("axis", -1)}));
}

}  // namespace

OpSet one_hot() {
  return {{{.name = "OneHot",
            .attrs = ir::schema_of<AxisAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_one_hot,
            .eval = eval_one_hot}},
          {{"", "OneHot", 9, import_one_hot}}};
}

}  // namespace tenon::ops
