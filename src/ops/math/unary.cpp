// Element-wise functions of one input without attributes: y[i] = f(x[i]).
#include <cmath>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void same_type(InferContext& c) { c.output(0, c.dtype(0), c.shape(0)); }

template <double (*F)(double)>
void eval_unary(EvalContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) y.set(i, F(x.get(i)));
}

template <double (*F)(double)>
OpDef unary_op(std::string_view name) {
  return {.name = name, .infer = same_type, .eval = eval_unary<F>, .form = OpForm::kUnary};
}

void import_same_name(ImportContext& c) {
  // The rule's operator and the core operator share their name.
  c.output(0, c.add(c.node_op(), {c.required(0)}));
}

double relu(double x) { return std::isnan(x) ? x : std::fmax(x, 0.0); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double reciprocal(double x) { return 1 / x; }
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double round_even(double x) { return std::nearbyint(x); }
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double softsign(double x) { return x / (1 + std::fabs(x)); }
double mish(double x) { return x * std::tanh(softplus(x)); }
double hard_swish(double x) { return x * std::fmin(std::fmax(x / 6 + 0.5, 0.0), 1.0); }

}  // namespace

OpSet unary() {
  OpSet set;
  set.ops = {
      unary_op<relu>("Relu"), unary_op<sigmoid>("Sigmoid"), unary_op<std::tanh>("Tanh"), unary_op<std::exp>("Exp"),
      unary_op<std::log>("Log"), unary_op<std::sqrt>("Sqrt"), unary_op<reciprocal>("Reciprocal"),
      unary_op<std::fabs>("Abs"), unary_op<std::floor>("Floor"), unary_op<std::ceil>("Ceil"),
      unary_op<round_even>("Round"), unary_op<std::erf>("Erf"), unary_op<std::sin>("Sin"), unary_op<std::cos>("Cos"),
      unary_op<std::tan>("Tan"), unary_op<std::asin>("Asin"), unary_op<std::acos>("Acos"),
      unary_op<std::atan>("Atan"), unary_op<std::sinh>("Sinh"), unary_op<std::cosh>("Cosh"),
      unary_op<std::asinh>("Asinh"), unary_op<std::acosh>("Acosh"), unary_op<std::atanh>("Atanh"),
      unary_op<sign>("Sign"), unary_op<softplus>("Softplus"), unary_op<softsign>("Softsign"), unary_op<mish>("Mish"),
      unary_op<hard_swish>("HardSwish"),
  };
  for (const OpDef& op : set.ops) set.rules.push_back({"", op.name, 1, import_same_name});
  return set;
}

}  // namespace tenon::ops
