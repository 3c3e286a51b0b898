#include "ops/nn/batch_norm.h"

#include <cmath>

#include "ops/import.h"
#include "ops/math/reduce.h"
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

ir::ValueId add_batch_norm(ImportContext& c, ir::ValueId mean, ir::ValueId variance) {
  const BatchNormAttrs a{c.attr_float("epsilon", 1e-5f)};
  return c.add("BatchNormalization", {c.required(0), c.required(1), c.required(2), mean, variance}, a);
}

// With training_mode the statistics are those of x, and running ones are old * momentum + new * (1 - momentum).
void import_training(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  ReduceAttrs over{ReduceKind::kMean, {}, true};
  const size_t rank = c.shape(x).size();
  for (size_t i = 0; i < rank; ++i)
    if (i != 1) over.axes.push_back(int64_t(i));
  const ir::ValueId center = c.add("Reduce", {x}, over), d = c.add("Sub", {x, center});
  over.keepdims = false;
  const ir::ValueId mean = c.add("Reduce", {x}, over), variance = c.add("Reduce", {c.add("Mul", {d, d})}, over);
  c.output(0, add_batch_norm(c, mean, variance));
  const float momentum = c.attr_float("momentum", 0.9f);
  auto running = [&](ir::ValueId old, ir::ValueId now) {
    const DType t = c.dtype(old);
    return c.add("Add", {c.add("Mul", {old, c.constant(scalar(t, momentum))}),
                         c.add("Mul", {now, c.constant(scalar(t, 1 - double(momentum)))})});
  };
  if (c.output_count() > 1) c.output(1, running(c.required(3), mean));
  if (c.output_count() > 2) c.output(2, running(c.required(4), variance));
}

void import_batch_norm(ImportContext& c) {
  if (c.attr_int("spatial", 1) != 1) c.fail("spatial is 0, accepted is 1 (statistics of a channel)");
  if (c.attr_int("training_mode", 0) != 0) return import_training(c);
  c.output(0, add_batch_norm(c, c.required(3), c.required(4)));
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
