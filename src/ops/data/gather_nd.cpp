#include "ops/data/gather_nd.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void check_ranks(int64_t batch, size_t data, size_t indices) {
  require(data >= 1 && indices >= 1 && batch >= 0 && batch < int64_t(std::min(data, indices)),
          ErrorCode::kShapeMismatch, "batch_dims is ", batch, " for data of rank ", data, " and indices of rank ",
          indices, ", accepted are 0 to the smaller rank - 1");
}

void infer_gather_nd(InferContext& c) {
  const int64_t batch = c.attrs<GatherNdAttrs>().batch_dims;
  const Shape &x = c.shape(0), &indices = c.shape(1);
  check_ranks(batch, x.size(), indices.size());
  for (size_t d = 0; d < size_t(batch); ++d)
    c.expect(may_equal(x[d], indices[d]), "data ", c.text(x), " and indices ", c.text(indices),
             " differ in batch axis ", d);
  if (!indices.back().is_const()) return c.output_unranked(0, c.dtype(0));
  const int64_t depth = indices.back().constant();
  c.expect(depth <= int64_t(x.size()) - batch, "indices ", c.text(indices), " name more axes than data ", c.text(x),
           " has");
  Shape y(indices.begin(), indices.end() - 1);
  y.insert(y.end(), x.begin() + batch + depth, x.end());
  c.output(0, c.dtype(0), std::move(y));
}

void eval_gather_nd(EvalContext& c) {
  const auto batch = c.attrs<GatherNdAttrs>().batch_dims;
  const Tensor &x = c.input(0), &indices = c.input(1);
  const Dims &xd = x.dims(), &id = indices.dims();
  check_ranks(batch, xd.size(), id.size());
  const auto b = size_t(batch), depth = size_t(id.back());
  require(depth <= xd.size() - b, ErrorCode::kShapeMismatch, "indices ", id, " name more axes than data ", xd, " has");
  for (size_t d = 0; d < b; ++d)
    require(xd[d] == id[d], ErrorCode::kShapeMismatch, "data ", xd, " and indices ", id, " differ in batch axis ", d);
  Dims yd(id.begin(), id.end() - 1);
  yd.insert(yd.end(), xd.begin() + int64_t(b + depth), xd.end());
  const ElementMover move(x, c.output(0, yd));
  const int64_t batches = count_between(id, 0, b), rows = count_between(id, b, id.size() - 1);
  const int64_t inner = count_between(xd, b + depth, xd.size()), batch_size = count_between(xd, b, xd.size());
  for (int64_t n = 0; n < batches; ++n)
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = n * rows + r;
      int64_t at = 0;
      for (size_t k = 0; k < depth; ++k)
        at = at * xd[b + k] + front_index(indices.get_int(row * int64_t(depth) + int64_t(k)), xd[b + k]);
      move(n * batch_size + at * inner, row * inner, inner);
    }
}

void import_gather_nd(ImportContext& c) {
  c.output(0, c.add("GatherND", {c.required(0), c.required(1)}, GatherNdAttrs{c.attr_int("batch_dims", 0)}));
}

}  // namespace

OpSet gather_nd() {
  return {{{.name = "GatherND",
            .attrs = ir::schema_of<GatherNdAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_gather_nd,
            .eval = eval_gather_nd}},
          {{"", "GatherND", 11, import_gather_nd}}};
}

}  // namespace tenon::ops
