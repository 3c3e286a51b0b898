// LpNormalization, LRN, and MeanVarianceNormalization as core nodes.
#include <cmath>

#include "ops/import.h"
#include "ops/math/reduce.h"
#include "ops/nn/norm.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_lp(InferContext& c) {
  const LpNormAttrs& a = c.attrs<LpNormAttrs>();
  c.expect(a.p == 1 || a.p == 2, "p is ", a.p, ", accepted are 1 and 2");
  c.axis(a.axis, c.rank(0));
  c.output(0, c.dtype(0), c.shape(0));
}

void eval_lp(EvalContext& c) {
  const LpNormAttrs& a = c.attrs<LpNormAttrs>();
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  const AxisView v(x.dims(), normalized_axis(a.axis, x.dims().size()));
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < v.size; ++k) {
        const double e = x.get(v.at(o, k, i));
        sum += a.p == 1 ? std::fabs(e) : e * e;
      }
      const double norm = a.p == 1 ? sum : std::sqrt(sum);
      for (int64_t k = 0; k < v.size; ++k) y.set(v.at(o, k, i), norm == 0 ? 0 : x.get(v.at(o, k, i)) / norm);
    }
}

void infer_lrn(InferContext& c) {
  c.expect(c.rank(0) >= 2, "x has rank ", c.rank(0), ", accepted are ranks from 2");
  c.expect(c.attrs<LrnAttrs>().size >= 1, "size is ", c.attrs<LrnAttrs>().size, ", accepted are numbers from 1");
  c.output(0, c.dtype(0), c.shape(0));
}

void eval_lrn(EvalContext& c) {
  const LrnAttrs& a = c.attrs<LrnAttrs>();
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  const AxisView v(x.dims(), 1);
  // Wider windows than all channels hold all channels.
  const int64_t before = std::min((a.size - 1) / 2, v.size), after = std::min(a.size / 2, v.size);
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t k = 0; k < v.size; ++k)
      for (int64_t i = 0; i < v.inner; ++i) {
        double squares = 0;
        for (int64_t n = std::max<int64_t>(k - before, 0); n <= std::min(k + after, v.size - 1); ++n)
          squares += x.get(v.at(o, n, i)) * x.get(v.at(o, n, i));
        const double base = double(a.bias) + double(a.alpha) / double(a.size) * squares;
        y.set(v.at(o, k, i), x.get(v.at(o, k, i)) / std::pow(base, double(a.beta)));
      }
}

void import_lp(ImportContext& c) {
  c.output(0, c.add("LpNormalization", {c.required(0)}, LpNormAttrs{c.attr_int("axis", -1), c.attr_int("p", 2)}));
}

void import_lrn(ImportContext& c) {
  LrnAttrs a;
  a.size = c.attr_int("size", 0);
  a.alpha = c.attr_float("alpha", a.alpha);
  a.beta = c.attr_float("beta", a.beta);
  a.bias = c.attr_float("bias", a.bias);
  c.output(0, c.add("LRN", {c.required(0)}, a));
}

// y = d / (sqrt(mean(d * d)) + 1e-9) with d = x - mean(x)
void import_mean_variance(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  const std::vector<int64_t> axes = c.attr_ints("axes", {0, 2, 3});
  auto mean = [&](ir::ValueId v) { return c.add("Reduce", {v}, ReduceAttrs{ReduceKind::kMean, axes, true}); };
  const ir::ValueId d = c.add("Sub", {x, mean(x)});
  const ir::ValueId deviation = c.add("Sqrt", {mean(c.add("Mul", {d, d}))});
  c.output(0, c.add("Div", {d, c.add("Add", {deviation, c.constant(scalar(c.dtype(x), 1e-9))})}));
}

}  // namespace

OpSet lp_norm() {
  return {{{.name = "LpNormalization", .attrs = ir::schema_of<LpNormAttrs>(), .infer = infer_lp, .eval = eval_lp},
           {.name = "LRN", .attrs = ir::schema_of<LrnAttrs>(), .infer = infer_lrn, .eval = eval_lrn}},
          {{"", "LpNormalization", 1, import_lp},
           {"", "LRN", 1, import_lrn},
           {"", "MeanVarianceNormalization", 9, import_mean_variance}}};
}

}  // namespace tenon::ops
