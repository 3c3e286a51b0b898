#include "ops/math/binary.h"

#include <doctest/doctest.h>

#include <limits>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;
constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min(), kMax64 = std::numeric_limits<int64_t>::max();

std::vector<int64_t> ints(const std::string& op, std::vector<int64_t> a, std::vector<int64_t> b, DType t = DType::kI64,
                          ir::Attrs attrs = {}) {
  const int64_t n = int64_t(a.size()), m = int64_t(b.size());
  return run_op(op, {tensor(t, {n}, a), tensor(t, {m}, b)}, std::move(attrs)).to_ints();
}
using Ints = std::vector<int64_t>;

TEST_CASE("binary: floating point") {
  const double inf = INFINITY, nan = std::nan("");
  struct Problem {
    const char* op;
    std::vector<double> y;
  } const problems[] = {{"Add", {4, -5, inf, nan}},       {"Sub", {-2, -1, inf, nan}}, {"Mul", {3, 6, inf, nan}},
                        {"Div", {1 / 3., 1.5, inf, nan}}, {"Min", {1, -3, 2, nan}},    {"Max", {3, -2, inf, nan}},
                        {"Mod", {1, -1, nan, nan}}};
  for (const Problem& p : problems) {
    CAPTURE(p.op);
    const ir::Attrs attrs = std::string(p.op) == "Mod" ? ir::Attrs(ModAttrs{}) : ir::Attrs();
    CHECK(close(run_op(p.op, {f32({4}, {1, -3, inf, nan}), f32({4}, {3, -2, 2, 1})}, attrs), p.y));
  }
  CHECK(close(run_op("Mod", {f32({2}, {-5, 5}), f32({2}, {3, -3})}, ModAttrs{false}), {1, -1}));
  CHECK(close(run_op("Mod", {f32({2}, {-5, 5}), f32({2}, {3, -3})}, ModAttrs{true}), {-2, 2}));
  CHECK(close(run_op("Pow", {f32({3}, {2, 9, 4}), f32({3}, {3, 0.5, -1})}), {8, 3, 0.25}));
  CHECK(close(run_op("Pow", {f32({2}, {2, 3}), i64({}, {2})}), {4, 9}));
}

TEST_CASE("binary: broadcasting, ragged and empty") {
  const Tensor y = run_op("Add", {f32({2, 1, 3}, {1, 2, 3, 4, 5, 6}), f32({2, 1}, {10, 20})});
  CHECK(y.dims() == Dims{2, 2, 3});
  CHECK(close(y, {11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26}));
  CHECK(run_op("Mul", {f32({0, 3}, {}), f32({3}, {1, 2, 3})}).dims() == Dims{0, 3});
  CHECK(run_op("Mul", {f32({0}, {}), f32({1}, {1})}).dims() == Dims{0});
  CHECK(infer_op("Sub", {Typed(DType::kF16, "n, 3, 1"), Typed(DType::kF16, "h")}).shape() == "[n, 3, h]");
}

TEST_CASE("binary: integers are exact and total") {
  CHECK(ints("Add", {kMax64}, {1}) == Ints{kMin64});
  CHECK(ints("Mul", {kMax64, 1000000007}, {2, 1000000009}) == Ints{-2, 1000000016000000063});
  CHECK(ints("Div", {7, -7, 7, kMin64, 5}, {2, 2, 0, -1, -5}) == Ints{3, -3, 0, kMin64, -1});
  CHECK(ints("Mod", {7, -7, 7, kMin64, -7}, {3, 3, 0, -1, -3}, DType::kI64, ModAttrs{}) == Ints{1, 2, 0, 0, -1});
  CHECK(ints("Mod", {-7, 7, kMin64}, {3, -3, -1}, DType::kI64, ModAttrs{true}) == Ints{-1, 1, 0});
  CHECK(ints("Div", {-1, -1}, {2, 10}, DType::kU64) == Ints{kMax64, 1844674407370955161});
  CHECK(ints("Max", {-1}, {1}, DType::kU64) == Ints{-1});
  CHECK(ints("Add", {250}, {10}, DType::kU8) == Ints{4});
  CHECK(ints("Sub", {-100}, {100}, DType::kI8) == Ints{56});
  CHECK(ints("Pow", {3, -1, 0, 2, 7}, {4, -3, -1, -1, 0}) == Ints{81, -1, 0, 0, 1});
  CHECK(ints("BitwiseAnd", {12}, {10}) == Ints{8});
  CHECK(ints("BitwiseOr", {12}, {10}) == Ints{14});
  CHECK(ints("BitwiseXor", {12}, {-1}) == Ints{-13});
  CHECK(ints("BitShift", {1, 255, 1}, {3, 1, 200}, DType::kU8, BitShiftAttrs{true}) == Ints{8, 254, 0});
  CHECK(ints("BitShift", {16, 255}, {3, 1}, DType::kU8, BitShiftAttrs{false}) == Ints{2, 127});
  CHECK(ints("BitShift", {16, 5}, {3, 1}, DType::kU8, BitShiftAttrs{false}) == Ints{2, 2});  // what is inferred too
}

TEST_CASE("binary: shifts of signed integers") {
  CHECK(ints("BitShift", {-8, -8, 100, -1, 3}, {1, 40, 1, 8, -1}, DType::kI8, BitShiftAttrs{false}) ==
        Ints{-4, -1, 50, -1, 0});
  CHECK(ints("BitShift", {-8, 100, 1, 3}, {1, 1, 8, -1}, DType::kI8, BitShiftAttrs{true}) == Ints{-16, -56, 0, 0});
  CHECK(ints("BitShift", {-1}, {63}, DType::kI64, BitShiftAttrs{false}) == Ints{-1});
  CHECK(ints("BitShift", {-1}, {63}, DType::kU64, BitShiftAttrs{false}) == Ints{1});
}

TEST_CASE("binary: comparisons and logic give bool") {
  const double nan = std::nan("");
  const Tensor a = f32({4}, {1, 2, 3, nan}), b = f32({4}, {2, 2, 2, nan});
  CHECK(close(run_op("Equal", {a, b}), {0, 1, 0, 0}));
  CHECK(close(run_op("Less", {a, b}), {1, 0, 0, 0}));
  CHECK(close(run_op("LessOrEqual", {a, b}), {1, 1, 0, 0}));
  CHECK(close(run_op("Greater", {a, b}), {0, 0, 1, 0}));
  CHECK(close(run_op("GreaterOrEqual", {a, b}), {0, 1, 1, 0}));
  CHECK(ints("Less", {-1}, {1}, DType::kU64) == Ints{0});
  CHECK(ints("GreaterOrEqual", {-1}, {1}, DType::kU64) == Ints{1});
  CHECK(run_op("Equal", {Tensor::of_strings({2}, {"a", "b"}), Tensor::of_strings({1}, {"b"})}).to_ints() == Ints{0, 1});
  const Tensor p = boolean({4}, {0, 0, 1, 1}), q = boolean({4}, {0, 1, 0, 1});
  CHECK(close(run_op("And", {p, q}), {0, 0, 0, 1}));
  CHECK(close(run_op("Or", {p, q}), {0, 1, 1, 1}));
  CHECK(close(run_op("Xor", {p, q}), {0, 1, 1, 0}));
}

std::string contents(const std::string& op, const std::string& a, const std::string& b, DType t = DType::kI64,
                     ir::Attrs attrs = {}) {
  return infer_op(op, {Contents(a, t), Contents(b, t)}, std::move(attrs)).contents();
}

TEST_CASE("binary: shape arithmetic on known elements") {
  CHECK(contents("Add", "n, 3", "1") == "[(n + 1), 4]");
  CHECK(contents("Sub", "n, 3", "n, 1") == "[0, 2]");
  CHECK(contents("Mul", "n, 3", "2") == "[(n * 2), 6]");
  CHECK(contents("Div", "n, -7, 7", "2") == "[(n // 2), -3, 3]");
  CHECK(contents("Div", "(n * 4)", "2") == "[(n * 2)]");
  CHECK(contents("Div", "n, 3", "0") == "[0, 0]");
  CHECK(contents("Div", "n", "-2") == "unknown");
  CHECK(contents("Mod", "n, -7", "3", DType::kI64, ModAttrs{}) == "[(n % 3), 2]");
  CHECK(contents("Max", "n, n", "0, (n + 1)") == "[n, (n + 1)]");
  CHECK(contents("Min", "n, 3", "7, 7") == "[min(n, 7), 3]");
  CHECK(contents("Equal", "n, -1, n", "-1, -1, n") == "[0, 1, 1]");
  CHECK(contents("Equal", "n", "3") == "unknown");
  CHECK(contents("Less", "n, (n + 1)", "0, 1") == "[0, 0]");
  CHECK(contents("GreaterOrEqual", "n", "0") == "[1]");
  CHECK(contents("Mul", "n, 6", "2, 2", DType::kF32) == "[(n * 2), 12]");
  CHECK(contents("Div", "(n * 2), 6", "2, 4", DType::kF32) == "unknown");
  CHECK(contents("Div", "(n * 2), 6", "2, 3", DType::kF32) == "[n, 2]");
  CHECK(contents("Add", "100", "100", DType::kI8) == "unknown");
  CHECK(infer_op("Mul", {Contents("n", DType::kI64, true), i64({}, {3})}).contents() == "[(n * 3)]");
  CHECK(infer_op("Mul", {Contents("n"), i64({1}, {kMax64})}).contents() != "");
  CHECK(infer_op("Mul", {Contents("(n * 2)"), i64({1}, {kMax64})}).contents() == "unknown");
  CHECK(infer_op("Add", {i64({1}, {kMin64 + 1}), i64({1}, {1})}).contents() == "unknown");
}

TEST_CASE("binary: bad input is named") {
  CHECK(infer_error("Add", {Typed(DType::kF32, "2"), Typed(DType::kI64, "2")}).find("f32 and i64") !=
        std::string::npos);
  CHECK(infer_error("Add", {Typed(DType::kF32, "2, 3"), Typed(DType::kF32, "4")}).find("[2, 3] and [4]") !=
        std::string::npos);
  CHECK(infer_error("And", {Typed(DType::kF32, "2"), Typed(DType::kF32, "2")}).find("accepted are bool") !=
        std::string::npos);
  CHECK(infer_error("BitShift", {Typed(DType::kF32, "2"), Typed(DType::kF32, "2")}, BitShiftAttrs{}).find("f32") !=
        std::string::npos);
  CHECK(infer_error("Add", {Typed(DType::kF32, "2"), Absent()}).find("input 1 is required") != std::string::npos);
  CHECK(import_error({"BitShift", 11, {Typed(DType::kU8, "2"), Typed(DType::kU8, "2")}, {{"direction", "UP"}}})
            .find("UP") != std::string::npos);
}

TEST_CASE("binary: ONNX's variadic operators become chains") {
  const Tensor a = f32({2}, {1, 5}), b = f32({1}, {3}), c = f32({2}, {2, 9});
  CHECK(close(run_onnx("Sum", 8, {a, b, c})[0], {6, 17}));
  CHECK(close(run_onnx("Mean", 13, {a, b, c})[0], {2, 17 / 3.}));
  CHECK(close(run_onnx("Max", 8, {a, b, c})[0], {3, 9}));
  CHECK(close(run_onnx("Min", 13, {a})[0], {1, 5}));
  CHECK(close(run_onnx("Mod", 13, {i64({1}, {-5}), i64({1}, {3})}, {{"fmod", int64_t(1)}})[0], {-2}));
}

}  // namespace
}  // namespace tenon::ops
