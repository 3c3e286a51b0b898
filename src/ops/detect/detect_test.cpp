#include <doctest/doctest.h>

#include <cmath>

#include "ops/detect/grid_sample.h"
#include "ops/detect/non_max_suppression.h"
#include "ops/detect/roi.h"
#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

TEST_CASE("NonMaxSuppression") {
  const Tensor boxes = f32({1, 4, 4}, {0, 0, 1, 1, 0, 0.1, 1, 1.1, 1, 1, 0, 0, 0, 10, 1, 11});
  const Tensor scores = f32({1, 1, 4}, {0.9, 0.75, 0.6, 0.95});
  auto nms = [&](double most, double iou, double least) {
    return run_op("NonMaxSuppression", NonMaxSuppressionAttrs{},
                  {boxes, scores, i64({int64_t(most)}), f32({1}, {iou}), f32({1}, {least})})[0];
  };
  CHECK(nms(3, 0.5, 0) == i64({2, 3}, {0, 0, 3, 0, 0, 0}));
  CHECK(nms(1, 0.5, 0) == i64({1, 3}, {0, 0, 3}));
  CHECK(nms(9, 1, 0.7) == i64({3, 3}, {0, 0, 3, 0, 0, 0, 0, 0, 1}));
  CHECK(nms(0, 0.5, 0).dims() == Dims{0, 3});
  CHECK_THROWS_AS(nms(1, 1.5, 0), Error);
  CHECK_THROWS_AS(run_op("NonMaxSuppression", NonMaxSuppressionAttrs{}, {boxes, f32({1, 1, 1}, {0})}), Error);
  const Tensor empty(DType::kF32, {1, 0, 4});
  CHECK(run_op("NonMaxSuppression", NonMaxSuppressionAttrs{}, {empty, Tensor(DType::kF32, {1, 3, 0}), i64({5})})[0]
            .count() == 0);
}

TEST_CASE("GridSample at the centres is the identity") {
  const Tensor x = iota(DType::kF32, {1, 2, 2, 3});
  for (bool align : {false, true}) {
    const Tensor theta = f32({1, 2, 3}, {1, 0, 0, 0, 1, 0});
    const Tensor grid = run_op("AffineGrid", AffineGridAttrs{align}, {theta, i64({1, 2, 2, 3})})[0];
    for (GridMode mode : {GridMode::kLinear, GridMode::kNearest, GridMode::kCubic})
      for (GridPadding padding : {GridPadding::kZeros, GridPadding::kBorder, GridPadding::kReflection}) {
        const Tensor y = run_op("GridSample", GridSampleAttrs{mode, padding, align}, {x, grid})[0];
        for (int64_t i = 0; i < x.count(); ++i) CHECK(y.get(i) == doctest::Approx(x.get(i)).epsilon(1e-5));
      }
  }
}

TEST_CASE("GridSample outside") {
  const Tensor x = f32({1, 1, 1, 2}, {1, 2});
  auto at = [&](GridPadding padding, double p) {
    return run_op("GridSample", GridSampleAttrs{GridMode::kNearest, padding, false}, {x, f32({1, 1, 1, 2}, {p, 0})})[0]
        .get(0);
  };
  CHECK(at(GridPadding::kZeros, 1.6) == 0);
  CHECK(at(GridPadding::kBorder, 5) == 2);
  CHECK(at(GridPadding::kReflection, 1.6) == 2);
  CHECK(at(GridPadding::kReflection, 2.6) == 1);
  CHECK(at(GridPadding::kZeros, NAN) == 0);
  CHECK(at(GridPadding::kBorder, INFINITY) == 2);
  CHECK_THROWS_AS(run_op("GridSample", GridSampleAttrs{}, {x, f32({1, 1, 1, 3}, {0, 0, 0})}), Error);
  CHECK_THROWS_AS(run_op("GridSample", GridSampleAttrs{}, {x, f32({2, 1, 1, 2}, {0, 0, 0, 0})}), Error);
  const Tensor volume = iota(DType::kF32, {1, 1, 2, 2, 2});
  CHECK(run_op("GridSample", GridSampleAttrs{}, {volume, f32({1, 1, 1, 1, 3}, {0, 0, 0})})[0].get(0) == 3.5);
}

TEST_CASE("RoiAlign and MaxRoiPool") {
  const Tensor x = iota(DType::kF32, {1, 1, 4, 4});
  RoiAlignAttrs a{.height = 2, .width = 2, .sampling_ratio = 1, .half_pixel = true};
  CHECK(run_op("RoiAlign", a, {x, f32({1, 4}, {0, 0, 4, 4}), i64({0})})[0] ==
        f32({1, 1, 2, 2}, {2.5, 4.5, 10.5, 12.5}));
  CHECK_THROWS_AS(run_op("RoiAlign", a, {x, f32({1, 4}, {0, 0, 4, 4}), i64({1})}), Error);
  CHECK_THROWS_AS(run_op("RoiAlign", a, {x, f32({1, 4}, {0, 0, NAN, 4}), i64({0})}), Error);
  a.sampling_ratio = 0;
  CHECK_THROWS_AS(run_op("RoiAlign", a, {x, f32({1, 4}, {0, 0, 1e9, 4}), i64({0})}), Error);
  CHECK(run_op("RoiAlign", a, {x, f32({0, 4}, {}), i64(std::vector<int64_t>{})})[0].dims() == Dims{0, 1, 2, 2});
  const MaxRoiPoolAttrs pool{2, 2, 1};
  CHECK(run_op("MaxRoiPool", pool, {x, f32({1, 5}, {0, 0, 0, 3, 3})})[0] == f32({1, 1, 2, 2}, {5, 7, 13, 15}));
  CHECK_THROWS_AS(run_op("MaxRoiPool", pool, {x, f32({1, 5}, {2, 0, 0, 3, 3})}), Error);
  CHECK_THROWS_AS(run_op("MaxRoiPool", pool, {x, f32({1, 5}, {0, 0, 0, 1e30, 3})}), Error);
}
