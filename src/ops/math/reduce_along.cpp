#include "ops/math/reduce_along.h"

#include <numeric>

#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

/// Shape inference of dims that depend on which axes come.
void infer_unknown_axes(InferContext& c, const Shape& length) {
  const auto& a = c.attrs<ReduceAlongAttrs>();
  size_t rank = c.rank(0);
  if (!a.keepdims) {
    if (!length[0].is_const()) return c.output_unranked(0, c.dtype(0));
    const auto n = size_t(length[0].constant());
    c.expect(n <= rank, n, " axes are reduced of ", c.text(c.shape(0)));
    rank = n > 0 ? rank - n : a.noop_with_empty_axes ? rank : 0;
  }
  Shape y;
  for (size_t i = 0; i < rank; ++i) y.push_back(c.unknown());
  c.output(0, c.dtype(0), std::move(y));
}

ReduceAttrs resolve(const ReduceAlongAttrs& a, std::vector<int64_t> axes, size_t rank) {
  if (axes.empty() && !a.noop_with_empty_axes) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), 0);
  }
  return {a.kind, std::move(axes), a.keepdims};
}

void infer_reduce_along(InferContext& c) {
  const auto& a = c.attrs<ReduceAlongAttrs>();
  const Shape x = c.shape(0), length = c.shape(1);
  c.expect(length.size() == 1, "axes ", c.text(length), " must be a vector");
  const auto axes = c.ints(1);
  if (!axes) return infer_unknown_axes(c, length);
  const ReduceAttrs known = resolve(a, *axes, x.size());
  std::vector<bool> gone(x.size(), false);
  for (size_t i : normalized_axes(known.axes, x.size())) gone[i] = true;
  Shape y;
  for (size_t i = 0; i < x.size(); ++i)
    if (!gone[i] || a.keepdims) y.push_back(gone[i] ? Dim(1) : x[i]);
  c.output(0, c.dtype(0), std::move(y));
}

void eval_reduce_along(EvalContext& c) {
  const auto& a = c.attrs<ReduceAlongAttrs>();
  ir::Node node = c.node();
  node.op = "Reduce";
  node.attrs = resolve(a, c.input(1).to_ints(), c.input(0).dims().size());
  c.outputs = eval_node(node, {c.input(0)}, {c.output_type(0)});
}

}  // namespace

OpSet reduce_along() {
  return {{{.name = "ReduceAlong",
            .attrs = ir::schema_of<ReduceAlongAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_reduce_along,
            .eval = eval_reduce_along}},
          {}};
}

}  // namespace tenon::ops
