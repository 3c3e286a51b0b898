#include <doctest/doctest.h>

#include <cmath>

#include "ops/data/col2im.h"
#include "ops/data/compress.h"
#include "ops/data/depth_to_space.h"
#include "ops/data/gather_nd.h"
#include "ops/data/reverse_sequence.h"
#include "ops/data/scatter.h"
#include "ops/data/tensor_scatter.h"
#include "ops/data/trilu.h"
#include "ops/shape/axis_attrs.h"
#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

namespace {
constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kI8, DType::kI64, DType::kBool, DType::kC64, DType::kU4};
const Tensor kNothing;
}  // namespace

TEST_CASE("GatherElements") {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(run_op("GatherElements", AxisAttrs{1}, {x, i64({2, 2}, {0, -1, 1, 1})})[0] == f32({2, 2}, {1, 3, 5, 5}));
  CHECK(run_op("GatherElements", AxisAttrs{0}, {x, i64({1, 3}, {1, 0, 1})})[0] == f32({1, 3}, {4, 2, 6}));
  CHECK(run_op("GatherElements", AxisAttrs{0}, {x, i64({0, 3}, {})})[0].count() == 0);
  CHECK_THROWS_AS(run_op("GatherElements", AxisAttrs{0}, {x, i64({1, 1}, {2})}), Error);
  CHECK_THROWS_AS(run_op("GatherElements", AxisAttrs{1}, {x, i64({3, 1}, {0, 0, 0})}), Error);
  CHECK_THROWS_AS(run_op("GatherElements", AxisAttrs{1}, {x, i64({1}, {0})}), Error);
}

TEST_CASE("GatherND") {
  const Tensor x = f32({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(run_op("GatherND", GatherNdAttrs{}, {x, i64({2, 2}, {0, 1, -1, 0})})[0] == f32({2, 2}, {2, 3, 4, 5}));
  CHECK(run_op("GatherND", GatherNdAttrs{1}, {x, i64({2, 1}, {1, 0})})[0] == f32({2, 2}, {2, 3, 4, 5}));
  CHECK(run_op("GatherND", GatherNdAttrs{}, {x, i64({1, 3}, {1, 1, 1})})[0] == f32({1}, {7}));
  CHECK(run_op("GatherND", GatherNdAttrs{}, {x, i64({1, 0}, {})})[0].dims() == Dims{1, 2, 2, 2});
  CHECK_THROWS_WITH_AS(run_op("GatherND", GatherNdAttrs{}, {x, i64({1, 1}, {2})}),
                       "node '' (GatherND): index 2 lies outside [-2, 1]", Error);
  CHECK_THROWS_AS(run_op("GatherND", GatherNdAttrs{}, {x, i64({1, 4}, {0, 0, 0, 0})}), Error);
  CHECK_THROWS_AS(run_op("GatherND", GatherNdAttrs{2}, {x, i64({2, 1}, {0, 0})}), Error);
  CHECK_THROWS_AS(run_op("GatherND", GatherNdAttrs{1}, {x, i64({3, 1}, {0, 0, 0})}), Error);
}

TEST_CASE("ScatterElements reduces in order") {
  const Tensor x = f32({1, 5}, {1, 2, 3, 4, 5}), at = i64({1, 2}, {1, 1}), u = f32({1, 2}, {1.5, 4});
  auto with = [&](ScatterReduction r) {
    return run_op("ScatterElements", ScatterElementsAttrs{1, r}, {x, at, u})[0].get(1);
  };
  CHECK(with(ScatterReduction::kNone) == 4);
  CHECK(with(ScatterReduction::kAdd) == 7.5);
  CHECK(with(ScatterReduction::kMul) == 12);
  CHECK(with(ScatterReduction::kMax) == 4);
  CHECK(with(ScatterReduction::kMin) == 1.5);
  for (DType type : kTypes) {
    const Tensor y =
        run_op("ScatterElements", ScatterElementsAttrs{}, {iota(type, {3}), i64({-1}), numbers(type, {1}, {1})})[0];
    CHECK(y.get(2) == 1);
    CHECK(y.get(1) == 1);
  }
  CHECK(run_op("ScatterElements", ScatterElementsAttrs{0, ScatterReduction::kMax},
               {i64({5}), i64({0}), i64({INT64_MAX})})[0]
            .get_int(0) == INT64_MAX);
  CHECK_THROWS_AS(run_op("ScatterElements", ScatterElementsAttrs{1}, {x, i64({1, 1}, {5}), f32({1, 1}, {0})}), Error);
  CHECK_THROWS_AS(run_op("ScatterElements", ScatterElementsAttrs{1}, {x, at, f32({1, 1}, {0})}), Error);
  CHECK_THROWS_AS(run_op("ScatterElements", ScatterElementsAttrs{1}, {x, at, i64({1, 2}, {0, 0})}), Error);
}

TEST_CASE("ScatterND") {
  const Tensor x = iota(DType::kF32, {3, 2});
  CHECK(run_op("ScatterND", ScatterNdAttrs{}, {x, i64({2, 1}, {2, 0}), f32({2, 2}, {9, 8, 7, 6})})[0] ==
        f32({3, 2}, {7, 6, 2, 3, 9, 8}));
  CHECK(run_op("ScatterND", ScatterNdAttrs{ScatterReduction::kAdd},
               {x, i64({2, 2}, {1, 1, 1, -1}), f32({2}, {1, 1})})[0] == f32({3, 2}, {0, 1, 2, 5, 4, 5}));
  CHECK(run_op("ScatterND", ScatterNdAttrs{}, {x, i64({0, 1}, {}), f32({0, 2}, {})})[0] == x);
  CHECK_THROWS_AS(run_op("ScatterND", ScatterNdAttrs{}, {x, i64({1, 1}, {3}), f32({1, 2}, {0, 0})}), Error);
  CHECK_THROWS_AS(run_op("ScatterND", ScatterNdAttrs{}, {x, i64({1, 1}, {0}), f32({1, 3}, {0, 0, 0})}), Error);
  CHECK_THROWS_AS(run_op("ScatterND", ScatterNdAttrs{}, {x, i64({1, 3}, {0, 0, 0}), f32({1}, {0})}), Error);
}

TEST_CASE("TensorScatter") {
  const Tensor cache(DType::kF32, {2, 4, 1}), u = f32({2, 2, 1}, {1, 2, 3, 4});
  CHECK(run_op("TensorScatter", TensorScatterAttrs{}, {cache, u, i64({2, 0})})[0] ==
        f32({2, 4, 1}, {0, 0, 1, 2, 3, 4, 0, 0}));
  CHECK(run_op("TensorScatter", TensorScatterAttrs{-2, true}, {cache, u, i64({3, 0})})[0] ==
        f32({2, 4, 1}, {2, 0, 0, 1, 3, 4, 0, 0}));
  CHECK_THROWS_AS(run_op("TensorScatter", TensorScatterAttrs{}, {cache, u, i64({3, 0})}), Error);
  CHECK_THROWS_AS(run_op("TensorScatter", TensorScatterAttrs{}, {cache, u, i64({-1, 0})}), Error);
  CHECK_THROWS_AS(run_op("TensorScatter", TensorScatterAttrs{0}, {cache, u}), Error);
}

TEST_CASE("NonZero, Compress, Unique") {
  CHECK(run_op("NonZero", {}, {numbers(DType::kBool, {2, 2}, {1, 0, 1, 1})})[0] == i64({2, 3}, {0, 1, 1, 0, 0, 1}));
  CHECK(run_op("NonZero", {}, {f32({2}, {0, 0})})[0].dims() == Dims{1, 0});
  const Tensor x = f32({2, 3}, {1, 2, 3, 1, 2, 0});
  const Tensor pick = numbers(DType::kBool, {3}, {0, 1, 1});
  CHECK(run_op("Compress", AxisOrFlatAttrs{1, false}, {x, pick})[0] == f32({2, 2}, {2, 3, 2, 0}));
  CHECK(run_op("Compress", AxisOrFlatAttrs{}, {x, pick})[0] == f32({2}, {2, 3}));
  CHECK_THROWS_AS(run_op("Compress", AxisOrFlatAttrs{0, false}, {x, pick}), Error);
  auto u = run_op("Unique", AxisOrFlatAttrs{}, {f32({6}, {2, 1, 1, 3, 4, 3})}, 4);
  CHECK(u[0] == f32({4}, {1, 2, 3, 4}));
  CHECK(u[1] == i64({1, 0, 3, 4}));
  CHECK(u[2] == i64({1, 0, 0, 2, 3, 2}));
  CHECK(u[3] == i64({2, 1, 2, 1}));
  u = run_op("Unique", AxisOrFlatAttrs{.sorted = false}, {f32({6}, {2, 1, 1, 3, 4, 3})}, 4);
  CHECK(u[0] == f32({4}, {2, 1, 3, 4}));
  u = run_op("Unique", AxisOrFlatAttrs{0, false}, {f32({3, 2}, {1, 0, 1, 0, 0, 5})}, 4);
  CHECK(u[0] == f32({2, 2}, {0, 5, 1, 0}));
  CHECK(u[2] == i64({1, 1, 0}));
  CHECK(run_op("Unique", AxisOrFlatAttrs{}, {f32({0}, {})})[0].count() == 0);
  CHECK(run_op("Unique", AxisOrFlatAttrs{}, {Tensor::of_strings({3}, {"b", "a", "b"})})[0] ==
        Tensor::of_strings({2}, {"a", "b"}));
}

TEST_CASE("OneHot") {
  const Tensor values = f32({2}, {0, 5});
  CHECK(run_op("OneHot", AxisAttrs{-1}, {i64({0, -1, 7}), i64({}, {3}), values})[0] ==
        f32({3, 3}, {5, 0, 0, 0, 0, 5, 0, 0, 0}));
  CHECK(run_op("OneHot", AxisAttrs{0}, {i64({2, 0}), i64({3}), values})[0] == f32({3, 2}, {0, 5, 0, 0, 5, 0}));
  CHECK_THROWS_AS(run_op("OneHot", AxisAttrs{-1}, {i64({0}), i64({}, {-1}), values}), Error);
  CHECK_THROWS_AS(run_op("OneHot", AxisAttrs{3}, {i64({0}), i64({}, {2}), values}), Error);
}

TEST_CASE("ReverseSequence, Trilu, EyeLike") {
  const Tensor x = iota(DType::kF32, {4, 2});
  CHECK(run_op("ReverseSequence", ReverseSequenceAttrs{}, {x, i64({3, 1})})[0] ==
        f32({4, 2}, {4, 1, 2, 3, 0, 5, 6, 7}));
  CHECK_THROWS_AS(run_op("ReverseSequence", ReverseSequenceAttrs{}, {x, i64({5, 1})}), Error);
  CHECK_THROWS_AS(run_op("ReverseSequence", ReverseSequenceAttrs{0, 0}, {x, i64({5, 1})}), Error);
  const Tensor m = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(run_op("Trilu", TriluAttrs{true}, {m})[0] == f32({2, 3}, {1, 2, 3, 0, 5, 6}));
  CHECK(run_op("Trilu", TriluAttrs{false}, {m, i64({}, {-1})})[0] == f32({2, 3}, {0, 0, 0, 4, 0, 0}));
  CHECK(run_op("Trilu", TriluAttrs{true}, {m, i64({}, {INT64_MIN})})[0] == m);
  CHECK(run_op("Trilu", TriluAttrs{true}, {Tensor(DType::kF32, {3, 0, 5})})[0].count() == 0);
  for (bool upper : {true, false})
    for (int64_t k = -5; k <= 6; ++k) {
      const Tensor all = iota(DType::kF32, {2, 3, 4}),
                   part = run_op("Trilu", TriluAttrs{upper}, {all, i64({}, {k})})[0];
      for (int64_t i = 0; i < all.count(); ++i) {
        const int64_t diagonal = i % 4 - i / 4 % 3;
        CHECK(part.get(i) == ((upper ? diagonal >= k : diagonal <= k) ? all.get(i) : 0));
      }
    }
  CHECK(run_op("EyeLike", EyeLikeAttrs{DType::kI64, 1}, {m})[0] == i64({2, 3}, {0, 1, 0, 0, 0, 1}));
  CHECK_THROWS_AS(run_op("EyeLike", EyeLikeAttrs{}, {f32({2}, {1, 1})}), Error);
}

TEST_CASE("DepthToSpace and SpaceToDepth undo each other") {
  const Tensor x = iota(DType::kF32, {2, 8, 2, 3});
  const Tensor y = run_op("DepthToSpace", DepthToSpaceAttrs{2}, {x})[0];
  CHECK(y.dims() == Dims{2, 2, 4, 6});
  CHECK(run_op("SpaceToDepth", DepthToSpaceAttrs{2}, {y})[0] == x);
  const Tensor crd = run_op("DepthToSpace", DepthToSpaceAttrs{2, true}, {iota(DType::kF32, {1, 8, 1, 1})})[0];
  CHECK(crd == f32({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}));
  CHECK_THROWS_AS(run_op("DepthToSpace", DepthToSpaceAttrs{3}, {x}), Error);
  CHECK_THROWS_AS(run_op("DepthToSpace", DepthToSpaceAttrs{0}, {x}), Error);
  Sketch s;
  CHECK(s.shape(s.op("DepthToSpace", {s.input(DType::kF32, {"n", "8", "h", "w"})}, DepthToSpaceAttrs{2})) ==
        "n, 2, (h * 2), (w * 2)");
}

TEST_CASE("CenterCropPad and Col2Im") {
  const Tensor x = iota(DType::kF32, {4, 3});
  CHECK(run_op("CenterCropPad", AxesAttrs{}, {x, i64({2, 5})})[0] == f32({2, 5}, {0, 3, 4, 5, 0, 0, 6, 7, 8, 0}));
  CHECK(run_op("CenterCropPad", AxesAttrs{{-1}}, {x, i64({1})})[0] == f32({4, 1}, {1, 4, 7, 10}));
  CHECK_THROWS_AS(run_op("CenterCropPad", AxesAttrs{{0}}, {x, i64({1, 2})}), Error);
  const Tensor columns = iota(DType::kF32, {1, 2, 2});
  CHECK(run_op("Col2Im", Col2ImAttrs{}, {columns, i64({1, 3}), i64({1, 2})})[0] == f32({1, 1, 1, 3}, {0, 3, 3}));
  CHECK_THROWS_AS(run_op("Col2Im", Col2ImAttrs{}, {columns, i64({1, 4}), i64({1, 2})}), Error);
  CHECK_THROWS_AS(run_op("Col2Im", Col2ImAttrs{}, {columns, i64({1, 3}), i64({1, 0})}), Error);
  CHECK_THROWS_AS(run_op("Col2Im", Col2ImAttrs{}, {columns, i64({1, 3}), i64({1, 9})}), Error);
}
