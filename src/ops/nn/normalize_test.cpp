#include <doctest/doctest.h>

#include "ops/nn/batch_norm.h"
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
  CHECK(import_error({"BatchNormalization", 14, {x, p, p, p, p}, {{"training_mode", int64_t(1)}}})
            .find("training_mode") != std::string::npos);
}

TEST_CASE("softmax family") {
  const Tensor x = f32({2, 3}, {1, 2, 3, 1000, 1000, -INFINITY});
  const double e = std::exp(1), s = 1 + e + e * e;
  CHECK(close(run_op("Softmax", {x}, AxisAttrs{-1}), {1 / s, e / s, e * e / s, 0.5, 0.5, 0}));
  CHECK(close(run_op("LogSoftmax", {f32({3}, {1, 2, 3})}, AxisAttrs{0}),
              {-std::log(s), 1 - std::log(s), 2 - std::log(s)}));
  CHECK(close(run_op("Hardmax", {f32({2, 3}, {1, 3, 3, 2, 0, 1})}, AxisAttrs{1}), {0, 1, 0, 1, 0, 0}));
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

}  // namespace
}  // namespace tenon::ops
