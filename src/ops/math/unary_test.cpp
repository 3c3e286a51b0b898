#include <doctest/doctest.h>

#include "ops/math/activation.h"
#include "ops/math/cast.h"
#include "ops/math/clip.h"
#include "ops/math/predicate.h"
#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

TEST_CASE("unary: integers are exact") {
  CHECK(run_op("Neg", {i64({3}, {5, -5, INT64_MIN})}).to_ints() == std::vector<int64_t>{-5, 5, INT64_MIN});
  CHECK(run_op("Abs", {i64({2}, {-(int64_t(1) << 60) - 1, 3})}).to_ints() ==
        std::vector<int64_t>{(int64_t(1) << 60) + 1, 3});
  CHECK(run_op("Abs", {tensor<int64_t>(DType::kU64, {1}, {-2})}).to_ints() == std::vector<int64_t>{-2});
  CHECK(run_op("Sign", {tensor<int64_t>(DType::kU64, {2}, {-2, 0})}).to_ints() == std::vector<int64_t>{1, 0});
  CHECK(run_op("Relu", {tensor<int64_t>(DType::kI8, {2}, {-2, 7})}).to_ints() == std::vector<int64_t>{0, 7});
  CHECK(run_op("Not", {boolean({2}, {0, 1})}).to_ints() == std::vector<int64_t>{1, 0});
  CHECK(run_op("BitwiseNot", {tensor<int64_t>(DType::kU8, {1}, {5})}).to_ints() == std::vector<int64_t>{250});
  CHECK(close(run_op("Round", {f32({4}, {0.5, 1.5, -2.5, 2.6})}), {0, 2, -2, 3}));
  CHECK(infer_error("Exp", {Typed(DType::kI32, "2")}).find("i32") != std::string::npos);
  CHECK(infer_op("Neg", {Contents("n, 3")}).contents() == "[(n * -1), -3]");
  CHECK(infer_op("Floor", {Contents("n, 3", DType::kF32)}).contents() == "[n, 3]");
}

TEST_CASE("unary: predicates") {
  const Tensor x = f32({4}, {INFINITY, -INFINITY, std::nan(""), 1});
  CHECK(close(run_op("IsNaN", {x}), {0, 0, 1, 0}));
  CHECK(close(run_op("IsInf", {x}, IsInfAttrs{}), {1, 1, 0, 0}));
  CHECK(close(run_onnx("IsInf", 10, {x}, {{"detect_negative", int64_t(0)}})[0], {1, 0, 0, 0}));
}

TEST_CASE("activations") {
  const Tensor x = f32({5}, {-2, -0.25, 0, 0.25, 2});
  struct Problem {
    const char* op;
    int opset;
    std::vector<double> y;
  } const problems[] = {
      {"LeakyRelu", 16, {-0.02, -0.0025, 0, 0.25, 2}},
      {"Elu", 6, {std::expm1(-2), std::expm1(-.25), 0, 0.25, 2}},
      {"Celu", 12, {std::expm1(-2), std::expm1(-.25), 0, 0.25, 2}},
      {"Selu",
       6,
       {1.0507009873 * 1.6732632423 * std::expm1(-2), 1.0507009873 * 1.6732632423 * std::expm1(-.25), 0,
        1.0507009873 * 0.25, 1.0507009873 * 2}},
      {"HardSigmoid", 6, {0.1, 0.45, 0.5, 0.55, 0.9}},
      {"HardSwish", 14, {-2 * (1 / 6.), -0.25 * (0.5 - 0.25 / 6), 0, 0.25 * (0.5 + 0.25 / 6), 2 * (0.5 + 2 / 6.)}},
      {"ThresholdedRelu", 10, {0, 0, 0, 0, 2}},
      {"Shrink", 9, {-2, 0, 0, 0, 2}},
      {"Swish",
       24,
       {-2 / (1 + std::exp(2)), -.25 / (1 + std::exp(.25)), 0, .25 / (1 + std::exp(-.25)), 2 / (1 + std::exp(-2))}},
      {"Softplus",
       1,
       {std::log1p(std::exp(-2)), std::log1p(std::exp(-.25)), std::log(2), std::log1p(std::exp(.25)),
        std::log1p(std::exp(2))}},
      {"Gelu",
       20,
       {-2 * 0.5 * (1 + std::erf(-std::sqrt(2))), -.125 * (1 + std::erf(-.25 / std::sqrt(2))), 0,
        .125 * (1 + std::erf(.25 / std::sqrt(2))), 1 + std::erf(std::sqrt(2))}}};
  for (const Problem& p : problems) {
    CAPTURE(p.op);
    CHECK(close(run_onnx(p.op, p.opset, {x})[0], p.y));
  }
  CHECK(close(run_onnx("FastGelu", 1, {f32({1}, {1}), f32({1}, {1})}, {}, 1, "com.microsoft")[0], {1.954597694}));
  CHECK(close(run_onnx("Gelu", 20, {f32({1}, {2})}, {{"approximate", "tanh"}})[0], {1.954597694}));
  CHECK(import_error({"Gelu", 20, {x}, {{"approximate", "cubic"}}}).find("cubic") != std::string::npos);
}

TEST_CASE("clip: bounds as attributes, constants and values") {
  const Tensor x = f32({4}, {-3, 0.5, 9, std::nan("")});
  const std::vector<double> y{0, 0.5, 6, std::nan("")};
  CHECK(close(run_onnx("Clip", 6, {x}, {{"min", 0.0f}, {"max", 6.0f}})[0], y));
  FakeImport constant("Clip", 13, {x, f32({}, {0}), f32({}, {6})});
  CHECK(constant.import().ops() == "Clip");
  CHECK(close(constant.run({})[0], y));
  FakeImport computed("Clip", 13, {Typed(DType::kF32, "4"), Typed(DType::kF32, ""), f32({}, {6})});
  CHECK(computed.import().ops() == "Max Min");
  CHECK(close(computed.run({x, f32({}, {0})})[0], y));
  CHECK(run_onnx("Clip", 12, {i64({3}, {INT64_MIN, 5, INT64_MAX}), i64({}, {-1}), i64({}, {INT64_MAX - 1})})[0]
            .to_ints() == std::vector<int64_t>{-1, 5, INT64_MAX - 1});
  CHECK(close(run_onnx("Clip", 12, {x, Tensor(), f32({}, {1})})[0], {-3, 0.5, 1, std::nan("")}));
}

TEST_CASE("cast") {
  auto to = [](DType t) { return CastAttrs{t}; };
  CHECK(run_op("Cast", {f32({4}, {1.9, -1.9, 300, 0})}, to(DType::kI32)).to_ints() ==
        std::vector<int64_t>{1, -1, 300, 0});
  const Tensor digits = Tensor::of_strings({4}, {"9007199254740993", "-9223372036854775808", "+7", "3.9"});
  CHECK(run_op("Cast", {digits}, to(DType::kI64)).to_ints() == std::vector<int64_t>{9007199254740993, INT64_MIN, 7, 3});
  CHECK(run_op("Cast", {Tensor::of_strings({1}, {"18446744073709551615"})}, to(DType::kU64)).as<uint64_t>()[0] ==
        UINT64_MAX);
  CHECK_THROWS_AS(run_op("Cast", {Tensor::of_strings({1}, {"7x"})}, to(DType::kI64)), Error);
  CHECK(run_op("Cast", {f32({3}, {0.1, 0, std::nan("")})}, to(DType::kBool)).to_ints() ==
        std::vector<int64_t>{1, 0, 1});
  CHECK(close(run_op("Cast", {f32({2}, {1000, -0.1})}, to(DType::kF8E4M3FN)), {448, -0.1015625}));
  CHECK(std::isnan(run_op("Cast", {f32({1}, {1000})}, CastAttrs{DType::kF8E4M3FN, false}).get(0)));
  CHECK(run_op("Cast", {Tensor::of_strings({2}, {"3.5", "-INF"})}, to(DType::kF32)).get(0) == 3.5);
  CHECK(run_op("Cast", {f32({2}, {3.5, INFINITY})}, to(DType::kString)).strings() ==
        std::vector<std::string>{"3.5", "INF"});
  CHECK(infer_op("Cast", {Contents("n, 3")}, to(DType::kI32)).contents() == "[n, 3]");
  CHECK(infer_op("Cast", {Contents("n, 3")}, to(DType::kF32)).contents() == "[n, 3]");
  CHECK(infer_op("Cast", {Contents("(n + 1), 3")}, to(DType::kBool)).contents() == "[1, 1]");
  CHECK(infer_op("Cast", {Contents("n, 300")}, to(DType::kI8)).contents() == "unknown");
  CHECK(run_onnx("CastLike", 15, {f32({1}, {2.5}), i64({1}, {0})})[0].to_ints() == std::vector<int64_t>{2});
  CHECK_THROWS_AS(run_op("Cast", {Tensor::of_strings({1}, {"three"})}, to(DType::kF32)), Error);
  CHECK(import_error({"Cast", 13, {f32({1}, {1})}}).find("'to'") != std::string::npos);
}

TEST_CASE("where") {
  const Tensor y = run_op("Where", {boolean({2, 1}, {1, 0}), f32({3}, {1, 2, 3}), f32({}, {9})});
  CHECK(close(y, {1, 2, 3, 9, 9, 9}));
  CHECK(infer_op("Where", {boolean({2}, {1, 0}), Contents("n, 4"), Contents("1")}).contents() == "[n, 1]");
  CHECK(
      infer_error("Where", {Typed(DType::kF32, "2"), Typed(DType::kF32, "2"), Typed(DType::kF32, "2")}).find("bool") !=
      std::string::npos);
}

TEST_CASE("dropout is the identity") {
  const Tensor x = f32({2}, {1, 2});
  const auto y = run_onnx("Dropout", 12, {x}, {}, 2);
  CHECK(close(y[0], {1, 2}));
  CHECK(close(y[1], {1, 1}));
}

}  // namespace
}  // namespace tenon::ops
