#include "ops/fused/squeeze_excite.h"

#include <algorithm>

#include "ops/fused/epilogue.h"
#include "ops/fused/pointwise_program.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void expect_matrix(InferContext& c, size_t input, Dim rows, Dim columns) {
  const Shape& w = c.shape(input);
  const bool fits = w.size() >= 2 && w[0] == rows && w[1] == columns &&
                    std::all_of(w.begin() + 2, w.end(), [](Dim d) { return d == 1; });
  c.expect(fits, "operand ", input, " ", c.text(w), " must be [", c.dims().text(rows), ", ", c.dims().text(columns),
           "] and axes of 1");
}

void expect_bias(InferContext& c, size_t input, Dim count) {
  c.expect(c.shape(input) == Shape{count}, "operand ", input, " ", c.text(c.shape(input)), " must be [",
           c.dims().text(count), "]");
}

void infer_squeeze_excite(InferContext& c) {
  const auto& a = c.attrs<SqueezeExciteAttrs>();
  for (const std::string& program : {a.inner, a.outer}) {
    if (program.empty()) continue;
    const PointwiseProgram p = parse_pointwise(program);
    c.expect(p.input_count <= 1 && p.results.size() == 1, "'", program, "' must have one operand and one result");
  }
  const Shape& x = c.shape(0);
  c.expect(x.size() >= 3, "x ", c.text(x), " must have rank 3 or more");
  const Shape& w1 = c.shape(1);
  c.expect(w1.size() >= 2, "operand 1 ", c.text(w1), " must have rank 2 or more");
  expect_matrix(c, 1, w1[0], x.back());
  expect_bias(c, 2, w1[0]);
  expect_matrix(c, 3, x.back(), w1[0]);
  expect_bias(c, 4, x.back());
  Shape y = x;
  for (size_t i = 1; i + 1 < y.size(); ++i) y[i] = 1;
  c.output(0, c.dtype(0), y);
}

double apply(const PointwiseProgram& program, bool present, double v) {
  if (!present) return v;
  std::vector<double> temps(program.instrs.size());
  double result = 0;
  eval_pointwise(program, &v, temps.data(), &result);
  return result;
}

/// w v + bias, for w [rows, v.size()].
std::vector<double> product(const Tensor& w, const Tensor& bias, const std::vector<double>& v) {
  std::vector<double> y = bias.to_doubles();
  for (size_t r = 0; r < y.size(); ++r)
    for (size_t k = 0; k < v.size(); ++k) y[r] += w.get(int64_t(r * v.size() + k)) * v[k];
  return y;
}

void eval_squeeze_excite(EvalContext& c) {
  const auto& a = c.attrs<SqueezeExciteAttrs>();
  const Tensor& x = c.input(0);
  const int64_t batch = x.dims()[0], channels = x.dims().back();
  const int64_t positions = batch * channels == 0 ? 0 : x.count() / batch / channels;
  const PointwiseProgram inner = a.inner.empty() ? PointwiseProgram() : parse_pointwise(a.inner);
  std::vector<double> sums;
  for (int64_t n = 0; n < batch; ++n) {
    std::vector<double> means(static_cast<size_t>(channels));
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t k = 0; k < channels; ++k) means[size_t(k)] += x.get((n * positions + p) * channels + k);
    for (double& m : means) m /= double(positions);
    std::vector<double> hidden = product(c.input(1), c.input(2), means);
    for (double& h : hidden) h = apply(inner, !a.inner.empty(), h);
    const std::vector<double> y = product(c.input(3), c.input(4), hidden);
    sums.insert(sums.end(), y.begin(), y.end());
  }
  Dims dims = x.dims();
  std::fill(dims.begin() + 1, dims.end() - 1, 1);
  store_with_epilogue(c, a.outer, 5, sums, dims);
}

}  // namespace

OpSet squeeze_excite() {
  return {{{.name = "SqueezeExcite",
            .attrs = ir::schema_of<SqueezeExciteAttrs>(),
            .min_inputs = 5,
            .max_inputs = 5,
            .infer = infer_squeeze_excite,
            .eval = eval_squeeze_excite}},
          {}};
}

}  // namespace tenon::ops
