#include "ops/data/tensor_scatter.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_tensor_scatter(InferContext& c) {
  const Shape &x = c.shape(0), &update = c.shape(1);
  c.expect(x.size() == update.size(), "cache ", c.text(x), " and update ", c.text(update), " differ in rank");
  c.expect(c.axis(c.attrs<TensorScatterAttrs>().axis, x.size()) > 0, "axis 0 is the batch and cannot be written along");
  c.expect(c.dtype(0) == c.dtype(1), "the update has type ", c.dtype(1), ", the cache has ", c.dtype(0));
  c.output(0, c.dtype(0), x);
}

void eval_tensor_scatter(EvalContext& c) {
  const auto& a = c.attrs<TensorScatterAttrs>();
  const Tensor &x = c.input(0), &update = c.input(1);
  const Dims &xd = x.dims(), &ud = update.dims();
  const size_t axis = normalized_axis(a.axis, xd.size());
  for (size_t d = 0; d < xd.size(); ++d)
    require(d == axis ? ud[d] <= xd[d] : ud[d] == xd[d], ErrorCode::kShapeMismatch, "the update ", ud,
            " does not fit into the cache ", xd, " along axis ", axis);
  require(!c.has(2) || c.input(2).count() == xd[0], ErrorCode::kShapeMismatch, "write indices ",
          c.has(2) ? c.input(2).dims() : Dims(), " do not match the batch ", xd[0]);
  Tensor& y = c.output(0, xd);
  ElementMover(x, y)(0, 0, x.count());
  const ElementMover move(update, y);
  const int64_t outer = count_between(xd, 0, axis), per_batch = count_between(xd, 1, axis);
  const int64_t inner = count_between(xd, axis + 1, xd.size()), length = ud[axis], room = xd[axis];
  for (int64_t o = 0; o < outer; ++o) {
    const int64_t first = c.has(2) ? c.input(2).get_int(o / per_batch) : 0;
    require(first >= 0 && (a.circular || first <= room - length), ErrorCode::kInvalidArgument, "write index ", first,
            " lies outside [0, ", room - length, "]");
    for (int64_t s = 0; s < length; ++s)
      move((o * length + s) * inner, (o * room + (first % room + s) % room) * inner, inner);
  }
}

void import_tensor_scatter(ImportContext& c) {
  const std::string mode = c.attr_string("mode", "linear");
  if (mode != "linear" && mode != "circular") c.fail("mode is '", mode, "', accepted are linear, circular");
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  if (c.has(2)) inputs.push_back(c.input(2));
  c.output(0,
           c.add("TensorScatter", std::move(inputs), TensorScatterAttrs{c.attr_int("axis", -2), mode == "circular"}));
}

}  // namespace

OpSet tensor_scatter() {
  return {{{.name = "TensorScatter",
            .attrs = ir::schema_of<TensorScatterAttrs>(),
            .min_inputs = 2,
            .max_inputs = 3,
            .infer = infer_tensor_scatter,
            .eval = eval_tensor_scatter}},
          {{"", "TensorScatter", 24, import_tensor_scatter}}};
}

}  // namespace tenon::ops
