#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/fused/pointwise.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

KernelCase program(std::string text, std::vector<Operand> inputs, std::vector<std::string> types = {},
                   size_t outputs = 1) {
  KernelCase c;
  c.op = "Pointwise";
  c.attrs = ops::PointwiseAttrs{std::move(text), std::move(types)};
  c.inputs = std::move(inputs);
  c.outputs = outputs;
  c.kernel = "pointwise_strips";
  return c;
}

}  // namespace

TEST_CASE("pointwise: every function within 4 ulp over its range") {
  struct Range {
    const char* fn;
    double low, high;
  };
  const Range ranges[] = {{"add(i0, i1)", -2, 2},
                          {"sub(i0, i1)", -2, 2},
                          {"mul(i0, i1)", -2, 2},
                          {"div(i0, i1)", 0.1, 9},
                          {"min(i0, i1)", -2, 2},
                          {"max(i0, i1)", -2, 2},
                          {"pow(i0, i1)", 0.01, 6},
                          {"relu(i0)", -3, 3},
                          {"sigmoid(i0)", -80, 80},
                          {"tanh(i0)", -12, 12},
                          {"tanh(i0)", -0.7, 0.7},
                          {"exp(i0)", -86, 88},
                          {"exp(i0)", -1, 1},
                          {"log(i0)", 1e-6, 3},
                          {"log(i0)", 0.9, 1.1},
                          {"log(i0)", 1, 1e30},
                          {"sqrt(i0)", 0, 50},
                          {"reciprocal(i0)", 0.1, 9},
                          {"abs(i0)", -2, 2},
                          {"neg(i0)", -2, 2},
                          {"floor(i0)", -1e3, 1e3},
                          {"ceil(i0)", -1e3, 1e3},
                          {"round(i0)", -1e3, 1e3},
                          {"erf(i0)", -5, 5},
                          {"erf(i0)", -0.01, 0.01},
                          {"silu(i0)", -60, 60},
                          {"hard_swish(i0)", -2, 2},
                          {"clip(i0, -1, i1)", -2, 2},
                          {"clip(i0, -1, 0.5)", -2, 2},
                          {"leaky_relu(i0, 0.1)", -2, 2},
                          {"elu(i0, 0.7)", -5, 5},
                          {"elu(i0, 1)", -0.01, 0.01},
                          {"softplus(i0)", -50, 50},
                          {"mish(i0)", -20, 30},
                          {"select(greater(i0, i1), i0, 3)", -2, 2},
                          {"select(less(i0, i1), 2, i1)", -2, 2},
                          {"less_equal(i0, i1)", -2, 2},
                          {"greater_equal(i0, 0.5)", -2, 2},
                          {"equal(floor(i0), 1)", -2, 2},
                          {"not(relu(i0))", -2, 2},
                          {"and(relu(i0), relu(i1))", -2, 2},
                          {"or(relu(i0), relu(i1))", -2, 2},
                          {"sin(i0)", -3, 3},
                          {"sin(i0)", -8000, 8000},
                          {"cos(i0)", -3, 3},
                          {"cos(i0)", -1e6, 1e6},
                          {"sign(i0)", -2, 2},
                          {"rsqrt(i0)", 0.1, 9},
                          {"square(i0)", -3, 3},
                          {"pow(i0, 2)", -3, 3},
                          {"pow(i0, 3)", -3, 3},
                          {"pow(i0, 0.5)", 0, 3},
                          {"pow(i0, -0.5)", 0.1, 3},
                          {"pow(i0, -1)", 0.1, 3}};
  for (const Range& r : ranges) {
    CAPTURE(std::string(r.fn));
    KernelCase c = program(r.fn, {f32({1031}, r.low, r.high), f32({1031}, r.low, r.high)});
    c.element = 4 * 0x1p-23;
    check_kernel(c);
  }
  for (const char* fn :
       {"gelu_erf(i0)", "gelu_tanh(i0)", "hard_sigmoid(i0, 0.2, 0.5)"}) {  // these cancel where they are near 0
    CAPTURE(std::string(fn));
    check_kernel(program(fn, {f32({1031}, -6, 6), f32({1}, 0, 1)}));
  }
}

TEST_CASE("pointwise: special values") {
  const float inf = INFINITY, nan = NAN;
  const float values[] = {0.f,    -0.f,   inf,   -inf,   nan,  1.f,  -1.f, 1e-40f, 3e38f,
                          -3e38f, 1e-30f, 200.f, -200.f, 0.5f, 1.5f, 2.5f, -0.5f};
  Operand x = f32({17}), y = f32({17});
  x.value = ir::Tensor::of<float>(DType::kF32, {17}, values);
  y.value = ir::Tensor::of<float>(DType::kF32, {17}, std::vector<float>(17, 1.f));
  y.value->mutable_as<float>()[3] = nan;
  for (const char* fn : {"add(i0, i1)",     "min(i0, i1)",
                         "max(i0, i1)",     "min(i1, i0)",
                         "max(i1, i0)",     "relu(i0)",
                         "sqrt(i0)",        "log(i0)",
                         "exp(i0)",         "sigmoid(i0)",
                         "tanh(i0)",        "erf(i0)",
                         "floor(i0)",       "ceil(i0)",
                         "round(i0)",       "sign(i0)",
                         "clip(i0, -1, 1)", "sin(i0)",
                         "equal(i0, i1)",   "less(i0, i1)",
                         "not(i0)",         "leaky_relu(i0, 0.5)",
                         "abs(i0)",         "reciprocal(i0)"}) {
    CAPTURE(std::string(fn));
    check_kernel(program(fn, {x, y}));
  }
}

TEST_CASE("pointwise: broadcasting") {
  const ir::Dims shapes[][3] = {{{2, 3, 5, 7}, {1, 3, 1, 1}, {7}},
                                {{2, 24, 9, 9}, {2, 24, 1, 1}, {1}},
                                {{3, 700}, {3, 1}, {700}},
                                {{3, 4, 5000}, {3, 1, 5000}, {4, 1}},
                                {{1, 1}, {1}, {}},
                                {{2, 30, 64}, {2, 1, 64}, {30, 64}},
                                {{5, 6, 16}, {16}, {5, 1, 16}},
                                {{4, 1, 6, 5}, {1, 3, 1, 5}, {6, 1}},
                                {{2, 1, 200}, {2, 17, 1}, {1, 200}},
                                {{1, 2, 1, 3, 1, 2}, {2, 1, 3, 1, 2, 1}, {2}},
                                {{3, 800, 2}, {3, 1, 2}, {800, 1}}};
  for (const auto& s : shapes) {
    CAPTURE(cat(s[0], s[1], s[2]));
    check_kernel(program("add(mul(i0, i1), i2)", {f32(s[0]), f32(s[1]), f32(s[2])}));
    check_kernel(program("sigmoid(i1)", {f32(s[0]), f32(s[1])}));
    check_kernel(program("t0 = mul(i0, sigmoid(i1)); t0, sub(t0, i2), i2, 4", {f32(s[0]), f32(s[1]), f32(s[2])},
                         {"f32", "bf16", "f32", "f16"}, 4));
    check_kernel(program("relu(add(i0, i1))", {of_type(DType::kBF16, s[0]), of_type(DType::kBF16, s[1])}));
  }
}

TEST_CASE("pointwise: types and pitches") {
  check_kernel(program("select(i0, i1, 0)", {of_type(DType::kBool, {3, 50}), f32({3, 50})}, {"f32"}));
  check_kernel(program("greater(i0, 0.5)", {f32({77})}, {"bool"}));
  check_kernel(program("i0", {of_type(DType::kF16, {333}, -1e-4, 1e-4)}, {"f32"}));
  check_kernel(program("i0", {f32({333}, -70000, 70000)}, {"f16"}));
  KernelCase subnormal = program("i0", {f32({333}, -1e-5, 1e-5)}, {"f16"});
  subnormal.norm = 6e-3;
  check_kernel(subnormal);
  check_kernel(program("i0, i0", {of_type(DType::kU8, {2, 300}, 0, 255)}, {"f32", "bf16"}, 2));
  check_kernel(program("mul(i0, 0.1)", {of_type(DType::kI8, {70}, -128, 128)}, {"f32"}));
  for (DType t : {DType::kF32, DType::kBF16}) {
    KernelCase c = program("relu(add(i0, i1))", {pitched(of_type(t, {3, 5, 24}), 40), of_type(t, {3, 5, 24})});
    c.output_pitch = {31};
    check_kernel(c);
    c.inputs = {pitched(of_type(t, {3, 500}), 600), of_type(t, {500})};
    c.output_pitch = {501};
    check_kernel(c);
  }
  CHECK(refusal(program("add(i0, i0)", {of_type(DType::kI64, {4})}), "pointwise_strips").find("i64") !=
        std::string::npos);
}

TEST_CASE("pointwise: numbers at the ends of bf16") {
  check_kernel(
      program("div(i0, i1)", {of_type(DType::kBF16, {333}, 1e37, 3e38), of_type(DType::kBF16, {333}, 1e38, 3e38)}));
  check_kernel(program("tanh(i0)", {of_type(DType::kBF16, {333}, -1e-6, 1e-6)}));
  check_kernel(program("tanh(i0)", {of_type(DType::kBF16, {333}, -0.1, 0.1)}));
}

TEST_CASE("pointwise: operators as programs") {
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Floor", "Erf", "Softplus", "Softsign", "Mish",
                         "HardSwish", "Sin", "Tan"}) {
    CAPTURE(std::string(op));
    KernelCase c;
    c.op = op;
    c.inputs = {f32({3, 41})};
    c.kernel = "pointwise_strips";
    check_kernel(c);
  }
}

TEST_CASE("pointwise: long programs") {
  std::string text = "t0 = add(i0, 1); ";
  for (int i = 1; i < 60; ++i) text += cat("t", i, " = add(mul(t", i - 1, ", 0.5), i", i % 3, "); ");
  text += "t59, t3, t59, relu(add(t3, t20))";
  check_kernel(program(text, {f32({2, 70, 40}), f32({40}), f32({2, 70, 1})}, {"f32", "f32", "bf16", "f32"}, 4));
}

TEST_CASE("pointwise: measurements" * doctest::skip()) {
  struct Shape {
    const char* text;
    std::vector<Operand> inputs;
    double floats;
  };
  const Shape shapes[] = {
      {"relu(add(i0, i1))", {f32({1 << 22}), f32({1 << 22})}, 3},
      {"relu(add(i0, i1))", {f32({1 << 16}), f32({1 << 16})}, 3},
      {"silu(i0)", {f32({1 << 16})}, 2},
      {"gelu_erf(i0)", {f32({1 << 16})}, 2},
      {"mul(i0, i1)", {f32({1, 56 * 56, 64}), f32({1, 1, 64})}, 2},
      {"mul(i0, i1)", {f32({1, 64, 56 * 56}), f32({1, 64, 1})}, 2},
      {"mul(i0, i1)", {f32({1, 56 * 56, 24}), f32({1, 1, 24})}, 2},
      {"tanh(i0)", {f32({1 << 16})}, 2},
      {"relu(add(i0, i1))", {of_type(DType::kBF16, {1 << 16}), of_type(DType::kBF16, {1 << 16})}, 1.5}};
  for (const Shape& s : shapes) {
    const double us = time_kernel(program(s.text, s.inputs), "pointwise_strips", 1);
    const double n = double(ir::Tensor(DType::kU8, s.inputs[0].dims).count());
    MESSAGE(s.text, " ", cat(s.inputs[0].dims), ": ", us, " us, ", n * s.floats * 4 / us / 1000, " GB/s, ",
            us * 1000 / n, " ns an element");
  }
}
