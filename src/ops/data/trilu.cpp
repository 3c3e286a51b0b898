#include "ops/data/trilu.h"

#include <algorithm>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void infer_trilu(InferContext& c) {
  c.expect(c.rank(0) >= 2, "the input ", c.text(c.shape(0)), " must have rank 2 or more");
  c.output(0, c.dtype(0), c.shape(0));
}

// Diagonals beyond any tensor are clamped so that column - row - k stays in range.
int64_t clamp_diagonal(int64_t k) { return std::clamp<int64_t>(k, -(int64_t(1) << 60), int64_t(1) << 60); }

void eval_trilu(EvalContext& c) {
  const Tensor& x = c.input(0);
  const Dims& dims = x.dims();
  const bool upper = c.attrs<TriluAttrs>().upper;
  require(!c.has(1) || c.input(1).count() == 1, ErrorCode::kShapeMismatch, "k must have one element");
  const int64_t k = c.has(1) ? clamp_diagonal(c.input(1).get_int(0)) : 0;
  const ElementMover move(x, c.output(0, dims));
  const int64_t columns = dims.back(), rows = dims[dims.size() - 2];
  for (int64_t first = 0, row = 0; first < x.count(); first += columns, row = (row + 1) % rows) {
    const int64_t cut = std::clamp<int64_t>(upper ? row + k : row + k + 1, 0, columns);
    const int64_t from = first + (upper ? cut : 0), count = upper ? columns - cut : cut;
    if (count > 0) move(from, from, count);
  }
}

void import_trilu(ImportContext& c) {
  std::vector<ir::ValueId> inputs{c.required(0)};
  if (c.has(1)) inputs.push_back(c.input(1));
  c.output(0, c.add("Trilu", std::move(inputs), TriluAttrs{c.attr_int("upper", 1) != 0}));
}

void infer_eye_like(InferContext& c) {
  const auto& a = c.attrs<EyeLikeAttrs>();
  c.expect(c.rank(0) == 2, "the input ", c.text(c.shape(0)), " must have rank 2");
  c.output(0, a.dtype == DType::kUndefined ? c.dtype(0) : a.dtype, c.shape(0));
}

void eval_eye_like(EvalContext& c) {
  const int64_t k = clamp_diagonal(c.attrs<EyeLikeAttrs>().k);
  Tensor& y = c.output(0, c.input(0).dims());
  const int64_t columns = y.dims()[1];
  for (int64_t i = 0; i < y.count(); ++i)
    if (i % columns - i / columns == k) y.set(i, 1);
}

void import_eye_like(ImportContext& c) {
  EyeLikeAttrs a{c.attr_dtype("dtype", DType::kUndefined), c.attr_int("k", 0)};
  c.output(0, c.add("EyeLike", {c.required(0)}, a));
}

}  // namespace

OpSet trilu() {
  return {{{.name = "Trilu",
            .attrs = ir::schema_of<TriluAttrs>(),
            .max_inputs = 2,
            .infer = infer_trilu,
            .eval = eval_trilu},
           {.name = "EyeLike", .attrs = ir::schema_of<EyeLikeAttrs>(), .infer = infer_eye_like, .eval = eval_eye_like}},
          {{"", "Trilu", 14, import_trilu}, {"", "EyeLike", 9, import_eye_like}}};
}

}  // namespace tenon::ops
