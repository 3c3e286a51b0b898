// Det: determinants of the square matrices in the last two axes.
#include <cmath>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_det(InferContext& c) {
  Shape x = c.shape(0);
  const size_t r = x.size();
  c.expect(r >= 2 && (x[r - 1] == x[r - 2] || !x[r - 1].is_const() || !x[r - 2].is_const()), "the input is ", c.text(x),
           ", accepted are square matrices");
  x.resize(r - 2);
  c.output(0, c.dtype(0), x);
}

/// Elimination with the largest pivot of each column; destroys `m`.
double determinant(std::vector<double>& m, size_t n) {
  double det = 1;
  for (size_t k = 0; k < n; ++k) {
    size_t best = k;
    for (size_t i = k + 1; i < n; ++i)
      if (std::fabs(m[i * n + k]) > std::fabs(m[best * n + k])) best = i;
    if (m[best * n + k] == 0) return 0;
    if (best != k) {
      for (size_t j = 0; j < n; ++j) std::swap(m[k * n + j], m[best * n + j]);
      det = -det;
    }
    det *= m[k * n + k];
    for (size_t i = k + 1; i < n; ++i) {
      const double f = m[i * n + k] / m[k * n + k];
      for (size_t j = k; j < n; ++j) m[i * n + j] -= f * m[k * n + j];
    }
  }
  return det;
}

void eval_det(EvalContext& c) {
  const Tensor& x = c.input(0);
  Dims yd = x.dims();
  require(yd.size() >= 2 && yd[yd.size() - 2] == yd.back(), ErrorCode::kShapeMismatch, "x is ", yd,
          ", accepted are square matrices");
  const int64_t n = yd.back();
  yd.resize(yd.size() - 2);
  Tensor& y = c.output(0, yd);
  for (int64_t b = 0; b < y.count(); ++b) {
    std::vector<double> m(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n * n; ++i) m[size_t(i)] = x.get(b * n * n + i);
    y.set(b, determinant(m, size_t(n)));
  }
}

void import_det(ImportContext& c) { c.output(0, c.add("Det", {c.required(0)})); }

}  // namespace

OpSet det() { return {{{.name = "Det", .infer = infer_det, .eval = eval_det}}, {{"", "Det", 11, import_det}}}; }

}  // namespace tenon::ops
