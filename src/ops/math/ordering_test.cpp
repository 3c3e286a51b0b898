#include "ops/math/ordering.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;
using Ints = std::vector<int64_t>;

TEST_CASE("argmax and argmin") {
  const Tensor x = f32({2, 4}, {1, 3, 3, 2, std::nan(""), 9, -1, -1});
  CHECK(run_op("ArgMax", {x}, ArgAttrs{1, true}).to_ints() == Ints{1, 0});
  CHECK(run_op("ArgMax", {x}, ArgAttrs{-1, false, true}).to_ints() == Ints{2, 0});
  CHECK(run_op("ArgMin", {x}, ArgAttrs{0, false}).to_ints() == Ints{1, 0, 1, 1});
  CHECK(run_op("ArgMax", {tensor<int64_t>(DType::kU64, {2}, {5, -1})}, ArgAttrs{0}).to_ints() == Ints{1});
  CHECK(run_op("ArgMax", {f32({0, 3}, {})}, ArgAttrs{1}).dims() == Dims{0, 1});
  CHECK(infer_op("ArgMax", {Typed(DType::kF32, "n, 3, h")}, ArgAttrs{1, false}).shape() == "[n, h]");
  CHECK(infer_error("ArgMax", {Typed(DType::kF32, "n, 0")}, ArgAttrs{1}).find("no elements") != std::string::npos);
  CHECK(infer_error("ArgMax", {Typed(DType::kF32, "n, 0")}, ArgAttrs{2}).find("axis 2") != std::string::npos);
  CHECK(run_onnx("ArgMin", 13, {f32({3}, {2, 1, 1})}, {{"select_last_index", 1}})[0].to_ints() == Ints{2});
}

TEST_CASE("top k") {
  const Tensor x = f32({2, 4}, {1, 3, 3, 2, 0, std::nan(""), -1, 5});
  auto y = run_onnx("TopK", 11, {x, i64({1}, {2})}, {}, 2);
  CHECK(close(y[0], {3, 3, std::nan(""), 5}));
  CHECK(y[1].to_ints() == Ints{1, 2, 1, 3});
  y = run_onnx("TopK", 11, {x, i64({1}, {1})}, {{"largest", 0}, {"axis", 0}}, 2);
  CHECK(y[1].to_ints() == Ints{1, 0, 1, 0});
  CHECK(run_onnx("TopK", 1, {x}, {{"k", 3}}, 2)[0].dims() == Dims{2, 3});
  CHECK(run_onnx("TopK", 10, {x, i64({1}, {0})}, {}, 2)[0].dims() == Dims{2, 0});
  CHECK(infer_op("TopK", {Typed(DType::kF32, "n, h"), Contents("h")}, TopKAttrs{}, 2).shape(1) == "[n, h]");
  CHECK(infer_op("TopK", {Typed(DType::kF32, "n, h"), Typed(DType::kI64, "1")}, TopKAttrs{}, 2).shape(0).find("u_") !=
        std::string::npos);
  CHECK(infer_error("TopK", {Typed(DType::kF32, "n, 4"), i64({1}, {5})}, TopKAttrs{}, 2).find("k is 5") !=
        std::string::npos);
  CHECK(infer_error("TopK", {Typed(DType::kF32, "n, 4"), i64({1}, {-1})}, TopKAttrs{}, 2).find("k is -1") !=
        std::string::npos);
}

TEST_CASE("cumulative sums and products") {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6}), axis = i64({}, {1});
  CHECK(close(run_onnx("CumSum", 14, {x, axis})[0], {1, 3, 6, 4, 9, 15}));
  CHECK(close(run_onnx("CumSum", 14, {x, axis}, {{"exclusive", 1}})[0], {0, 1, 3, 0, 4, 9}));
  CHECK(close(run_onnx("CumSum", 14, {x, axis}, {{"reverse", 1}})[0], {6, 5, 3, 15, 11, 6}));
  CHECK(close(run_onnx("CumSum", 11, {x, i64({1}, {-2})})[0], {1, 2, 3, 5, 7, 9}));
  CHECK(close(run_onnx("CumProd", 24, {x, axis}, {{"exclusive", 1}, {"reverse", 1}})[0], {6, 3, 1, 30, 6, 1}));
  CHECK(run_op("CumSum", {i64({2}, {INT64_MAX, 1})}, CumulativeAttrs{}).to_ints() == Ints{INT64_MAX, INT64_MIN});
  CHECK(run_op("CumSum", {f32({0}, {})}, CumulativeAttrs{}).count() == 0);
}

TEST_CASE("prelu") {
  CHECK(close(run_op("PRelu", {f32({2, 2}, {-1, 2, -3, std::nan("")}), f32({2, 1}, {0.5, 2})}),
              {-0.5, 2, -6, std::nan("")}));
  CHECK(run_op("PRelu", {i64({2}, {-2, 3}), i64({1}, {4})}).to_ints() == Ints{-8, 3});
  CHECK(close(run_onnx("PRelu", 7, {f32({1, 2, 3}, {-1, -1, -1, -1, -1, -1}), f32({2}, {2, 3})})[0],
              {-2, -2, -2, -3, -3, -3}));
  CHECK(infer_error("PRelu", {Typed(DType::kF32, "2"), Typed(DType::kF32, "3, 2")}).find("slope [3, 2]") !=
        std::string::npos);
  CHECK(infer_op("PRelu", {Typed(DType::kF32, "n, 3, h"), Typed(DType::kF32, "3, 1")}).shape() == "[n, 3, h]");
}

}  // namespace
}  // namespace tenon::ops
