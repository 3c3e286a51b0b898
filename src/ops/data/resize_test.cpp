#include <doctest/doctest.h>

#include <cmath>

#include "ops/data/max_unpool.h"
#include "ops/data/resize.h"
#include "ops/testing.h"
#include "ops/trial.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

namespace {
const Tensor kNothing;

std::vector<double> resize(const ResizeAttrs& a, const std::vector<double>& x, double scale) {
  return run_op("Resize", a, {f32({int64_t(x.size())}, x), kNothing, f32({1}, {scale})})[0].to_doubles();
}
std::vector<double> resize_to(const ResizeAttrs& a, const std::vector<double>& x, int64_t size) {
  return run_op("Resize", a, {f32({int64_t(x.size())}, x), kNothing, kNothing, i64({size})})[0].to_doubles();
}
using V = std::vector<double>;
}  // namespace

TEST_CASE("Resize: nearest") {
  ResizeAttrs a;
  CHECK(resize(a, {1, 2}, 2) == V{1, 1, 2, 2});
  a.coordinate = ResizeCoordinate::kAsymmetric;
  a.nearest = ResizeNearest::kFloor;
  CHECK(resize(a, {1, 2, 3}, 5.0 / 3) == V{1, 1, 2, 2, 3});
  CHECK(resize(a, {1, 2, 3, 4}, 0.5) == V{1, 3});
  a.nearest = ResizeNearest::kCeil;
  CHECK(resize(a, {1, 2}, 2) == V{1, 2, 2, 2});
  a.nearest = ResizeNearest::kRoundPreferCeil;
  CHECK(resize(a, {1, 2}, 2) == V{1, 2, 2, 2});
  a.nearest = ResizeNearest::kRoundPreferFloor;
  CHECK(resize(a, {1, 2}, 2) == V{1, 1, 2, 2});
}

TEST_CASE("Resize: linear and cubic coordinates") {
  ResizeAttrs a{.mode = ResizeMode::kLinear};
  CHECK(resize(a, {1, 2}, 2) == V{1, 1.25, 1.75, 2});
  a.coordinate = ResizeCoordinate::kAlignCorners;
  CHECK(resize_to(a, {1, 4}, 4) == V{1, 2, 3, 4});
  a.coordinate = ResizeCoordinate::kAsymmetric;
  CHECK(resize(a, {1, 2}, 2) == V{1, 1.5, 2, 2});
  a.coordinate = ResizeCoordinate::kPytorchHalfPixel;
  CHECK(resize_to(a, {1, 2, 3}, 1) == V{1});
  a.coordinate = ResizeCoordinate::kHalfPixel;
  CHECK(resize_to(a, {1, 2, 3}, 1) == V{2});
  ResizeAttrs cubic{.mode = ResizeMode::kCubic, .cubic_coeff_a = -0.5F};  // reproduces straight lines
  const V y = resize(cubic, {0, 1, 2, 3, 4, 5, 6, 7}, 2);
  for (size_t i = 4; i < 12; ++i) CHECK(y[i] == doctest::Approx((double(i) + 0.5) / 2 - 0.5));
  cubic.exclude_outside = true;
  for (double v : resize(cubic, {3, 3, 3}, 3)) CHECK(v == doctest::Approx(3));
  a.antialias = true;
  for (double v : resize(a, {3, 3, 3, 3, 3}, 0.4)) CHECK(v == doctest::Approx(3));
}

TEST_CASE("Resize: axes, policies, crop") {
  ResizeAttrs a{.axes = {-1}};
  CHECK(run_op("Resize", a, {f32({1, 2}, {1, 2}), kNothing, f32({1}, {2})})[0] == f32({1, 4}, {1, 1, 2, 2}));
  const Tensor x = iota(DType::kF32, {4, 2});
  ResizeAttrs larger{.policy = ResizePolicy::kNotLarger};
  CHECK(run_op("Resize", larger, {x, kNothing, kNothing, i64({6, 6})})[0].dims() == Dims{6, 3});
  larger.policy = ResizePolicy::kNotSmaller;
  CHECK(run_op("Resize", larger, {x, kNothing, kNothing, i64({6, 6})})[0].dims() == Dims{12, 6});
  ResizeAttrs crop{
      .mode = ResizeMode::kLinear, .coordinate = ResizeCoordinate::kTfCropAndResize, .extrapolation_value = 9};
  CHECK(run_op("Resize", crop, {f32({3}, {0, 1, 2}), f32({2}, {0.5, 1.5}), kNothing, i64({3})})[0] ==
        f32({3}, {1, 2, 9}));
  CHECK_THROWS_AS(run_op("Resize", {ResizeAttrs{}}, {x, kNothing, f32({1}, {2})}), Error);
  CHECK_THROWS_AS(run_op("Resize", {ResizeAttrs{}}, {x, kNothing, f32({2}, {0, 1})}), Error);
  CHECK_THROWS_AS(run_op("Resize", {ResizeAttrs{}}, {x, kNothing, f32({2}, {NAN, 1})}), Error);
  CHECK_THROWS_AS(run_op("Resize", {ResizeAttrs{}}, {x, kNothing, kNothing, i64({-1, 2})}), Error);
  CHECK_THROWS_AS(run_op("Resize", {ResizeAttrs{}}, {x, kNothing, f32({2}, {1, 1}), i64({1, 2})}), Error);
  CHECK_THROWS_AS(run_op("Resize", {ResizeAttrs{}}, {Tensor(DType::kF32, {0}), kNothing, kNothing, i64({2})}), Error);
}

TEST_CASE("Resize: symbols and fractions") {
  Sketch s;
  const auto x = s.input(DType::kF32, {"n", "3", "h", "w"});
  auto scaled = [&](double f) {
    return s.shape(s.op("Resize", {x, ir::kNone, s.constant(f32({4}, {1, 1, f, f}))}, ResizeAttrs{}));
  };
  CHECK(scaled(2) == "n, 3, (h * 2), (w * 2)");
  CHECK(scaled(0.5) == "n, 3, (h // 2), (w // 2)");
  CHECK(ResizeScale::of(0.7).num == 7);
  CHECK(ResizeScale::of(double(1.0F / 3)).den == 3);
  const ResizeScale odd = ResizeScale::of(0.123456789);
  CHECK(float(double(odd.num) / double(odd.den)) == 0.123456789F);
  CHECK_THROWS_AS(ResizeScale::of(-1), Error);
}

TEST_CASE("MaxUnpool") {
  const MaxUnpoolAttrs a{{2, 2}, {2, 2}, {0, 0, 0, 0}};
  const Tensor x = f32({1, 1, 1, 2}, {5, 6});
  CHECK(run_op("MaxUnpool", a, {x, i64({1, 1, 1, 2}, {4, 3})})[0] == f32({1, 1, 2, 4}, {0, 0, 0, 6, 5, 0, 0, 0}));
  CHECK(run_op("MaxUnpool", a, {x, i64({1, 1, 1, 2}, {4, 3}), i64({1, 1, 2, 5})})[0] ==
        f32({1, 1, 2, 5}, {0, 0, 0, 6, 0, 5, 0, 0, 0, 0}));
  CHECK_THROWS_AS(run_op("MaxUnpool", a, {x, i64({1, 1, 1, 2}, {8, 3})}), Error);
  CHECK_THROWS_AS(run_op("MaxUnpool", a, {x, i64({1, 1, 1, 2}, {4, 3}), i64({1, 1, 1, 4})}), Error);
}

TEST_CASE("Resize of opset 10 rounds nearest positions up where it shrinks") {
  const auto run = [](std::vector<float> scales, int opset = 10) {
    const Tensor by = Tensor::of<float>(DType::kF32, {4}, scales);
    return trial::run_onnx("Resize", opset, {f32({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}), by})[0];
  };
  CHECK(run({1, 1, 0.6f, 0.6f}) == f32({1, 1, 1, 2}, {1, 3}));
  CHECK(run({1, 1, 2, 0.6f}) == f32({1, 1, 4, 2}, {1, 3, 1, 3, 5, 7, 5, 7}));
  CHECK(run({1, 1, 1, 1.5f}) == f32({1, 1, 2, 6}, {1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8}));
}
