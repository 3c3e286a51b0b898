// Element-wise functions of two inputs: y = f(a, b) with numpy broadcasting.
#include "ops/math/binary.h"

#include <cmath>

#include "ops/import.h"
#include "ops/math/dim_arithmetic.h"
#include "ops/math/integer.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

enum class Accepts : uint8_t { kNumbers, kIntegers, kBool, kAll };

/// One function: on numbers in double, on integers exactly (bool as 0 and 1), on dimensions if shapes need it.
struct Fn {
  Accepts accepts;
  bool to_bool;
  double (*real)(double, double);
  int64_t (*integer)(int64_t, int64_t, bool is_u64);
  DimFn dims = nullptr;
};

bool accepted(Accepts accepts, DType t) {
  switch (accepts) {
    case Accepts::kNumbers:
      return ir::is_float(t) || ir::is_integer(t);
    case Accepts::kIntegers:
      return ir::is_integer(t);
    case Accepts::kBool:
      return t == DType::kBool;
    case Accepts::kAll:
      return ir::is_float(t) || ir::is_integer(t) || t == DType::kBool || t == DType::kString;
  }
  return false;
}

std::string_view accepted_text(Accepts accepts) {
  switch (accepts) {
    case Accepts::kNumbers:
      return "integers and floating-point numbers";
    case Accepts::kIntegers:
      return "integers";
    case Accepts::kBool:
      return "bool";
    case Accepts::kAll:
      return "numbers, bool and string";
  }
  return "";
}

template <const Fn& F>
void infer_binary(InferContext& c) {
  const DType a = c.dtype(0), b = c.dtype(1);
  c.expect(a == b, "the inputs have the types ", ir::name(a), " and ", ir::name(b), ", accepted are equal types");
  c.expect(accepted(F.accepts, a), "the inputs have the type ", ir::name(a), ", accepted are ",
           accepted_text(F.accepts));
  c.output(0, F.to_bool ? DType::kBool : a, c.broadcast(c.shape(0), c.shape(1)));
  propagate_contents(c, F.integer, F.dims);
}

Tensor equal_strings(const Tensor& a, const Tensor& b, Tensor y) {
  const BroadcastIndex ia(a.dims(), y.dims()), ib(b.dims(), y.dims());
  for (int64_t i = 0; i < y.count(); ++i) y.set_int(i, a.strings()[size_t(ia(i))] == b.strings()[size_t(ib(i))]);
  return y;
}

void apply(EvalContext& c, double (*real)(double, double), int64_t (*integer)(int64_t, int64_t, bool)) {
  const Tensor &a = c.input(0), &b = c.input(1);
  Tensor& y = c.output(0, broadcast_dims(a.dims(), b.dims()));
  if (a.dtype() == DType::kString) {
    y = equal_strings(a, b, y);
    return;
  }
  const BroadcastIndex ia(a.dims(), y.dims()), ib(b.dims(), y.dims());
  const bool is_u64 = a.dtype() == DType::kU64;
  if (a.dtype() == DType::kF64 && b.dtype() == DType::kF64 && y.dtype() == DType::kF64)
    for (int64_t i = 0; i < y.count(); ++i)
      y.mutable_as<double>()[i] = real(a.as<double>()[ia(i)], b.as<double>()[ib(i)]);
  else if (ir::is_float(a.dtype()) || ir::is_float(b.dtype()))
    for (int64_t i = 0; i < y.count(); ++i) y.set(i, real(a.get(ia(i)), b.get(ib(i))));
  else
    for (int64_t i = 0; i < y.count(); ++i) y.set_int(i, integer(a.get_int(ia(i)), b.get_int(ib(i)), is_u64));
}

template <const Fn& F>
void eval_binary(EvalContext& c) {
  apply(c, F.real, F.integer);
}

template <const Fn& F>
OpDef binary_op(std::string_view name) {
  return {.name = name,
          .min_inputs = 2,
          .max_inputs = 2,
          .infer = infer_binary<F>,
          .eval = eval_binary<F>,
          .form = OpForm::kBinary};
}

double fmod_real(double a, double b) { return std::fmod(a, b); }
double mod_real(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double min_real(double a, double b) { return std::isnan(a) || std::isnan(b) ? std::nan("") : std::fmin(a, b); }
double max_real(double a, double b) { return std::isnan(a) || std::isnan(b) ? std::nan("") : std::fmax(a, b); }

constexpr Fn kAdd{Accepts::kNumbers, false, [](double a, double b) { return a + b; }, integer::add, dim_add};
constexpr Fn kSub{Accepts::kNumbers, false, [](double a, double b) { return a - b; }, integer::sub, dim_sub};
constexpr Fn kMul{Accepts::kNumbers, false, [](double a, double b) { return a * b; }, integer::mul, dim_mul};
constexpr Fn kDiv{Accepts::kNumbers, false, [](double a, double b) { return a / b; }, integer::div, dim_div};
constexpr Fn kMin{Accepts::kNumbers, false, min_real, integer::min, dim_min};
constexpr Fn kMax{Accepts::kNumbers, false, max_real, integer::max, dim_max};
constexpr Fn kMod{Accepts::kNumbers, false, mod_real, integer::mod, dim_mod};
constexpr Fn kAnd{Accepts::kBool, false, nullptr, integer::bit_and};
constexpr Fn kOr{Accepts::kBool, false, nullptr, integer::bit_or};
constexpr Fn kXor{Accepts::kBool, false, nullptr, integer::bit_xor};
constexpr Fn kBitAnd{Accepts::kIntegers, false, nullptr, integer::bit_and};
constexpr Fn kBitOr{Accepts::kIntegers, false, nullptr, integer::bit_or};
constexpr Fn kBitXor{Accepts::kIntegers, false, nullptr, integer::bit_xor};
constexpr Fn kShift{Accepts::kIntegers, false, nullptr, integer::shift_left};
constexpr Fn kEqual{Accepts::kAll, true, [](double a, double b) { return double(a == b); },
                    [](int64_t a, int64_t b, bool) { return int64_t(a == b); }, dim_equal};
constexpr Fn kLess{Accepts::kNumbers, true, [](double a, double b) { return double(a < b); },
                   [](int64_t a, int64_t b, bool u) { return int64_t(integer::less(a, b, u)); }, dim_less};
constexpr Fn kLessEqual{Accepts::kNumbers, true, [](double a, double b) { return double(a <= b); },
                        [](int64_t a, int64_t b, bool u) { return int64_t(!integer::less(b, a, u)); }, dim_less_equal};
constexpr Fn kGreater{Accepts::kNumbers, true, [](double a, double b) { return double(a > b); },
                      [](int64_t a, int64_t b, bool u) { return int64_t(integer::less(b, a, u)); }, dim_greater};
constexpr Fn kGreaterEqual{Accepts::kNumbers, true, [](double a, double b) { return double(a >= b); },
                           [](int64_t a, int64_t b, bool u) { return int64_t(!integer::less(a, b, u)); },
                           dim_greater_equal};

void infer_mod(InferContext& c) {
  infer_binary<kMod>(c);
  if (c.attrs<ModAttrs>().fmod) propagate_contents(c, integer::fmod, nullptr);
}
void eval_mod(EvalContext& c) {
  c.attrs<ModAttrs>().fmod ? apply(c, fmod_real, integer::fmod) : apply(c, mod_real, integer::mod);
}

void infer_shift(InferContext& c) {
  infer_binary<kShift>(c);
  if (!c.attrs<BitShiftAttrs>().left) propagate_contents(c, integer::shift_right, nullptr);
}
void eval_shift(EvalContext& c) {
  apply(c, nullptr, c.attrs<BitShiftAttrs>().left ? integer::shift_left : integer::shift_right);
}

// The result has the type of the base; the exponent may have another.
void infer_pow(InferContext& c) {
  for (size_t i : {0u, 1u})
    c.expect(accepted(Accepts::kNumbers, c.dtype(i)), "input ", i, " has the type ", ir::name(c.dtype(i)),
             ", accepted are ", accepted_text(Accepts::kNumbers));
  c.output(0, c.dtype(0), c.broadcast(c.shape(0), c.shape(1)));
  propagate_contents(c, integer::pow, nullptr);
}
void eval_pow(EvalContext& c) { apply(c, std::pow, integer::pow); }

void import_binary(ImportContext& c) { c.output(0, c.add(c.node_op(), {c.required(0), c.required(1)})); }
void import_mod(ImportContext& c) {
  ModAttrs a;
  a.fmod = c.attr_int("fmod", 0) != 0;
  c.output(0, c.add("Mod", {c.required(0), c.required(1)}, a));
}
void import_shift(ImportContext& c) {
  const std::string direction = c.attr_string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    c.fail("direction is '", direction, "', accepted are LEFT and RIGHT");
  BitShiftAttrs a;
  a.left = direction == "LEFT";
  c.output(0, c.add("BitShift", {c.required(0), c.required(1)}, a));
}

ir::ValueId chain(ImportContext& c, std::string_view op) {
  ir::ValueId v = c.required(0);
  for (size_t i = 1; i < c.input_count(); ++i) v = c.add(op, {v, c.required(i)});
  return v;
}
void import_min_max(ImportContext& c) { c.output(0, chain(c, c.node_op())); }
void import_sum(ImportContext& c) { c.output(0, chain(c, "Add")); }
void import_mean(ImportContext& c) {
  const ir::ValueId sum = chain(c, "Add");
  if (c.input_count() == 1) return c.output(0, sum);
  const ir::ValueId n = c.constant(scalar(c.dtype(sum), double(c.input_count())));
  c.output(0, c.add("Div", {sum, n}));
}

}  // namespace

OpSet binary() {
  OpSet set;
  set.ops = {binary_op<kAdd>("Add"),
             binary_op<kSub>("Sub"),
             binary_op<kMul>("Mul"),
             binary_op<kDiv>("Div"),
             binary_op<kAnd>("And"),
             binary_op<kOr>("Or"),
             binary_op<kXor>("Xor"),
             binary_op<kBitAnd>("BitwiseAnd"),
             binary_op<kBitOr>("BitwiseOr"),
             binary_op<kBitXor>("BitwiseXor"),
             binary_op<kEqual>("Equal"),
             binary_op<kLess>("Less"),
             binary_op<kLessEqual>("LessOrEqual"),
             binary_op<kGreater>("Greater"),
             binary_op<kGreaterEqual>("GreaterOrEqual")};
  for (const OpDef& op : set.ops) set.rules.push_back({"", op.name, 7, import_binary});
  set.ops.push_back(binary_op<kMin>("Min"));
  set.ops.push_back(binary_op<kMax>("Max"));
  OpDef mod = binary_op<kMod>("Mod"), shift = binary_op<kShift>("BitShift"), power = binary_op<kAdd>("Pow");
  mod.attrs = ir::schema_of<ModAttrs>(), mod.infer = infer_mod, mod.eval = eval_mod;
  shift.attrs = ir::schema_of<BitShiftAttrs>(), shift.infer = infer_shift, shift.eval = eval_shift;
  power.infer = infer_pow, power.eval = eval_pow;
  set.ops.insert(set.ops.end(), {mod, shift, power});
  set.rules.insert(set.rules.end(), {{"", "Pow", 7, import_binary},
                                     {"", "Mod", 10, import_mod},
                                     {"", "BitShift", 11, import_shift},
                                     {"", "Min", 6, import_min_max},
                                     {"", "Max", 6, import_min_max},
                                     {"", "Sum", 6, import_sum},
                                     {"", "Mean", 6, import_mean}});
  return set;
}

}  // namespace tenon::ops
