#include "ops/nn/batch_norm.h"

#include <cmath>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

constexpr std::string_view kNames[] = {"x", "scale", "bias", "mean", "variance"};

void infer_batch_norm(InferContext& c) {
  const Shape& x = c.shape(0);
  c.expect(x.size() >= 2, "x ", c.text(x), " has rank ", x.size(), ", accepted are ranks from 2");
  for (size_t i = 1; i < 5; ++i) {
    const Shape& p = c.shape(i);
    c.expect(p.size() == 1 && (p[0] == x[1] || !p[0].is_const() || !x[1].is_const()), kNames[i], " is ", c.text(p),
             ", accepted is one number a channel of x ", c.text(x));
  }
  c.output(0, c.dtype(0), x);
}

void eval_batch_norm(EvalContext& c) {
  const Tensor& x = c.input(0);
  const double epsilon = c.attrs<BatchNormAttrs>().epsilon;
  Tensor& y = c.output(0, x.dims());
  const AxisView v(x.dims(), 1);
  for (int64_t n = 0; n < v.outer; ++n)
    for (int64_t k = 0; k < v.size; ++k) {
      const double scale = c.input(1).get(k), bias = c.input(2).get(k), mean = c.input(3).get(k);
      const double factor = scale / std::sqrt(c.input(4).get(k) + epsilon);
      for (int64_t i = 0; i < v.inner; ++i) y.set(v.at(n, k, i), (x.get(v.at(n, k, i)) - mean) * factor + bias);
    }
}

void import_batch_norm(ImportContext& c) {
  if (c.attr_int("training_mode", 0) != 0) c.fail("training_mode is 1, accepted is 0 (inference)");
  if (c.attr_int("spatial", 1) != 1) c.fail("spatial is 0, accepted is 1 (statistics of a channel)");
  BatchNormAttrs a;
  a.epsilon = c.attr_float("epsilon", 1e-5f);
  c.output(0,
           c.add("BatchNormalization", {c.required(0), c.required(1), c.required(2), c.required(3), c.required(4)}, a));
}

}  // namespace

OpSet batch_norm() {
  return {{{.name = "BatchNormalization",
            .attrs = ir::schema_of<BatchNormAttrs>(),
            .min_inputs = 5,
            .max_inputs = 5,
            .infer = infer_batch_norm,
            .eval = eval_batch_norm}},
          {{"", "BatchNormalization", 7, import_batch_norm}}};
}

}  // namespace tenon::ops
