// Element-wise functions of one input with parameters: y[i] = f(x[i], attributes).
#include "ops/math/activation.h"

#include <cmath>

#include "ops/import.h"
#include "ops/math/softplus.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_same(InferContext& c) {
  c.expect(ir::is_float(c.dtype(0)), "the input has the type ", ir::name(c.dtype(0)),
           ", accepted are floating-point types");
  c.output(0, c.dtype(0), c.shape(0));
}

template <class A, double (*F)(double, const A&)>
void eval_with(EvalContext& c) {
  const A& a = c.attrs<A>();
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) y.set(i, F(x.get(i), a));
}

template <class A, double (*F)(double, const A&)>
OpDef activation_op(std::string_view name) {
  return {
      .name = name, .attrs = ir::schema_of<A>(), .infer = infer_same, .eval = eval_with<A, F>, .form = OpForm::kUnary};
}

using One = AlphaAttrs;
using Two = AlphaBetaAttrs;

double leaky_relu(double x, const One& a) { return x < 0 ? double(a.alpha) * x : x; }
double elu(double x, const One& a) { return x < 0 ? double(a.alpha) * std::expm1(x) : x; }
double celu(double x, const One& a) { return x < 0 ? double(a.alpha) * std::expm1(x / double(a.alpha)) : x; }
double thresholded_relu(double x, const One& a) { return std::isnan(x) || x > double(a.alpha) ? x : 0; }
double swish(double x, const One& a) { return x / (1 + std::exp(-double(a.alpha) * x)); }
double hard_sigmoid(double x, const Two& a) {
  const double v = double(a.alpha) * x + double(a.beta);
  return std::isnan(v) ? v : std::fmin(std::fmax(v, 0.0), 1.0);
}
double selu(double x, const Two& a) { return double(a.beta) * (x < 0 ? double(a.alpha) * std::expm1(x) : x); }
double scaled_tanh(double x, const Two& a) { return double(a.alpha) * std::tanh(double(a.beta) * x); }
double affine(double x, const Two& a) { return double(a.alpha) * x + double(a.beta); }
double parametric_softplus(double x, const Two& a) { return double(a.alpha) * softplus(double(a.beta) * x); }
double shrink(double x, const ShrinkAttrs& a) {
  const double limit = a.lambd, bias = a.bias;
  return std::isnan(x) ? x : x < -limit ? x + bias : x > limit ? x - bias : 0;
}
double gelu(double x, const GeluAttrs& a) {
  if (a.approximate) return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
  return 0.5 * x * std::erfc(-x * 0.70710678118654752440);
}

/// Default of alpha by operator.
float default_alpha(std::string_view op) {
  return op == "LeakyRelu" ? 0.01f : op == "HardSigmoid" ? 0.2f : op == "Selu" ? 1.67326319217681884765625f : 1.0f;
}
void import_alpha(ImportContext& c) {
  const AlphaAttrs a{c.attr_float("alpha", default_alpha(c.node_op()))};
  if (c.node_op() == "Celu" && a.alpha == 0) c.fail("alpha is 0, accepted are other numbers");
  c.output(0, c.add(c.node_op(), {c.required(0)}, a));
}
void import_hard_sigmoid(ImportContext& c) {
  c.output(0, c.add("HardSigmoid", {c.required(0)}, Two{c.attr_float("alpha", 0.2f), c.attr_float("beta", 0.5f)}));
}
void import_selu(ImportContext& c) {
  const Two a{c.attr_float("alpha", default_alpha("Selu")), c.attr_float("gamma", 1.05070102214813232421875f)};
  c.output(0, c.add("Selu", {c.required(0)}, a));
}
void import_shrink(ImportContext& c) {
  c.output(0, c.add("Shrink", {c.required(0)}, ShrinkAttrs{c.attr_float("bias", 0), c.attr_float("lambd", 0.5f)}));
}
void import_gelu(ImportContext& c) {
  const std::string kind = c.attr_string("approximate", "none");
  if (kind != "none" && kind != "tanh") c.fail("approximate is '", kind, "', accepted are none and tanh");
  c.output(0, c.add("Gelu", {c.required(0)}, GeluAttrs{kind == "tanh"}));
}
void import_quick_gelu(ImportContext& c) {
  c.output(0, c.add("Swish", {c.required(0)}, One{c.attr_float("alpha", 1.702f)}));
}
template <bool Approximate>
void import_biased_gelu(ImportContext& c) {
  ir::ValueId x = c.required(0);
  if (c.has(1)) x = c.add("Add", {x, c.input(1)});
  c.output(0, c.add("Gelu", {x}, GeluAttrs{Approximate}));
}

}  // namespace

OpSet activation() {
  return {{activation_op<One, leaky_relu>("LeakyRelu"), activation_op<One, elu>("Elu"),
           activation_op<One, celu>("Celu"), activation_op<One, thresholded_relu>("ThresholdedRelu"),
           activation_op<One, swish>("Swish"), activation_op<Two, hard_sigmoid>("HardSigmoid"),
           activation_op<Two, selu>("Selu"), activation_op<Two, scaled_tanh>("ScaledTanh"),
           activation_op<Two, affine>("Affine"), activation_op<Two, parametric_softplus>("ParametricSoftplus"),
           activation_op<ShrinkAttrs, shrink>("Shrink"), activation_op<GeluAttrs, gelu>("Gelu")},
          {{"", "LeakyRelu", 6, import_alpha},
           {"", "Elu", 6, import_alpha},
           {"", "Celu", 12, import_alpha},
           {"", "ThresholdedRelu", 1, import_alpha},
           {"", "Swish", 24, import_alpha},
           {"", "HardSigmoid", 6, import_hard_sigmoid},
           {"", "Selu", 6, import_selu},
           {"", "Shrink", 9, import_shrink},
           {"", "Gelu", 20, import_gelu},
           {"com.microsoft", "Gelu", 1, import_biased_gelu<false>},
           {"com.microsoft", "BiasGelu", 1, import_biased_gelu<false>},
           {"com.microsoft", "FastGelu", 1, import_biased_gelu<true>},
           {"com.microsoft", "QuickGelu", 1, import_quick_gelu}}};
}

}  // namespace tenon::ops
