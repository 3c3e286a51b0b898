#include "ops/shape/transpose.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

/// The permutation in force for a tensor of `rank`. Throws unless every axis is named once.
std::vector<size_t> permutation(const TransposeAttrs& a, size_t rank) {
  std::vector<size_t> p(rank);
  if (a.perm.empty()) {
    for (size_t i = 0; i < rank; ++i) p[i] = rank - 1 - i;
    return p;
  }
  require(a.perm.size() == rank, ErrorCode::kShapeMismatch, "perm ", a.perm, " does not fit a tensor of rank ", rank);
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < rank; ++i) {
    p[i] = normalized_axis(a.perm[i], rank);
    require(!seen[p[i]], ErrorCode::kShapeMismatch, "perm ", a.perm, " names axis ", p[i], " twice");
    seen[p[i]] = true;
  }
  return p;
}

void infer_transpose(InferContext& c) {
  const Shape x = c.shape(0);
  const std::vector<size_t> perm = permutation(c.attrs<TransposeAttrs>(), x.size());
  Shape y;
  for (size_t axis : perm) y.push_back(x[axis]);
  const auto from = c.elements(0);
  c.output(0, c.dtype(0), y);
  if (!from || !ir::is_static(x)) return;
  const Dims yd = ir::static_dims(y), xs = ir::strides_of(ir::static_dims(x));
  Dims strides, index(yd.size(), 0);
  for (size_t axis : perm) strides.push_back(xs[axis]);
  std::vector<Dim> to;
  for (size_t i = 0; i < from->size(); ++i, advance(index, yd))
    to.push_back((*from)[size_t(offset_of(index, strides))]);
  c.output_elements(0, std::move(to));
}

void eval_transpose(EvalContext& c) {
  const Dims& x = c.input(0).dims();
  const Dims xs = ir::strides_of(x);
  Dims yd, strides;
  for (size_t axis : permutation(c.attrs<TransposeAttrs>(), x.size())) {
    yd.push_back(x[axis]);
    strides.push_back(xs[axis]);
  }
  Tensor& y = c.output(0, yd);
  const ElementMover move(c.input(0), y);
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(index, yd)) move(offset_of(index, strides), i);
}

void import_transpose(ImportContext& c) {
  c.output(0, c.add("Transpose", {c.required(0)}, TransposeAttrs{c.attr_ints("perm")}));
}

}  // namespace

OpSet transpose() {
  return {{{.name = "Transpose",
            .attrs = ir::schema_of<TransposeAttrs>(),
            .infer = infer_transpose,
            .eval = eval_transpose}},
          {{"", "Transpose", 1, import_transpose}}};
}

}  // namespace tenon::ops
