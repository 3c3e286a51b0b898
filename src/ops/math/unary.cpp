// Element-wise functions of one input without attributes: y[i] = f(x[i]).
#include <algorithm>
#include <cmath>

#include "ops/import.h"
#include "ops/math/dim_arithmetic.h"
#include "ops/math/integer.h"
#include "ops/math/softplus.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

using Real = double (*)(double);
using Integer = int64_t (*)(int64_t, bool is_u64);  // 64-bit unsigned numbers come as their bits

int64_t same(int64_t x, bool) { return x; }
int64_t relu_int(int64_t x, bool u) { return !u && x < 0 ? 0 : x; }
int64_t sign_int(int64_t x, bool u) { return x == 0 ? 0 : !u && x < 0 ? -1 : 1; }
int64_t negate_int(int64_t x, bool) { return integer::sub(0, x); }
int64_t abs_int(int64_t x, bool u) { return !u && x < 0 ? integer::sub(0, x) : x; }

/// `Int` is null where integers are not accepted.
template <Integer Int>
void infer_number(InferContext& c) {
  const DType t = c.dtype(0);
  if constexpr (Int == nullptr)
    c.expect(ir::is_float(t), "the input has the type ", ir::name(t), ", accepted are floating-point types");
  else
    c.expect(ir::is_float(t) || ir::is_integer(t), "the input has the type ", ir::name(t), ", accepted are numbers");
  c.output(0, t, c.shape(0));
}

/// Floor, Ceil and Round leave whole numbers as they are; Neg of known elements is known.
template <bool Negate>
void infer_whole(InferContext& c) {
  infer_number<same>(c);
  auto elements = c.contents(0);
  if (!elements || c.dtype(0) == DType::kU64) return;
  try {
    if (Negate)
      for (Dim& d : *elements) d = c.dims().mul(d, -1);
  } catch (const Error&) {  // the lowest number has no opposite: nothing is known
    return;
  }
  for (Dim d : *elements)
    if (!keeps_value(c.dtype(0), d)) return;
  c.output_contents(0, std::move(*elements));
}

template <Real F, Integer Int>
void eval_number(EvalContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  if constexpr (Int != nullptr) {
    if (!ir::is_float(x.dtype())) {
      for (int64_t i = 0; i < x.count(); ++i) y.set_int(i, Int(x.get_int(i), x.dtype() == DType::kU64));
      return;
    }
  }
  if (x.dtype() == DType::kF64 && y.dtype() == DType::kF64)
    std::transform(x.as<double>(), x.as<double>() + x.count(), y.mutable_as<double>(), F);
  else
    for (int64_t i = 0; i < x.count(); ++i) y.set(i, F(x.get(i)));
}

template <Real F, Integer Int = nullptr>
OpDef unary_op(std::string_view name) {
  return {.name = name, .infer = infer_number<Int>, .eval = eval_number<F, Int>, .form = OpForm::kUnary};
}

double relu(double x) { return std::isnan(x) ? x : std::fmax(x, 0.0); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double reciprocal(double x) { return 1 / x; }
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double negate(double x) { return -x; }
double round_even(double x) { return std::nearbyint(x); }
double softsign(double x) { return x / (1 + std::fabs(x)); }
double mish(double x) { return x * std::tanh(softplus(x)); }
double hard_swish(double x) { return x * std::fmin(std::fmax(x / 6 + 0.5, 0.0), 1.0); }

template <bool Bool>
void infer_bits(InferContext& c) {
  const DType t = c.dtype(0);
  c.expect(Bool ? t == DType::kBool : ir::is_integer(t), "the input has the type ", ir::name(t), ", accepted ",
           Bool ? "is bool" : "are integers");
  c.output(0, t, c.shape(0));
  if (!Bool) return;
  auto elements = c.contents(0);
  if (!elements || !ir::is_static(*elements)) return;
  for (Dim& d : *elements) d = d.constant() == 0;
  c.output_contents(0, std::move(*elements));
}
template <bool Bool>
void eval_bits(EvalContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) y.set_int(i, Bool ? x.get_int(i) == 0 : ~x.get_int(i));
}
template <bool Bool>
OpDef bits_op(std::string_view name) {
  return {.name = name, .infer = infer_bits<Bool>, .eval = eval_bits<Bool>, .form = OpForm::kUnary};
}

void import_same_name(ImportContext& c) {
  // The rule's operator and the core operator share their name.
  c.output(0, c.add(c.node_op(), {c.required(0)}));
}

}  // namespace

OpSet unary() {
  OpSet set;
  set.ops = {
      unary_op<relu, relu_int>("Relu"),    unary_op<sigmoid>("Sigmoid"),
      unary_op<std::tanh>("Tanh"),         unary_op<std::exp>("Exp"),
      unary_op<std::log>("Log"),           unary_op<std::sqrt>("Sqrt"),
      unary_op<reciprocal>("Reciprocal"),  unary_op<std::fabs, abs_int>("Abs"),
      unary_op<sign, sign_int>("Sign"),    unary_op<negate, negate_int>("Neg"),
      unary_op<std::floor, same>("Floor"), unary_op<std::ceil, same>("Ceil"),
      unary_op<round_even, same>("Round"), unary_op<std::erf>("Erf"),
      unary_op<std::sin>("Sin"),           unary_op<std::cos>("Cos"),
      unary_op<std::tan>("Tan"),           unary_op<std::asin>("Asin"),
      unary_op<std::acos>("Acos"),         unary_op<std::atan>("Atan"),
      unary_op<std::sinh>("Sinh"),         unary_op<std::cosh>("Cosh"),
      unary_op<std::asinh>("Asinh"),       unary_op<std::acosh>("Acosh"),
      unary_op<std::atanh>("Atanh"),       unary_op<softplus>("Softplus"),
      unary_op<softsign>("Softsign"),      unary_op<mish>("Mish"),
      unary_op<hard_swish>("HardSwish"),   bits_op<true>("Not"),
      bits_op<false>("BitwiseNot"),
  };
  for (OpDef& op : set.ops) {
    if (op.name == "Neg") op.infer = infer_whole<true>;
    if (op.name == "Floor" || op.name == "Ceil" || op.name == "Round") op.infer = infer_whole<false>;
    set.rules.push_back({"", op.name, 1, import_same_name});
  }
  return set;
}

}  // namespace tenon::ops
