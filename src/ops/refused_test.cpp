// Shapes that kernels cannot follow are refused by inference: kernels look at operands' elements alone.
#include <doctest/doctest.h>

#include <cmath>

#include "ops/data/gather_nd.h"
#include "ops/data/resize.h"
#include "ops/data/scatter.h"
#include "ops/nn/attention.h"
#include "ops/shape/axis_attrs.h"
#include "ops/trial.h"

using namespace tenon;
using namespace tenon::ops;
using trial::infer_error;
using trial::Operand;
using trial::Typed;

namespace {
Operand floats(const char* dims) { return Typed(DType::kF32, dims); }
Operand integers(const char* dims) { return Typed(DType::kI64, dims); }
}  // namespace

TEST_CASE("indices that reach beyond the data on another axis") {
  CHECK(infer_error("GatherElements", {floats("2, 3"), integers("2, 9")}, AxisAttrs{1}) == "");
  CHECK(infer_error("GatherElements", {floats("n, 3"), integers("9, 3")}, AxisAttrs{1}) == "");
  CHECK(infer_error("GatherElements", {floats("2, 3"), integers("3, 3")}, AxisAttrs{1}) != "");
  CHECK(infer_error("GatherND", {floats("2, 3"), integers("2, 1")}, GatherNdAttrs{1}) == "");
  CHECK(infer_error("GatherND", {floats("2, 3"), integers("4, 1")}, GatherNdAttrs{1}) != "");
  const ScatterElementsAttrs along{.axis = 1};
  CHECK(infer_error("ScatterElements", {floats("2, 3"), integers("2, 9"), floats("2, 9")}, along) == "");
  CHECK(infer_error("ScatterElements", {floats("2, 3"), integers("3, 3"), floats("3, 3")}, along) != "");
  CHECK(infer_error("ScatterElements", {floats("2, 3"), integers("2, 3"), floats("2, 2")}, along) != "");
  CHECK(infer_error("ScatterND", {floats("4, 3"), integers("2, 1"), floats("2, 3")}, ScatterNdAttrs{}) == "");
  CHECK(infer_error("ScatterND", {floats("4, 3"), integers("2, 1"), floats("2, 2")}, ScatterNdAttrs{}) != "");
  CHECK(infer_error("ScatterND", {floats("4, 3"), integers("2, 1"), floats("2")}, ScatterNdAttrs{}) != "");
}

TEST_CASE("tables of angles that have too few rows") {
  const Operand x = floats("2, 4, 3, 8");
  CHECK(infer_error("RotaryEmbedding", {x, floats("2, 3, 4"), floats("2, 3, 4")}, RotaryEmbeddingAttrs{}) == "");
  CHECK(infer_error("RotaryEmbedding", {x, floats("1, 3, 4"), floats("1, 3, 4")}, RotaryEmbeddingAttrs{}) != "");
  CHECK(infer_error("RotaryEmbedding", {x, floats("2, 2, 4"), floats("2, 2, 4")}, RotaryEmbeddingAttrs{}) != "");
  CHECK(infer_error("RotaryEmbedding", {x, floats("9, 4"), floats("9, 4"), integers("2, 3")}, RotaryEmbeddingAttrs{}) ==
        "");
  CHECK(infer_error("RotaryEmbedding", {x, floats("9, 4"), floats("5, 4"), integers("2, 3")}, RotaryEmbeddingAttrs{}) !=
        "");
  CHECK(infer_error("RotaryEmbedding", {x, floats("9, 4"), floats("9, 4"), integers("2, 1")}, RotaryEmbeddingAttrs{}) !=
        "");
}

TEST_CASE("a list of sizes with more entries than a tensor may have axes") {
  for (const char* length : {"65", "2147483648"}) {
    CAPTURE(length);
    CHECK(infer_error("Reshape", {floats("2, 3"), integers(length)}) != "");
    CHECK(infer_error("Unsqueeze", {floats("2, 3"), integers(length)}) != "");
    CHECK(infer_error("Expand", {floats("2, 3"), integers(length)}) != "");
    CHECK(infer_error("ConstantOfShape", {integers(length)}) != "");
  }
  CHECK(infer_error("Reshape", {floats("2, 3"), integers("64")}) == "");
}

TEST_CASE("a string tensor larger than memory") { CHECK_THROWS_AS(Tensor(DType::kString, {int64_t(1) << 50}), Error); }

TEST_CASE("a region of interest that is no number lies outside") {
  ResizeAttrs a;
  a.coordinate = ResizeCoordinate::kTfCropAndResize;
  a.extrapolation_value = 7;
  ResizeAxis axis;
  axis.in = axis.out = 4;
  axis.roi_start = std::nan("");
  axis.roi_end = 1;
  for (ResizeMode mode : {ResizeMode::kNearest, ResizeMode::kLinear}) {
    a.mode = mode;
    CHECK(resize_taps(a, axis, 1).outside);
  }
}
