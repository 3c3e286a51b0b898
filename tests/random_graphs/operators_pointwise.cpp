// Elementwise operators, casts and selections.
#include "operators.h"

namespace tenon::random_graphs {
namespace {

void unary(Sketch& s) {
  static const std::vector<const char*> kOps = {"Relu",  "Sigmoid",   "Tanh",        "Softplus", "Softsign",  "Erf",
                                                "Neg",   "Abs",       "Exp",         "Sin",      "Cos",       "Atan",
                                                "Asinh", "Sinh",      "Cosh",        "Identity", "HardSwish", "Elu",
                                                "Selu",  "LeakyRelu", "HardSigmoid", "Celu"};
  s.add(s.draw.pick(kOps), {s.pick_float()});
}

void unary_with_settings(Sketch& s) {
  const std::string x = s.pick_float();
  const double a = 0.05 + s.draw.unit();
  switch (s.draw.below(8)) {
    case 0:
      s.add("LeakyRelu", {x}, {attribute("alpha", a)});
      return;
    case 1:
      s.add("Elu", {x}, {attribute("alpha", a)});
      return;
    case 2:
      s.add("HardSigmoid", {x}, {attribute("alpha", a), attribute("beta", 0.3)});
      return;
    case 3:
      s.add("Celu", {x}, {attribute("alpha", a)});
      return;
    case 4:
      s.add("ThresholdedRelu", {x}, {attribute("alpha", a)});
      return;
    case 5:
      s.add("Shrink", {x}, {attribute("lambd", a), attribute("bias", 0.2)});
      return;
    case 6:
      s.opset >= 20 ? s.add("Gelu", {x}, {attribute("approximate", std::string(s.draw.one_in(2) ? "none" : "tanh"))})
                    : s.add("Selu", {x}, {attribute("gamma", a)});
      return;
    default:
      s.opset >= 18 ? s.add("Mish", {x}) : s.add("Softplus", {x});
  }
}

/// Functions of positive numbers, and those of (-1, 1).
void unary_of_range(Sketch& s) {
  std::string x = s.pick_float();
  const DType type = s.dtype(x);
  if (s.draw.one_in(2)) {
    x = s.add("Add", {s.add("Abs", {x}), s.number(type, 0.5)});
    static const std::vector<const char*> kOps = {"Sqrt", "Log", "Reciprocal"};
    s.add(s.draw.pick(kOps), {x});
    return;
  }
  x = s.add("Mul", {s.add("Tanh", {x}), s.number(type, 0.9)});
  static const std::vector<const char*> kOps = {"Asin", "Acos", "Atanh", "Tan"};
  s.add(s.draw.pick(kOps), {x});
}

void clip(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return ir::is_float(v.dtype) || v.dtype == DType::kI32; });
  const std::string low = s.draw.one_in(3) ? "" : s.number(s.dtype(x), s.draw.below(2) ? 0 : -0.75);
  const std::string high = s.draw.one_in(3) ? "" : s.number(s.dtype(x), s.draw.below(2) ? 6 : 0.8);
  high.empty() ? s.add("Clip", {x, low}) : s.add("Clip", {x, low, high});
}

void prelu(Sketch& s) {
  const std::string x = s.pick_float(1);
  const Dims dims = s.shape(x);
  Dims slope(dims.size(), 1);
  if (s.draw.one_in(2) && slope.size() > 1) slope.erase(slope.begin());
  if (dims.size() > 1 && dims[1] > 0) slope[slope.size() - (dims.size() - 1)] = dims[1];
  s.add("PRelu", {x, s.weights(s.dtype(x), slope, 0.3)});
}

void binary(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype != DType::kBool; });
  std::string y = s.pick_partner(x);
  std::vector<const char*> ops = {"Add", "Add", "Sub", "Mul", "Mul", "Max", "Min"};
  const char* op = s.draw.pick(ops);
  s.draw.one_in(3) ? s.add(op, {y, x}) : s.add(op, {x, y});
}

void divide(Sketch& s) {
  const std::string x = s.pick_float(), y = s.pick_partner(x);
  s.add("Div", {x, s.add("Add", {s.add("Abs", {y}), s.number(s.dtype(y), 0.7)})});
}

void divide_by_constant(Sketch& s) {
  const std::string x = s.pick_float();
  const std::string y = s.weights(s.dtype(x), s.broadcast_dims(s.shape(x)), 0.1, s.draw.one_in(2) ? 2 : -1.5);
  s.draw.one_in(4) ? s.add("Div", {y, s.add("Exp", {s.add("Tanh", {x})})}) : s.add("Div", {x, y});
}

void power(Sketch& s) {
  const std::string x = s.pick_float();
  static const std::vector<double> kExponents = {2, 2, 3, 0.5, 1, 0, -1, -0.5, 1.5, 4};
  const double e = s.draw.pick(kExponents);
  const DType type = s.draw.one_in(4) ? DType::kI64 : s.dtype(x);
  if (e == 2 || e == 3 || e == 4 || e == 1 || e == 0)
    s.add("Pow", {x, s.number(type, e)});
  else
    s.add("Pow", {s.add("Add", {s.add("Abs", {x}), s.number(s.dtype(x), 0.6)}), s.number(s.dtype(x), e)});
}

void variadic(Sketch& s) {
  const std::string x = s.pick_float();
  std::vector<std::string> inputs = {x};
  for (int64_t n = s.draw.below(4); n > 0; --n) {
    const std::string y = s.pick_partner(inputs.back());
    for (const std::string& other : inputs)
      if (!s.broadcasts(other, y)) throw Rejected{"dims differ"};
    inputs.push_back(y);
  }
  static const std::vector<const char*> kOps = {"Sum", "Mean", "Max", "Min"};
  s.add(s.draw.pick(kOps), inputs);
}

void compare(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype != DType::kBool && v.roughness == 1; });
  // What rounds to the same number is equal, and nothing here tells.
  const bool whole = !ir::is_float(s.dtype(x));
  static const std::vector<const char*> kOps = {"Less", "Greater", "LessOrEqual", "GreaterOrEqual"};
  s.add(whole && s.draw.one_in(3) ? "Equal" : s.draw.pick(kOps), {x, s.pick_partner(x)});
}

void round(Sketch& s) {
  static const std::vector<const char*> kOps = {"Floor", "Ceil", "Round", "Sign"};
  s.add(s.draw.pick(kOps), {s.pick_float()});
}

void test(Sketch& s) { s.add(s.draw.one_in(2) ? "IsNaN" : "IsInf", {s.pick_float()}); }

std::string boolean(Sketch& s) {
  return s.pick([](const Value& v) { return v.dtype == DType::kBool; });
}

void logic(Sketch& s) {
  const std::string x = boolean(s);
  if (s.draw.one_in(3)) {
    s.add("Not", {x});
    return;
  }
  static const std::vector<const char*> kOps = {"And", "Or", "Xor", "Equal"};
  s.add(s.draw.pick(kOps), {x, s.pick_partner(x)});
}

void where(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype != DType::kBool; });
  const std::string y = s.pick_partner(x);
  std::string condition;
  if (s.draw.one_in(3))
    condition = s.weights(DType::kBool, s.broadcast_dims(s.shape(x)));
  else
    condition = s.draw.one_in(2) ? boolean(s) : s.add("Greater", {x, s.number(s.dtype(x), 0)});
  s.draw.one_in(2) ? s.add("Where", {condition, x, y}) : s.add("Where", {condition, y, x});
}

void cast(Sketch& s) {
  const std::string x = s.pick([](const Value&) { return true; });
  // ONNX's numbers: f32, u8, i8, i32, i64, bool, f16, f64, bf16
  static const std::vector<int64_t> kTypes = {1, 1, 1, 1, 2, 3, 6, 7, 9, 10, 11, 16};
  s.add("Cast", {x}, {attribute("to", s.draw.pick(kTypes))});
}

void cast_like(Sketch& s) {
  if (s.opset < 15) throw Rejected{"later"};
  const auto any = [](const Value&) { return true; };
  s.add("CastLike", {s.pick(any), s.pick(any)});
}

void cast_and_back(Sketch& s) {
  const std::string x = s.pick_float();
  if (s.dtype(x) != DType::kF32) throw Rejected{"of f32 only"};
  const std::string y = s.add("Cast", {x}, {attribute("to", s.draw.one_in(2) ? int64_t(10) : int64_t(16))});
  s.add("Cast", {s.draw.one_in(2) ? y : s.add("Mul", {y, s.pick_partner(y)})}, {attribute("to", int64_t(1))});
}

std::string integer(Sketch& s) {
  return s.pick([](const Value& v) { return ir::is_integer(v.dtype); });
}

void integers(Sketch& s) {
  const std::string x = integer(s);
  const DType type = s.dtype(x);
  switch (s.draw.below(5)) {
    case 0:
      s.add("Mod", {x, s.number(type, double(s.draw.between(1, 5)))});
      return;
    case 1:
      s.add("Div", {x, s.number(type, double(s.draw.between(1, 4)))});
      return;
    case 2: {
      if (s.opset < 18) throw Rejected{"later"};
      static const std::vector<const char*> kOps = {"BitwiseAnd", "BitwiseOr", "BitwiseXor"};
      s.add(s.draw.pick(kOps), {x, s.pick_partner(x)});
      return;
    }
    case 3:
      s.add("Abs", {s.add("Sub", {x, s.pick_partner(x)})});
      return;
    default:
      s.add("BitShift", {s.add("Cast", {x}, {attribute("to", int64_t(2))}), s.number(DType::kU8, 1)},
            {attribute("direction", std::string(s.draw.one_in(2) ? "LEFT" : "RIGHT"))});
  }
}

void remainder(Sketch& s) {
  const std::string x = s.pick_float();
  s.add("Mod", {x, s.number(s.dtype(x), s.draw.one_in(2) ? 1.7 : -2.3)}, {attribute("fmod", int64_t(1))});
}

/// Arithmetic by constants, as algebraic passes look for it.
void chain(Sketch& s) {
  std::string x = s.pick_float();
  for (int64_t n = s.draw.between(2, 5); n > 0; --n) {
    const std::string c = s.draw.one_in(3) ? s.number(s.dtype(x), s.draw.one_in(3) ? double(s.draw.below(2)) : 1.3)
                                           : s.weights(s.dtype(x), s.broadcast_dims(s.shape(x)), 0.5, 0.5);
    static const std::vector<const char*> kOps = {"Add", "Mul", "Sub", "Mul", "Add"};
    const char* op = s.draw.pick(kOps);
    x = s.draw.one_in(3) ? s.add(op, {c, x}) : s.add(op, {x, c});
    if (s.draw.one_in(3)) x = add_activation(s, x);
  }
}

}  // namespace

std::string add_activation(Sketch& s, const std::string& x) {
  switch (s.draw.below(9)) {
    case 0:
    case 1:
      return s.add("Relu", {x});
    case 2:
      return s.add("Mul", {x, s.add("Sigmoid", {x})});
    case 3:
      return s.add("Clip", {x, s.number(s.dtype(x), 0), s.number(s.dtype(x), 6)});
    case 4:
      return s.add("LeakyRelu", {x}, {attribute("alpha", 0.1)});
    case 5:
      return s.add("Tanh", {x});
    case 6:
      return s.add("Sigmoid", {x});
    case 7:
      return s.add("Mul", {x, s.add("HardSigmoid", {x}, {attribute("alpha", 1.0 / 6), attribute("beta", 0.5)})});
    default:
      return s.add("Mul", {x, s.add("Tanh", {s.add("Softplus", {x})})});
  }
}

std::span<const Operator> pointwise_operators() {
  static constexpr Operator kTable[] = {{"unary", 10, unary},
                                        {"unary_with_settings", 4, unary_with_settings},
                                        {"unary_of_range", 3, unary_of_range},
                                        {"clip", 3, clip},
                                        {"prelu", 2, prelu},
                                        {"binary", 14, binary},
                                        {"divide", 2, divide},
                                        {"divide_by_constant", 3, divide_by_constant},
                                        {"power", 3, power},
                                        {"variadic", 3, variadic},
                                        {"compare", 3, compare},
                                        {"round", 2, round},
                                        {"test", 1, test},
                                        {"logic", 2, logic},
                                        {"where", 4, where},
                                        {"cast", 4, cast},
                                        {"cast_like", 1, cast_like},
                                        {"cast_and_back", 1, cast_and_back},
                                        {"integers", 2, integers},
                                        {"remainder", 1, remainder},
                                        {"chain", 5, chain}};
  return kTable;
}

}  // namespace tenon::random_graphs
