// InstanceNormalization and GroupNormalization.
#include <cmath>

#include "ops/import.h"
#include "ops/nn/norm.h"
#include "ops/op.h"
#include "ops/shape/reshape.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_common(InferContext& c) {
  const Shape& x = c.shape(0);
  c.expect(x.size() >= 2, "x ", c.text(x), " has rank ", x.size(), ", accepted are ranks from 2");
  for (size_t i = 1; i < 3; ++i) {
    const Shape& p = c.shape(i);
    c.expect(p.size() == 1 && (p[0] == x[1] || !p[0].is_const() || !x[1].is_const()), i == 1 ? "scale is " : "bias is ",
             c.text(p), ", accepted is one number a channel of x ", c.text(x));
  }
  c.output(0, c.dtype(0), x);
}

void infer_group_norm(InferContext& c) {
  const int64_t groups = c.attrs<GroupNormAttrs>().num_groups;
  infer_common(c);
  const Dim channels = c.shape(0)[1];
  c.expect(groups >= 1 && (!channels.is_const() || channels.constant() % groups == 0), "num_groups is ", groups,
           ", accepted are divisors of the ", c.dims().text(channels), " channels");
}

void normalize(EvalContext& c, int64_t groups, double epsilon) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  const AxisView v(x.dims(), 1);
  const int64_t per_group = groups == 0 ? 0 : v.size / groups, length = per_group * v.inner;
  for (int64_t n = 0; n < v.outer; ++n)
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t first = v.at(n, g * per_group, 0);
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < length; ++i) sum += x.get(first + i);
      const double mean = sum / double(length);
      for (int64_t i = 0; i < length; ++i) squares += (x.get(first + i) - mean) * (x.get(first + i) - mean);
      const double inverse = 1 / std::sqrt(squares / double(length) + epsilon);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t channel = g * per_group + i / v.inner;
        y.set(first + i, (x.get(first + i) - mean) * inverse * c.input(1).get(channel) + c.input(2).get(channel));
      }
    }
}

void eval_instance_norm(EvalContext& c) {
  normalize(c, c.input(0).dims().at(1), double(c.attrs<InstanceNormAttrs>().epsilon));
}
void eval_group_norm(EvalContext& c) {
  const GroupNormAttrs& a = c.attrs<GroupNormAttrs>();
  normalize(c, a.num_groups, double(a.epsilon));
}

void import_instance_norm(ImportContext& c) {
  c.output(0, c.add("InstanceNormalization", {c.required(0), c.required(1), c.required(2)},
                    InstanceNormAttrs{c.attr_float("epsilon", 1e-5f)}));
}

void import_group_norm(ImportContext& c) {
  const GroupNormAttrs a{c.attr_int("num_groups", 0), c.attr_float("epsilon", 1e-5f)};
  c.output(0, c.add("GroupNormalization", {c.required(0), c.required(1), c.required(2)}, a));
}

// Opset 18 has one scale and one bias a group: each is repeated for the channels of its group.
void import_group_norm_18(ImportContext& c) {
  const GroupNormAttrs a{c.attr_int("num_groups", 0), c.attr_float("epsilon", 1e-5f)};
  const Shape x = c.shape(c.required(0));
  if (x.size() < 2 || !x[1].is_const()) c.fail("the number of channels must be constant");
  if (a.num_groups < 1 || x[1].constant() % a.num_groups != 0)
    c.fail("num_groups is ", a.num_groups, ", accepted are divisors of the ", x[1].constant(), " channels");
  auto ints = [&](std::vector<int64_t> v) { return c.constant(Tensor::vector_i64(v)); };
  auto repeat = [&](ir::ValueId v) {
    v = c.add("Reshape", {v, ints({a.num_groups, 1})}, ReshapeAttrs{});
    v = c.add("Expand", {v, ints({a.num_groups, x[1].constant() / a.num_groups})});
    return c.add("Reshape", {v, ints({-1})}, ReshapeAttrs{});
  };
  const ir::ValueId scale = repeat(c.required(1)), bias = repeat(c.required(2));
  c.output(0, c.add("GroupNormalization", {c.required(0), scale, bias}, a));
}

}  // namespace

OpSet group_norm() {
  return {{{.name = "InstanceNormalization",
            .attrs = ir::schema_of<InstanceNormAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_common,
            .eval = eval_instance_norm},
           {.name = "GroupNormalization",
            .attrs = ir::schema_of<GroupNormAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_group_norm,
            .eval = eval_group_norm}},
          {{"", "InstanceNormalization", 6, import_instance_norm},
           {"", "GroupNormalization", 18, import_group_norm_18},
           {"", "GroupNormalization", 21, import_group_norm}}};
}

}  // namespace tenon::ops
