// Expand and Tile: repetition along axes. Inputs: data, shape or repeats (integer vector).
#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

/// Length of the integer vector at input 1. Throws if it is not known.
size_t vector_length(InferContext& c) {
  const Shape& s = c.shape(1);
  c.expect(s.size() == 1, "input 1 ", c.text(s), " must have rank 1");
  return rank_from(c, s[0]);
}

void repeat_contents(InferContext& c, const std::optional<std::vector<Dim>>& from, const Shape& y) {
  if (!from || from->empty() || y.size() > 1) return;
  if (y.empty()) return c.output_contents(0, *from);
  if (!y[0].is_const() || y[0].constant() > 4096) return;
  std::vector<Dim> repeated;
  for (int64_t i = 0; i < y[0].constant(); ++i) repeated.push_back((*from)[size_t(i) % from->size()]);
  c.output_contents(0, std::move(repeated));
}

void infer_expand(InferContext& c) {
  const Shape x = c.shape(0);
  const auto from = c.contents(0);
  Shape y;
  if (auto wanted = c.contents(1)) {
    y = c.broadcast(x, *wanted);
  } else {
    for (size_t i = std::max(vector_length(c), x.size()); i > 0; --i) y.push_back(c.unknown());
  }
  c.output(0, c.dtype(0), y);
  repeat_contents(c, from, y);
}

void eval_expand(EvalContext& c) {
  const Tensor& x = c.input(0);
  const Dims yd = broadcast_dims(x.dims(), c.input(1).to_ints());
  Tensor& y = c.output(0, yd);
  const BroadcastIndex from(x.dims(), yd);
  const ElementMover move(x, y);
  for (int64_t i = 0; i < y.count(); ++i) move(from(i), i);
}

void infer_tile(InferContext& c) {
  Shape y = c.shape(0);
  const auto from = c.contents(0);
  if (auto repeats = c.contents(1)) {
    c.expect(repeats->size() == y.size(), repeats->size(), " repeats are given for an input of rank ", y.size());
    for (size_t i = 0; i < y.size(); ++i) y[i] = c.dims().mul(y[i], (*repeats)[i]);
  } else {
    for (Dim& d : y) d = c.unknown();
  }
  c.output(0, c.dtype(0), y);
  repeat_contents(c, from, y);
}

void eval_tile(EvalContext& c) {
  const Tensor& x = c.input(0);
  const std::vector<int64_t> repeats = c.input(1).to_ints();
  Dims yd = x.dims();
  require(repeats.size() == yd.size(), ErrorCode::kShapeMismatch, repeats.size(),
          " repeats are given for an input of rank ", yd.size());
  for (size_t i = 0; i < yd.size(); ++i) yd[i] = checked_mul(yd[i], repeats[i]);
  Tensor& y = c.output(0, yd);
  const ElementMover move(x, y);
  const Dims strides = ir::strides_of(x.dims());
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(index, yd)) {
    int64_t at = 0;
    for (size_t d = 0; d < yd.size(); ++d) at += index[d] % x.dims()[d] * strides[d];
    move(at, i);
  }
}

void import_two(ImportContext& c) { c.output(0, c.add(c.node_op(), {c.required(0), c.required(1)})); }

}  // namespace

OpSet expand() {
  return {{{.name = "Expand", .min_inputs = 2, .max_inputs = 2, .infer = infer_expand, .eval = eval_expand},
           {.name = "Tile", .min_inputs = 2, .max_inputs = 2, .infer = infer_tile, .eval = eval_tile}},
          {{"", "Expand", 8, import_two}, {"", "Tile", 6, import_two}}};
}

}  // namespace tenon::ops
