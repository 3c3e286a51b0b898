// Gather: entries of one axis chosen by a tensor of indices. Attributes: AxisAttrs. Inputs: data, indices.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_gather(InferContext& c) {
  const Shape &x = c.shape(0), &indices = c.shape(1);
  const size_t axis = c.axis(c.attrs<AxisAttrs>().axis, x.size());
  c.expect(ir::is_integer(c.dtype(1)), "indices have type ", c.dtype(1), ", accepted are integers");
  Shape y(x.begin(), x.begin() + int64_t(axis));
  y.insert(y.end(), indices.begin(), indices.end());
  y.insert(y.end(), x.begin() + int64_t(axis) + 1, x.end());
  std::optional<std::vector<Dim>> taken;
  const auto data = c.contents(0);
  const auto chosen = c.ints(1);
  if (chosen && x[axis].is_const())
    for (int64_t i : *chosen) front_index(i, x[axis].constant());
  if (data && chosen && x.size() == 1) {
    taken.emplace();
    for (int64_t i : *chosen) taken->push_back((*data)[size_t(front_index(i, int64_t(data->size())))]);
  }
  c.output(0, c.dtype(0), std::move(y));
  if (taken) c.output_contents(0, std::move(*taken));
}

void eval_gather(EvalContext& c) {
  const Tensor &x = c.input(0), &indices = c.input(1);
  const Dims& xd = x.dims();
  const size_t axis = normalized_axis(c.attrs<AxisAttrs>().axis, xd.size());
  Dims yd(xd.begin(), xd.begin() + int64_t(axis));
  yd.insert(yd.end(), indices.dims().begin(), indices.dims().end());
  yd.insert(yd.end(), xd.begin() + int64_t(axis) + 1, xd.end());
  const ElementMover move(x, c.output(0, yd));
  const int64_t outer = count_between(xd, 0, axis), inner = count_between(xd, axis + 1, xd.size());
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < indices.count(); ++i, at += inner)
      move((o * xd[axis] + front_index(indices.get_int(i), xd[axis])) * inner, at, inner);
}

void import_gather(ImportContext& c) {
  c.output(0, c.add("Gather", {c.required(0), c.required(1)}, AxisAttrs{c.attr_int("axis", 0)}));
}

}  // namespace

OpSet gather() {
  return {{{.name = "Gather",
            .attrs = ir::schema_of<AxisAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_gather,
            .eval = eval_gather}},
          {{"", "Gather", 1, import_gather}}};
}

}  // namespace tenon::ops
