#include <doctest/doctest.h>

#include "ops/nn/batch_norm.h"
#include "ops/nn/norm.h"
#include "ops/shape/axis_attrs.h"
#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

TEST_CASE("batch normalization") {
  const Tensor x = f32({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor y =
      run_onnx("BatchNormalization", 15, {x, f32({2}, {2, 1}), f32({2}, {0, 1}), f32({2}, {1, 3}), f32({2}, {4, 1})},
               {{"epsilon", 0.0f}})[0];
  CHECK(close(y, {0, 1, 1, 2, 4, 5, 5, 6}));
  const Operand p = Typed(DType::kF32, "3");
  CHECK(infer_op("BatchNormalization", {Typed(DType::kF32, "n, 3, h"), p, p, p, p}, BatchNormAttrs{}).shape() ==
        "[n, 3, h]");
  CHECK(infer_error("BatchNormalization", {Typed(DType::kF32, "n, 4, h"), p, p, p, p}, BatchNormAttrs{})
            .find("scale is [3]") != std::string::npos);
  CHECK(import_error({"BatchNormalization", 7, {x, p, p, p, p}, {{"spatial", 0}}}).find("spatial") !=
        std::string::npos);
  const auto z =
      run_onnx("BatchNormalization", 15, {x, f32({2}, {1, 1}), f32({2}, {0, 0}), f32({2}, {0, 0}), f32({2}, {1, 1})},
               {{"training_mode", 1}, {"epsilon", 0.0f}, {"momentum", 0.5f}}, 3);
  CHECK(close(z[1], {1.75, 2.75}));
  CHECK(close(z[2], {2.625, 2.625}));
  CHECK(z[0].get(0) == doctest::Approx((1 - 3.5) / std::sqrt(4.25)).epsilon(1e-6));
}

TEST_CASE("softmax family") {
  const Tensor x = f32({2, 3}, {1, 2, 3, 1000, 1000, -INFINITY});
  const double e = std::exp(1), s = 1 + e + e * e;
  CHECK(close(run_op("Softmax", {x}, AxisAttrs{-1}), {1 / s, e / s, e * e / s, 0.5, 0.5, 0}));
  CHECK(close(run_op("LogSoftmax", {f32({3}, {1, 2, 3})}, AxisAttrs{0}),
              {-std::log(s), 1 - std::log(s), 2 - std::log(s)}));
  CHECK(close(run_op("Hardmax", {f32({2, 3}, {1, 3, 3, 2, 0, 1})}, AxisAttrs{1}), {0, 1, 0, 1, 0, 0}));
  const Tensor pairs = f32({2, 2, 2}, {1, 2, 4, 3, 5, 8, 7, 6});
  CHECK(close(run_onnx("Hardmax", 11, {pairs})[0], {0, 0, 1, 0, 0, 1, 0, 0}));
  CHECK(close(run_onnx("Hardmax", 11, {pairs}, {{"axis", int64_t(0)}})[0], {0, 0, 0, 0, 0, 1, 0, 0}));
  CHECK(close(run_onnx("Hardmax", 13, {pairs})[0], {0, 1, 1, 0, 0, 1, 1, 0}));
  CHECK(close(run_op("Softmax", {f32({2, 2}, {0, 0, 0, 0})}, AxisAttrs{0}), {0.5, 0.5, 0.5, 0.5}));
  CHECK(run_op("Softmax", {f32({0, 3}, {})}, AxisAttrs{1}).dims() == Dims{0, 3});
  CHECK(run_op("Softmax", {f32({3, 0}, {})}, AxisAttrs{1}).dims() == Dims{3, 0});
  CHECK(std::isnan(run_op("Softmax", {f32({2}, {std::nan(""), 1})}, AxisAttrs{0}).get(1)));
  CHECK(infer_error("Softmax", {Typed(DType::kF32, "2")}, AxisAttrs{1}).find("axis 1") != std::string::npos);
  CHECK(infer_error("Softmax", {Typed(DType::kI32, "2")}, AxisAttrs{0}).find("i32") != std::string::npos);
}

TEST_CASE("softmax before opset 13 takes the trailing axes as one") {
  const Tensor x = noise({2, 3, 4});
  const Tensor flat = run_op("Softmax", {x.reshaped({2, 12})}, AxisAttrs{1});
  CHECK(close(run_onnx("Softmax", 11, {x})[0], flat.to_doubles()));
  const Tensor log_flat = run_op("LogSoftmax", {x.reshaped({24})}, AxisAttrs{0});
  CHECK(close(run_onnx("LogSoftmax", 9, {x}, {{"axis", int64_t(0)}})[0], log_flat.to_doubles()));
  FakeImport last("Softmax", 11, {Typed(DType::kF32, "n, 10, 1, 1")});
  CHECK(last.import().ops() == "Softmax");
  CHECK(last.shape() == "[n, 10, 1, 1]");
  CHECK(FakeImport("Softmax", 13, {Typed(DType::kF32, "n, 10, h")}).import().ops() == "Softmax");
}

/// (x - mean) / sqrt(variance + epsilon) of one row.
std::vector<double> standard(const std::vector<double>& row, double epsilon, bool centered = true) {
  double mean = 0, variance = 0;
  for (double v : row) mean += v / double(row.size());
  if (!centered) mean = 0;
  for (double v : row) variance += (v - mean) * (v - mean) / double(row.size());
  std::vector<double> y;
  for (double v : row) y.push_back((v - mean) / std::sqrt(variance + epsilon));
  return y;
}

TEST_CASE("layer normalization") {
  const Tensor x = f32({2, 3}, {1, 2, 4, -1, 0, 7}), ones = f32({3}, {1, 1, 1});
  auto expected = standard({1, 2, 4}, 1e-5f);
  const auto second = standard({-1, 0, 7}, 1e-5f);
  expected.insert(expected.end(), second.begin(), second.end());
  auto y = run_onnx("LayerNormalization", 17, {x, ones}, {}, 3);
  CHECK(close(y[0], expected));
  CHECK(y[1].dims() == Dims{2, 1});
  CHECK(close(y[1], {7 / 3., 2}));
  CHECK(close(y[2], {expected[0] / (1 - 7 / 3.), expected[3] / -3}));
  const Tensor scaled =
      run_op("LayerNormalization", {x, f32({3}, {1, 2, 3}), f32({1}, {1})}, LayerNormAttrs{-1, 1e-5f});
  for (size_t i = 0; i < 6; ++i)
    CHECK(scaled.get(int64_t(i)) == doctest::Approx(expected[i] * double(i % 3 + 1) + 1).epsilon(1e-6));
  CHECK(close(run_op("LayerNormalization", {x, f32({}, {1})}, LayerNormAttrs{0, 1e-5f}),
              standard({1, 2, 4, -1, 0, 7}, 1e-5f)));
  CHECK(close(run_onnx("RMSNormalization", 23, {f32({3}, {1, 2, 4}), ones})[0], standard({1, 2, 4}, 1e-5f, false)));
  CHECK(close(run_onnx("SkipLayerNormalization", 1, {f32({3}, {1, 1, 2}), f32({3}, {0, 1, 2}), ones},
                       {{"epsilon", 1e-5f}}, 1, "com.microsoft")[0],
              standard({1, 2, 4}, 1e-5f)));
  CHECK(infer_op("LayerNormalization", {Typed(DType::kF16, "n, s, 8"), Typed(DType::kF16, "8")}, LayerNormAttrs{}, 3)
            .shape(1) == "[n, s, 1]");
  CHECK(infer_error("LayerNormalization", {Typed(DType::kF32, "n, 8"), Typed(DType::kF32, "7")}, LayerNormAttrs{})
            .find("scale [7]") != std::string::npos);
  CHECK(infer_error("RMSNormalization", {Typed(DType::kF32, "n, 8"), Typed(DType::kF32, "8")}, LayerNormAttrs{2})
            .find("axis 2") != std::string::npos);
  CHECK(run_op("LayerNormalization", {f32({0, 3}, {}), ones}, LayerNormAttrs{}).dims() == Dims{0, 3});
}

TEST_CASE("instance and group normalization") {
  const Tensor x = f32({1, 2, 3}, {1, 2, 4, -1, 0, 7}), scale = f32({2}, {1, 2}), bias = f32({2}, {0, 1});
  auto expected = standard({1, 2, 4}, 1e-5f);
  for (double v : standard({-1, 0, 7}, 1e-5f)) expected.push_back(2 * v + 1);
  CHECK(close(run_onnx("InstanceNormalization", 6, {x, scale, bias})[0], expected));
  CHECK(close(run_onnx("GroupNormalization", 21, {x, scale, bias}, {{"num_groups", 2}})[0], expected));
  CHECK(close(run_onnx("GroupNormalization", 18, {x, scale, bias}, {{"num_groups", 2}})[0], expected));
  CHECK(close(run_onnx("GroupNormalization", 18, {x, f32({1}, {1}), f32({1}, {0})}, {{"num_groups", 1}})[0],
              standard({1, 2, 4, -1, 0, 7}, 1e-5f)));
  for (int64_t groups : {int64_t(0), int64_t(3), int64_t(-1), INT64_MAX})
    CHECK(import_error({"GroupNormalization", 21, {x, scale, bias}, {{"num_groups", groups}}}).find("num_groups") !=
          std::string::npos);
  CHECK(import_error({"InstanceNormalization", 6, {x, f32({3}, {1, 1, 1}), bias}}).find("scale is [3]") !=
        std::string::npos);
}

TEST_CASE("lp, mean-variance and local response normalization") {
  CHECK(close(run_onnx("LpNormalization", 1, {f32({2, 2}, {3, 4, 0, 0})})[0], {0.6, 0.8, 0, 0}));
  CHECK(close(run_onnx("LpNormalization", 22, {f32({2, 2}, {3, 4, -1, 0})}, {{"p", 1}, {"axis", 0}})[0],
              {0.75, 1, -0.25, 0}));
  CHECK(import_error({"LpNormalization", 1, {f32({1}, {1})}, {{"p", 3}}}).find("p is 3") != std::string::npos);
  CHECK(close(run_onnx("MeanVarianceNormalization", 13, {f32({1, 1, 1, 3}, {1, 2, 4})})[0], standard({1, 2, 4}, 0),
              1e-5));
  const Tensor y = run_onnx("LRN", 13, {f32({1, 3, 1}, {1, 2, 3})}, {{"size", 2}, {"alpha", 2.0f}, {"beta", 1.0f}})[0];
  CHECK(close(y, {1 / 6., 2 / 14., 3 / 10.}));
  CHECK(close(run_onnx("LRN", 13, {f32({1, 2, 1}, {1, 2})}, {{"size", INT64_MAX}, {"alpha", 0.0f}})[0], {1, 2}));
  CHECK(import_error({"LRN", 13, {f32({1, 2, 1}, {1, 2})}}).find("size is 0") != std::string::npos);
}

}  // namespace
}  // namespace tenon::ops
