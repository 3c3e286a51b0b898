#include <doctest/doctest.h>

#include "ops/shape/axis_attrs.h"
#include "ops/shape/bounds.h"
#include "ops/shape/constant_of_shape.h"
#include "ops/shape/pad.h"
#include "ops/shape/reshape.h"
#include "ops/shape/shape_of.h"
#include "ops/shape/split.h"
#include "ops/shape/transpose.h"
#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

namespace {
constexpr DType kTypes[] = {DType::kF32,  DType::kF64, DType::kF16, DType::kI8, DType::kI64,
                            DType::kBool, DType::kC64, DType::kU4,  DType::kI2, DType::kF4E2M1};
const Tensor kNothing;
}  // namespace

TEST_CASE("Reshape resolves 0 and -1") {
  const Tensor x = iota(DType::kF32, {2, 3, 4});
  auto dims = [&](std::vector<int64_t> shape, bool allowzero = false) {
    return run_op("Reshape", ReshapeAttrs{allowzero}, {x, i64(shape)})[0].dims();
  };
  CHECK(dims({4, 6}) == Dims{4, 6});
  CHECK(dims({0, -1}) == Dims{2, 12});
  CHECK(dims({0, 0, 2, -1}) == Dims{2, 3, 2, 2});
  CHECK(dims({-1}) == Dims{24});
  CHECK(run_op("Reshape", ReshapeAttrs{}, {iota(DType::kF32, {0, 5}), i64({0, -1})})[0].dims() == Dims{0, 5});
  CHECK(run_op("Reshape", ReshapeAttrs{true}, {iota(DType::kF32, {0, 5}), i64({3, 0})})[0].dims() == Dims{3, 0});
  CHECK(run_op("Reshape", ReshapeAttrs{}, {iota(DType::kF32, {1}), i64(std::vector<int64_t>{})})[0].dims() == Dims{});
  CHECK_THROWS_AS(dims({5, -1}), Error);
  CHECK_THROWS_AS(dims({-1, -1}), Error);
  CHECK_THROWS_AS(dims({24, 1, 1, 0}), Error);
  CHECK_THROWS_AS(dims({-2, 12}), Error);
  CHECK_THROWS_AS(dims({0, -1}, true), Error);
  CHECK_THROWS_AS(dims({INT64_MAX, INT64_MAX}), Error);
}

TEST_CASE("Reshape with symbols") {
  Sketch s;
  const auto x = s.input(DType::kF32, {"b", "t", "768"});
  CHECK(s.shape(s.op("Reshape", {x, s.constant(i64({0, 0, 12, 64}))}, ReshapeAttrs{})) == "b, t, 12, 64");
  CHECK(s.shape(s.op("Reshape", {x, s.constant(i64({-1, 768}))}, ReshapeAttrs{})) == "(b * t), 768");
  const auto flat = s.op("Reshape", {x, s.constant(i64({-1}))}, ReshapeAttrs{});
  const auto dims = s.op("Shape", {x}, ShapeAttrs{});
  CHECK(s.contents(dims) == "b, t, 768");
  CHECK(s.shape(s.op("Reshape", {flat, dims}, ReshapeAttrs{})) == "b, t, 768");
  // The exporters' idiom: Shape, Gather, Unsqueeze, Concat, Reshape.
  const auto b = s.op("Gather", {dims, s.constant(i64({}, {0}))}, AxisAttrs{0});
  const auto bv = s.op("Unsqueeze", {b}, AxesAttrs{{0}});
  const auto wanted = s.op("Concat", {bv, s.constant(i64({-1})), s.constant(i64({12, 64}))}, AxisAttrs{0});
  CHECK(s.contents(wanted) == "b, -1, 12, 64");
  CHECK(s.shape(s.op("Reshape", {x, wanted}, ReshapeAttrs{})) == "b, t, 12, 64");
}

TEST_CASE("views") {
  const Tensor x = iota(DType::kF32, {2, 3, 4});
  auto flatten = [&](int64_t axis) { return run_op("Flatten", AxisAttrs{axis}, {x})[0].dims(); };
  CHECK(flatten(0) == Dims{1, 24});
  CHECK(flatten(1) == Dims{2, 12});
  CHECK(flatten(3) == Dims{24, 1});
  CHECK(flatten(-1) == Dims{6, 4});
  CHECK_THROWS_AS(flatten(4), Error);
  const Tensor y = iota(DType::kI8, {1, 3, 1});
  CHECK(run_op("Squeeze", AxesAttrs{{0, -1}}, {y})[0].dims() == Dims{3});
  CHECK(run_op("Squeeze", AxesAttrs{}, {y, i64({2})})[0].dims() == Dims{1, 3});
  CHECK(run_op("Unsqueeze", AxesAttrs{{0, -1}}, {y})[0].dims() == Dims{1, 1, 3, 1, 1});
  CHECK(run_op("Unsqueeze", AxesAttrs{}, {y, i64({1})})[0].dims() == Dims{1, 1, 3, 1});
  CHECK_THROWS_AS(run_op("Squeeze", AxesAttrs{{1}}, {y}), Error);
  CHECK_THROWS_AS(run_op("Unsqueeze", AxesAttrs{{0, 0}}, {y}), Error);
  CHECK_THROWS_AS(run_op("Unsqueeze", AxesAttrs{{9}}, {y}), Error);
  Sketch s;
  CHECK(s.shape(s.op("Flatten", {s.input(DType::kF32, {"n", "512", "h", "h"})}, AxisAttrs{1})) == "n, ((h * h) * 512)");
}

TEST_CASE("Transpose moves every element type") {
  for (DType type : kTypes) {
    const Tensor x = iota(type, {2, 3, 2});
    const Tensor y = run_op("Transpose", TransposeAttrs{{2, 0, 1}}, {x})[0];
    CHECK(y.dims() == Dims{2, 2, 3});
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 3; ++j)
        for (int64_t k = 0; k < 2; ++k) CHECK(y.get((k * 2 + i) * 3 + j) == x.get((i * 3 + j) * 2 + k));
  }
  CHECK(run_op("Transpose", TransposeAttrs{}, {iota(DType::kF32, {2, 3, 0})})[0].dims() == Dims{0, 3, 2});
  CHECK_THROWS_AS(run_op("Transpose", TransposeAttrs{{0, 0}}, {iota(DType::kF32, {2, 3})}), Error);
  CHECK_THROWS_AS(run_op("Transpose", TransposeAttrs{{0}}, {iota(DType::kF32, {2, 3})}), Error);
  const Tensor s = Tensor::of_strings({1, 2}, {"a", "b"});
  CHECK(run_op("Transpose", TransposeAttrs{}, {s})[0] == Tensor::of_strings({2, 1}, {"a", "b"}));
}

TEST_CASE("Concat and Split undo each other") {
  for (DType type : kTypes) {
    const Tensor x = iota(type, {2, 5, 3});
    for (int64_t axis : {-1, 0, 1}) {
      const size_t parts = axis == 0 ? 2 : 3;
      auto split = run_op("Split", SplitAttrs{.axis = axis}, {x}, parts);
      CHECK(run_op("Concat", AxisAttrs{axis}, split)[0] == x);
    }
    auto ragged = run_op("Split", SplitAttrs{.axis = 1}, {x, i64({4, 0, 1})}, 3);
    CHECK(ragged[1].count() == 0);
    CHECK(run_op("Concat", AxisAttrs{1}, ragged)[0] == x);
  }
  const Tensor x = iota(DType::kF32, {7});
  auto uneven = run_op("Split", SplitAttrs{}, {x}, 3);
  CHECK(uneven[0].dims() == Dims{3});
  CHECK(uneven[2].dims() == Dims{1});
  CHECK_THROWS_AS(run_op("Split", SplitAttrs{.even = true}, {x}, 3), Error);
  CHECK_THROWS_AS(run_op("Split", SplitAttrs{}, {x, i64({3, 3})}, 2), Error);
  CHECK_THROWS_AS(run_op("Split", SplitAttrs{}, {x, i64({8, -1})}, 2), Error);
  CHECK_THROWS_AS(run_op("Concat", AxisAttrs{0}, {iota(DType::kF32, {2, 2}), iota(DType::kF32, {2, 3})}), Error);
  CHECK_THROWS_AS(run_op("Concat", AxisAttrs{0}, {iota(DType::kF32, {2}), iota(DType::kI8, {2})}), Error);
  Sketch s;
  const auto a = s.input(DType::kF32, {"n", "c"}), b = s.input(DType::kF32, {"n", "3"});
  CHECK(s.shape(s.op("Concat", {a, b}, AxisAttrs{1})) == "n, (c + 3)");
}

TEST_CASE("Slice") {
  const Tensor x = iota(DType::kF32, {4, 5});
  auto slice = [&](std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
                   std::vector<int64_t> steps) {
    return run_op("Slice", {}, {x, i64(starts), i64(ends), i64(axes), i64(steps)})[0];
  };
  CHECK(slice({1}, {3}, {0}, {1}).dims() == Dims{2, 5});
  CHECK(slice({0}, {INT64_MAX}, {-1}, {2}) == f32({4, 3}, {0, 2, 4, 5, 7, 9, 10, 12, 14, 15, 17, 19}));
  CHECK(slice({-1}, {INT64_MIN}, {1}, {-2}) == f32({4, 3}, {4, 2, 0, 9, 7, 5, 14, 12, 10, 19, 17, 15}));
  CHECK(slice({20, 1}, {-20, 100}, {0, 1}, {-3, 3}) == f32({2, 2}, {16, 19, 1, 4}));
  CHECK(slice({3}, {1}, {0}, {1}).dims() == Dims{0, 5});
  CHECK(slice({0}, {4}, {0}, {INT64_MAX}).dims() == Dims{1, 5});
  CHECK(slice({3}, {INT64_MIN}, {0}, {INT64_MIN}).dims() == Dims{1, 5});
  CHECK(run_op("Slice", {}, {x, i64({2}), i64({INT64_MAX})})[0].dims() == Dims{2, 5});
  CHECK(run_op("Slice", {}, {iota(DType::kF32, {0}), i64({0}), i64({9}), kNothing, i64({-1})})[0].count() == 0);
  CHECK_THROWS_AS(slice({0}, {1}, {0}, {0}), Error);
  CHECK_THROWS_AS(slice({0}, {1}, {2}, {1}), Error);
  CHECK_THROWS_AS(slice({0, 0}, {1, 1}, {0, 0}, {1, 1}), Error);
  for (DType type : kTypes)
    CHECK(run_op("Slice", {}, {iota(type, {5}), i64({1}), i64({4})})[0].get(2) == iota(type, {5}).get(3));
}

TEST_CASE("Slice of symbols") {
  Sketch s;
  const auto x = s.input(DType::kF32, {"n", "(h * 2)"});
  auto slice = [&](int64_t start, int64_t end, int64_t step) {
    return s.shape(s.op(
        "Slice", {x, s.constant(i64({start})), s.constant(i64({end})), s.constant(i64({1})), s.constant(i64({step}))}));
  };
  CHECK(slice(0, INT64_MAX, 1) == "n, (h * 2)");
  CHECK(slice(0, INT64_MAX, 2) == "n, h");
  CHECK(slice(1, INT64_MAX, 1) == slice(0, -1, 1));
  CHECK(slice(-1, INT64_MIN, -1) == "n, (h * 2)");
  CHECK(slice(0, 5, 1) == "n, min(5, (h * 2))");
  const auto dims = s.op("Shape", {x}, ShapeAttrs{});
  CHECK(s.contents(s.op("Slice", {dims, s.constant(i64({-1})), s.constant(i64({INT64_MIN})), s.constant(i64({0})),
                                  s.constant(i64({-1}))})) == "(h * 2), n");
  const auto n = s.op("Slice", {dims, s.constant(i64({0})), s.constant(i64({1}))});
  CHECK(s.contents(n) == "n");
  CHECK(s.shape(s.op("Slice", {x, s.constant(i64({0})), n})) == "n, (h * 2)");
}

TEST_CASE("dimensions whose order is known") {
  ir::SymbolTable t;
  const Dim d = t.named("d"), half = t.floor_div(t.add(d, 1), 2);
  CHECK(tight_min(t, half, d) == half);
  CHECK(tight_min(t, d, t.add(d, 2)) == d);
  CHECK(tight_max(t, d, 0) == d);
  CHECK(tight_min(t, t.mul(t.floor_div(d, 3), 2), d) == t.mul(t.floor_div(d, 3), 2));
  CHECK(!provably_at_most(t, d, half));
  CHECK(!provably_at_most(t, d, t.named("e")));
  CHECK(*divide_products(t, {d, 6, t.named("e")}, {t.named("e"), 3}) == t.mul(d, 2));
}

TEST_CASE("Expand and Tile") {
  CHECK(run_op("Expand", {}, {f32({3, 1}, {1, 2, 3}), i64({2, 1, 2})})[0] ==
        f32({2, 3, 2}, {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3}));
  CHECK(run_op("Expand", {}, {f32({2, 1}, {1, 2}), i64({1})})[0].dims() == Dims{2, 1});
  CHECK(run_op("Expand", {}, {f32({1}, {1}), i64({0, 3})})[0].dims() == Dims{0, 3});
  CHECK_THROWS_AS(run_op("Expand", {}, {f32({2}, {1, 2}), i64({3})}), Error);
  CHECK_THROWS_AS(run_op("Expand", {}, {f32({1}, {1}), i64({INT64_MAX, INT64_MAX})}), Error);
  CHECK(run_op("Tile", {}, {f32({2, 2}, {1, 2, 3, 4}), i64({2, 1})})[0] == f32({4, 2}, {1, 2, 3, 4, 1, 2, 3, 4}));
  CHECK(run_op("Tile", {}, {f32({1, 2}, {1, 2}), i64({1, 2})})[0] == f32({1, 4}, {1, 2, 1, 2}));
  CHECK(run_op("Tile", {}, {f32({2}, {1, 2}), i64({0})})[0].dims() == Dims{0});
  CHECK_THROWS_AS(run_op("Tile", {}, {f32({2}, {1, 2}), i64({-1})}), Error);
  CHECK_THROWS_AS(run_op("Tile", {}, {f32({2}, {1, 2}), i64({1, 1})}), Error);
}

TEST_CASE("Pad") {
  const Tensor x = f32({3}, {1, 2, 3});
  auto pad = [&](PadMode mode, int64_t before, int64_t after) {
    return run_op("Pad", PadAttrs{mode}, {x, i64({before, after})})[0].to_doubles();
  };
  using V = std::vector<double>;
  CHECK(pad(PadMode::kConstant, 1, 2) == V{0, 1, 2, 3, 0, 0});
  CHECK(pad(PadMode::kConstant, -1, 1) == V{2, 3, 0});
  CHECK(pad(PadMode::kEdge, 2, 1) == V{1, 1, 1, 2, 3, 3});
  CHECK(pad(PadMode::kReflect, 2, 2) == V{3, 2, 1, 2, 3, 2, 1});
  CHECK(pad(PadMode::kReflect, 5, 0) == V{2, 1, 2, 3, 2, 1, 2, 3});
  CHECK(pad(PadMode::kWrap, 4, 2) == V{3, 1, 2, 3, 1, 2, 3, 1, 2});
  CHECK(pad(PadMode::kConstant, -2, -1) == V{});
  CHECK_THROWS_AS(pad(PadMode::kConstant, -2, -2), Error);
  CHECK(run_op("Pad", PadAttrs{}, {f32({1, 2}, {1, 2}), i64({1, 0}), f32({}, {9}), i64({-2})})[0] ==
        f32({2, 2}, {9, 9, 1, 2}));
  CHECK_THROWS_AS(run_op("Pad", PadAttrs{}, {x, i64({1, 1, 1})}), Error);
  CHECK_THROWS_AS(run_op("Pad", PadAttrs{}, {x, i64({INT64_MAX, INT64_MAX})}), Error);
  CHECK_THROWS_AS(run_op("Pad", PadAttrs{PadMode::kEdge}, {iota(DType::kF32, {0}), i64({1, 1})}), Error);
  for (DType type : kTypes)
    CHECK(run_op("Pad", PadAttrs{PadMode::kEdge}, {iota(type, {2, 3}), i64({0, 1, 0, 0})})[0].get(7) ==
          iota(type, {2, 3}).get(5));
}

TEST_CASE("Shape, Size, ConstantOfShape, Range") {
  const Tensor x(DType::kF32, {2, 3, 4});
  CHECK(run_op("Shape", ShapeAttrs{.start = -2}, {x})[0].to_ints() == Dims{3, 4});
  CHECK(run_op("Shape", ShapeAttrs{.start = 2, .end = 1}, {x})[0].to_ints() == Dims{});
  CHECK(run_op("Size", {}, {x})[0].get_int(0) == 24);
  CHECK(run_op("ConstantOfShape", ConstantOfShapeAttrs{i64({7})}, {i64({2, 2})})[0] == i64({2, 2}, {7, 7, 7, 7}));
  CHECK(run_op("ConstantOfShape", ConstantOfShapeAttrs{}, {i64(std::vector<int64_t>{})})[0].count() == 1);
  CHECK_THROWS_AS(run_op("ConstantOfShape", ConstantOfShapeAttrs{}, {i64({-1})}), Error);
  CHECK_THROWS_AS(run_op("ConstantOfShape", ConstantOfShapeAttrs{}, {i64({INT64_MAX / 2})}), Error);
  CHECK(run_op("Range", {}, {i64({}, {7}), i64({}, {1}), i64({}, {-2})})[0].to_ints() == Dims{7, 5, 3});
  CHECK(run_op("Range", {}, {f32({}, {0}), f32({}, {1}), f32({}, {0.25})})[0].count() == 4);
  CHECK(run_op("Range", {}, {i64({}, {0}), i64({}, {-3}), i64({}, {1})})[0].count() == 0);
  CHECK_THROWS_AS(run_op("Range", {}, {i64({}, {0}), i64({}, {3}), i64({}, {0})}), Error);
  CHECK_THROWS_AS(run_op("Range", {}, {f32({}, {0}), f32({}, {1}), f32({}, {0})}), Error);
  CHECK_THROWS_AS(run_op("Range", {}, {i64({}, {INT64_MIN}), i64({}, {INT64_MAX}), i64({}, {1})}), Error);
  Sketch s;
  const auto n = s.op("Gather", {s.op("Shape", {s.input(DType::kF32, {"n"})}, ShapeAttrs{}), s.constant(i64({}, {0}))},
                      AxisAttrs{0});
  CHECK(s.shape(s.op("Range", {s.constant(i64({}, {0})), n, s.constant(i64({}, {1}))})) == "n");
}

TEST_CASE("Gather checks every index") {
  const Tensor x = iota(DType::kF32, {2, 3});
  CHECK(run_op("Gather", AxisAttrs{1}, {x, i64({2, 1}, {-1, 0})})[0] == f32({2, 2, 1}, {2, 0, 5, 3}));
  CHECK(run_op("Gather", AxisAttrs{0}, {x, i64({}, {1})})[0] == f32({3}, {3, 4, 5}));
  CHECK(run_op("Gather", AxisAttrs{0}, {x, i64({0}, {})})[0].dims() == Dims{0, 3});
  CHECK_THROWS_WITH_AS(run_op("Gather", AxisAttrs{1}, {x, i64({3})}), "node '' (Gather): index 3 lies outside [-3, 2]",
                       Error);
  CHECK_THROWS_AS(run_op("Gather", AxisAttrs{0}, {x, i64({INT64_MIN})}), Error);
  CHECK_THROWS_AS(run_op("Gather", AxisAttrs{2}, {x, i64({0})}), Error);
  for (DType type : kTypes)
    CHECK(run_op("Gather", AxisAttrs{0}, {iota(type, {5}), i64({3})})[0].get(0) == iota(type, {5}).get(3));
}

TEST_CASE("pads that an exporter computes through a matrix") {
  Sketch s;
  const auto dims = s.op("Shape", {s.input(DType::kF32, {"h", "w"})}, ShapeAttrs{});
  const auto zeros = s.op("ConstantOfShape", {s.constant(i64({2}))}, ConstantOfShapeAttrs{i64({0})});
  const auto joined = s.op("Concat", {dims, zeros}, AxisAttrs{0});
  const auto pairs = s.op("Reshape", {joined, s.constant(i64({-1, 2}))}, ReshapeAttrs{});
  const auto reversed = s.op("Slice", {pairs, s.constant(i64({-1})), s.constant(i64({INT64_MIN + 1})),
                                       s.constant(i64({0})), s.constant(i64({-1}))});
  CHECK(s.contents(reversed) == "0, 0, h, w");
  const auto flat =
      s.op("Reshape", {s.op("Transpose", {reversed}, TransposeAttrs{}), s.constant(i64({-1}))}, ReshapeAttrs{});
  CHECK(s.contents(flat) == "0, h, 0, w");
  CHECK(s.shape(s.op("Pad", {s.input(DType::kF32, {"a", "b"}), flat}, PadAttrs{})) == "a, ((h + w) + b)");
}
