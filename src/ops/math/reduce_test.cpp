#include "ops/math/reduce.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;
using K = ReduceKind;

TEST_CASE("reduce: every kind") {
  const Tensor x = f32({2, 3}, {1, -2, 3, 4, 5, -6});
  struct Problem {
    K kind;
    std::vector<double> y;
  } const problems[] = {
      {K::kSum, {2, 3}},
      {K::kMean, {2 / 3., 1}},
      {K::kMax, {3, 5}},
      {K::kMin, {-2, -6}},
      {K::kProd, {-6, -120}},
      {K::kL1, {6, 15}},
      {K::kL2, {std::sqrt(14.), std::sqrt(77.)}},
      {K::kLogSum, {std::log(2.), std::log(3.)}},
      {K::kSumSquare, {14, 77}},
      {K::kLogSumExp,
       {std::log(std::exp(1.) + std::exp(-2.) + std::exp(3.)), std::log(std::exp(4.) + std::exp(5.) + std::exp(-6.))}}};
  for (const Problem& p : problems) {
    CAPTURE(int(p.kind));
    CHECK(close(run_op("Reduce", {x}, ReduceAttrs{p.kind, {1}, true}), p.y));
    CHECK(run_op("Reduce", {x}, ReduceAttrs{p.kind, {-1}, false}).dims() == Dims{2});
  }
  CHECK(close(run_op("Reduce", {x}, ReduceAttrs{K::kSum, {0, -1}, false}), {5}));
  CHECK(close(run_op("Reduce", {x}, ReduceAttrs{K::kL1, {}, true}), {1, 2, 3, 4, 5, 6}));
  CHECK(
      close(run_op("Reduce", {f32({2}, {1000, 1000})}, ReduceAttrs{K::kLogSumExp, {0}, false}), {1000 + std::log(2.)}));
}

TEST_CASE("reduce: integers, empty input, NaN") {
  const Tensor x = i64({2, 2}, {INT64_MAX, 1, -7, 2});
  CHECK(run_op("Reduce", {x}, ReduceAttrs{K::kSum, {1}, false}).to_ints() == std::vector<int64_t>{INT64_MIN, -5});
  CHECK(run_op("Reduce", {x}, ReduceAttrs{K::kMean, {1}, false}).to_ints()[1] == -2);
  CHECK(run_op("Reduce", {x}, ReduceAttrs{K::kMax, {0, 1}, false}).to_ints() == std::vector<int64_t>{INT64_MAX});
  CHECK(run_op("Reduce", {boolean({2, 2}, {0, 1, 0, 0})}, ReduceAttrs{K::kMax, {1}, false}).to_ints() ==
        std::vector<int64_t>{1, 0});
  const Tensor none = f32({2, 0}, {});
  CHECK(close(run_op("Reduce", {none}, ReduceAttrs{K::kSum, {1}, false}), {0, 0}));
  CHECK(close(run_op("Reduce", {none}, ReduceAttrs{K::kProd, {1}, false}), {1, 1}));
  CHECK(close(run_op("Reduce", {none}, ReduceAttrs{K::kMax, {1}, false}), {-INFINITY, -INFINITY}));
  CHECK(close(run_op("Reduce", {none}, ReduceAttrs{K::kMean, {1}, false}), {std::nan(""), std::nan("")}));
  CHECK(close(run_op("Reduce", {none}, ReduceAttrs{K::kLogSumExp, {1}, false}), {-INFINITY, -INFINITY}));
  CHECK(run_op("Reduce", {Tensor(DType::kI8, {0})}, ReduceAttrs{K::kMin, {0}, false}).to_ints() ==
        std::vector<int64_t>{127});
  CHECK(run_op("Reduce", {Tensor(DType::kU8, {0})}, ReduceAttrs{K::kMin, {0}, false}).to_ints() ==
        std::vector<int64_t>{255});
  CHECK(run_op("Reduce", {Tensor(DType::kU64, {0})}, ReduceAttrs{K::kMin, {0}, false}).to_ints() ==
        std::vector<int64_t>{-1});
  CHECK(close(run_op("Reduce", {f32({2}, {std::nan(""), 1})}, ReduceAttrs{K::kMax, {0}, false}), {std::nan("")}));
}

TEST_CASE("reduce: shapes, contents, bad input") {
  CHECK(infer_op("Reduce", {Typed(DType::kF32, "n, c, 4")}, ReduceAttrs{K::kMean, {-2}, true}).shape() == "[n, 1, 4]");
  CHECK(infer_op("Reduce", {Contents("n, 3, h")}, ReduceAttrs{K::kProd, {0}, false}).contents() == "[((n * h) * 3)]");
  CHECK(infer_op("Reduce", {Contents("n, 3")}, ReduceAttrs{K::kSum, {0}, true}).contents() == "[(n + 3)]");
  CHECK(infer_op("Reduce", {Contents("n, (n + 2)")}, ReduceAttrs{K::kMax, {0}, true}).contents() == "[(n + 2)]");
  CHECK(infer_error("Reduce", {Typed(DType::kF32, "2")}, ReduceAttrs{K::kSum, {1}, true}).find("axis 1") !=
        std::string::npos);
  CHECK(infer_error("Reduce", {Typed(DType::kF32, "2, 3")}, ReduceAttrs{K::kSum, {1, -1}, true}).find("twice") !=
        std::string::npos);
  CHECK(infer_error("Reduce", {Typed(DType::kString, "2")}, ReduceAttrs{K::kSum, {0}, true}).find("string") !=
        std::string::npos);
}

TEST_CASE("reduce: ONNX axes as attribute, as input, left out") {
  const Tensor x = f32({2, 2}, {1, 2, 3, 4});
  CHECK(
      close(run_onnx("ReduceSum", 11, {x}, {{"axes", std::vector<int64_t>{0}}, {"keepdims", int64_t(0)}})[0], {4, 6}));
  CHECK(close(run_onnx("ReduceSum", 13, {x, i64({1}, {-1})})[0], {3, 7}));
  CHECK(close(run_onnx("ReduceMean", 18, {x})[0], {2.5}));
  CHECK(close(run_onnx("ReduceSum", 13, {x, i64({0}, {})}, {{"noop_with_empty_axes", int64_t(1)}})[0], {1, 2, 3, 4}));
  CHECK(close(run_onnx("ReduceSumSquare", 18, {x}, {{"noop_with_empty_axes", int64_t(1)}})[0], {1, 4, 9, 16}));
}

}  // namespace
}  // namespace tenon::ops
