#include "ops/fused/scaled_conv.h"

#include <algorithm>

#include "ops/fused/epilogue.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

constexpr size_t kScale = 3, kExtras = 4;

void infer_scaled_conv(InferContext& c) {
  const Shape &x = c.shape(0), &w = c.shape(1);
  c.expect(x.size() >= 3, "x ", c.text(x), " must have rank 3 or more");
  const bool matrix =
      w.size() >= 2 && w[1] == x.back() && std::all_of(w.begin() + 2, w.end(), [](Dim d) { return d == 1; });
  c.expect(matrix, "the weights ", c.text(w), " must have ", c.dims().text(x.back()), " channels and no window");
  c.expect(!c.has(2) || c.shape(2) == Shape{w[0]}, "the bias ", c.has(2) ? c.text(c.shape(2)) : "", " must be [",
           c.dims().text(w[0]), "]");
  Shape scale = x;
  std::fill(scale.begin() + 1, scale.end() - 1, Dim(1));
  c.expect(c.shape(kScale) == scale, "the factors ", c.text(c.shape(kScale)), " must be ", c.text(scale));
  c.expect(c.dtype(kScale) == c.dtype(0) || c.dtype(kScale) == DType::kF32, "the factors are ", c.dtype(kScale),
           ", x is ", c.dtype(0), ", accepted are its type and f32");
  Shape y = x;
  y.back() = w[0];
  c.output(0, c.dtype(0), y);
}

void eval_scaled_conv(EvalContext& c) {
  const Tensor &x = c.input(0), &w = c.input(1), &scale = c.input(kScale);
  const int64_t channels = x.dims().back(), columns = w.dims()[0], batch = x.dims()[0];
  const int64_t pixels = x.count() == 0 ? 0 : x.count() / channels / batch;
  const std::vector<double> weights = w.to_doubles();
  const std::vector<double> bias = c.has(2) ? c.input(2).to_doubles() : std::vector<double>(size_t(columns), 0);
  std::vector<double> row(static_cast<size_t>(channels)), y;
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t k = 0; k < channels; ++k)
        row[size_t(k)] = x.get((n * pixels + p) * channels + k) * scale.get(n * channels + k);
      for (int64_t m = 0; m < columns; ++m) {
        double sum = bias[size_t(m)];
        for (int64_t k = 0; k < channels; ++k) sum += row[size_t(k)] * weights[size_t(m * channels + k)];
        y.push_back(sum);
      }
    }
  Dims dims = x.dims();
  dims.back() = columns;
  store_with_epilogue(c, c.attrs<ScaledConvAttrs>().epilogue, kExtras, y, dims);
}

}  // namespace

OpSet scaled_conv() {
  return {{{.name = "ScaledConv",
            .attrs = ir::schema_of<ScaledConvAttrs>(),
            .min_inputs = 4,
            .max_inputs = 16,
            .infer = infer_scaled_conv,
            .eval = eval_scaled_conv}},
          {}};
}

}  // namespace tenon::ops
