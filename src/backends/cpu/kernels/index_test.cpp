#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/data/col2im.h"
#include "ops/data/gather_nd.h"
#include "ops/data/resize.h"
#include "ops/data/scatter.h"
#include "ops/detect/grid_sample.h"
#include "ops/detect/roi.h"
#include "ops/shape/axis_attrs.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ir::Tensor;

namespace {

KernelCase index_case(std::string op, ir::Attrs attrs, std::vector<Operand> inputs) {
  KernelCase c;
  c.op = std::move(op);
  c.attrs = std::move(attrs);
  c.inputs = std::move(inputs);
  c.batched = false;
  return c;
}
Operand positions(ir::Dims dims, double extent, DType t = DType::kI64) {
  return of_type(t, std::move(dims), -extent, extent);
}

KernelCase resize_case(ops::ResizeAttrs a, Operand x, std::vector<float> scales, std::vector<int64_t> sizes = {}) {
  std::vector<Operand> inputs{std::move(x), absent()};
  if (!scales.empty())
    inputs.push_back(constant(Tensor::of<float>(DType::kF32, {int64_t(scales.size())}, scales)));
  else
    inputs.push_back(absent());
  if (!sizes.empty()) inputs.push_back(constant(Tensor::vector_i64(sizes)));
  return index_case("Resize", a, std::move(inputs));
}

}  // namespace

TEST_CASE("gather and scatter") {
  for (DType t : {DType::kF32, DType::kU8, DType::kI64, DType::kBF16}) {
    check_kernel(index_case("Gather", ops::AxisAttrs{0}, {of_type(t, {50, 33}), positions({2, 7}, 50)}));
    check_kernel(index_case("Gather", ops::AxisAttrs{-1}, {of_type(t, {3, 9}), positions({4}, 9, DType::kI32)}));
    check_kernel(index_case("Gather", ops::AxisAttrs{1}, {of_type(t, {2, 5, 4}), positions({}, 5)}));
    check_kernel(index_case("GatherElements", ops::AxisAttrs{1}, {of_type(t, {4, 6, 5}), positions({3, 8, 4}, 6)}));
    check_kernel(index_case("GatherElements", ops::AxisAttrs{-1}, {of_type(t, {4, 6}), positions({4, 9}, 6)}));
    check_kernel(index_case("GatherND", ops::GatherNdAttrs{0}, {of_type(t, {4, 6, 5}), positions({3, 2}, 4)}));
    check_kernel(index_case("GatherND", ops::GatherNdAttrs{1}, {of_type(t, {4, 6, 5}), positions({4, 3, 1}, 6)}));
    check_kernel(index_case(
        "ScatterND", ops::ScatterNdAttrs{},
        {of_type(t, {8, 3}), constant(Tensor::of<int64_t>(DType::kI64, {3, 1}, std::vector<int64_t>{2, -1, 0})),
         of_type(t, {3, 3})}));
  }
  KernelCase c =
      index_case("Gather", ops::AxisAttrs{0}, {f32({5, 3}), constant(Tensor::vector_i64(std::vector<int64_t>{1}))});
  CHECK(refusal(c, "gather_rows").empty());
}

TEST_CASE("scatter: updates combined with the data") {
  using ops::ScatterReduction;
  const Operand rows = constant(Tensor::of<int64_t>(DType::kI64, {4, 1}, std::vector<int64_t>{2, -1, 2, 0}));
  for (ScatterReduction how : {ScatterReduction::kNone, ScatterReduction::kAdd, ScatterReduction::kMul,
                               ScatterReduction::kMax, ScatterReduction::kMin})
    for (DType t : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16, DType::kI32, DType::kI64, DType::kU8}) {
      CAPTURE(cat(int(how), t));
      const double low = t == DType::kU8 ? 0 : -2;
      const auto values = [&](ir::Dims dims) { return of_type(t, std::move(dims), low, 2); };
      check_kernel(index_case("ScatterND", ops::ScatterNdAttrs{how}, {values({8, 3}), rows, values({4, 3})}));
      const auto elements = [&](int64_t axis, ir::Dims x, ir::Dims i, double extent) {
        check_kernel(index_case("ScatterElements", ops::ScatterElementsAttrs{axis, how},
                                {values(x), positions(i, extent, DType::kI32), values(i)}));
      };
      elements(0, {5, 7}, {9, 6}, 5);
      elements(-1, {3, 4, 5}, {2, 4, 11}, 5);
      elements(1, {40, 6, 33}, {40, 9, 33}, 6);
      elements(0, {9}, {4}, 9);
    }
}

TEST_CASE("RoiAlign") {
  using ops::RoiAlignAttrs;
  for (bool max : {false, true})
    for (bool half_pixel : {false, true})
      for (int64_t ratio : {0, 1, 3}) {
        RoiAlignAttrs a;
        a.height = 3, a.width = 2, a.sampling_ratio = ratio, a.spatial_scale = 0.5f, a.half_pixel = half_pixel;
        a.max = max;
        // Inside, across every border, outside, turned round, and empty.
        Operand rois = f32({6, 4});
        rois.value = Tensor::of<float>(
            DType::kF32, {6, 4},
            std::vector<float>{1, 2, 9, 12, -5, -3, 30, 40, 50, 50, 60, 60, 8, 8, 2, 1, 3, 3, 3, 3, 0, 0, 17, 19});
        for (DType t : {DType::kI64, DType::kI32}) {
          Operand batch = of_type(t, {6}, 0, 2);
          KernelCase c = index_case("RoiAlign", a, {f32({2, 70, 10, 9}), rois, batch});
          c.batched = false;
          check_kernel(c);
        }
      }
}

TEST_CASE("GridSample") {
  using namespace ops;
  for (GridMode mode : {GridMode::kLinear, GridMode::kNearest, GridMode::kCubic})
    for (GridPadding padding : {GridPadding::kZeros, GridPadding::kBorder, GridPadding::kReflection})
      for (bool align : {false, true})
        for (DType t : {DType::kF32, DType::kBF16, DType::kF16}) {
          CAPTURE(cat(int(mode), int(padding), align, t));
          const GridSampleAttrs a{mode, padding, align};
          KernelCase c = index_case("GridSample", a, {of_type(t, {2, 5, 7, 9}), f32({2, 11, 13, 2}, -1.4, 1.4)});
          check_kernel(c);
          check_kernel(index_case("GridSample", a, {of_type(t, {1, 3, 20}), of_type(t, {1, 70, 1}, -1.4, 1.4)}));
          check_kernel(index_case("GridSample", a, {of_type(t, {1, 2, 4, 5, 6}), f32({1, 3, 4, 5, 3}, -1.2, 1.2)}));
        }
}

TEST_CASE("Col2Im") {
  const auto check = [](ops::Col2ImAttrs a, ir::Dims x, std::vector<int64_t> image, std::vector<int64_t> block) {
    for (DType t : {DType::kF32, DType::kBF16, DType::kF16})
      check_kernel(index_case(
          "Col2Im", a, {of_type(t, x), constant(Tensor::vector_i64(image)), constant(Tensor::vector_i64(block))}));
  };
  check({}, {2, 3 * 6, 4 * 7}, {5, 9}, {2, 3});
  check({.dilations = {}, .strides = {2, 3}, .pads = {1, 0, 1, 2}}, {1, 4 * 9, 5 * 4}, {9, 10}, {3, 3});
  check({.dilations = {2}, .strides = {1}, .pads = {3, 3}}, {1, 3 * 4, 20}, {20}, {4});
  check({}, {1, 2 * 8, 2 * 3 * 4}, {3, 4, 5}, {2, 2, 2});
}

TEST_CASE("resize") {
  using ops::ResizeAttrs;
  using ops::ResizeCoordinate;
  using ops::ResizeMode;
  for (ResizeMode mode : {ResizeMode::kNearest, ResizeMode::kLinear, ResizeMode::kCubic})
    for (ResizeCoordinate coordinate :
         {ResizeCoordinate::kHalfPixel, ResizeCoordinate::kAlignCorners, ResizeCoordinate::kAsymmetric})
      for (DType t : {DType::kF32, DType::kBF16}) {
        CAPTURE(cat(int(mode), int(coordinate), t));
        const ResizeAttrs a{.mode = mode, .coordinate = coordinate};
        check_kernel(resize_case(a, of_type(t, {2, 3, 5, 7}), {1, 1, 2, 2}));
        check_kernel(resize_case(a, of_type(t, {1, 5, 7, 20}), {}, {1, 9, 4, 20}));
        check_kernel(resize_case(a, of_type(t, {1, 2, 3, 4, 5}), {1, 1, 2, 1.5f, 2}));
        check_kernel(resize_case(a, of_type(t, {2, 9}), {1, 0.6f}));
      }
  ops::ResizeAttrs antialias{.mode = ResizeMode::kLinear};
  antialias.antialias = true;
  check_kernel(resize_case(antialias, f32({1, 2, 20, 30}), {}, {1, 2, 7, 9}));
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16})
    check_kernel(resize_case({.mode = ResizeMode::kLinear}, of_type(t, {2, 3, 29, 33}), {}, {2, 3, 101, 136}));
  check_kernel(resize_case(ops::ResizeAttrs{}, of_type(DType::kU8, {1, 4, 4, 3}, 0, 255), {1, 3, 3, 1}));
}

TEST_CASE("resize: measurements" * doctest::skip()) {
  const ops::ResizeAttrs linear{.mode = ops::ResizeMode::kLinear};
  MESSAGE("linear [1, 21, 32, 32] x 8: ",
          time_kernel(resize_case(linear, f32({1, 21, 32, 32}), {1, 1, 8, 8}), "resize_taps", 1), " us");
  MESSAGE("linear [1, 32, 32, 21] x 8: ",
          time_kernel(resize_case(linear, f32({1, 32, 32, 21}), {1, 8, 8, 1}), "resize_taps", 1), " us");
  MESSAGE("nearest [1, 256, 20, 20] x 2: ",
          time_kernel(resize_case({}, f32({1, 256, 20, 20}), {1, 1, 2, 2}), "resize_taps", 1), " us");
  MESSAGE("nearest [1, 20, 20, 256] x 2: ",
          time_kernel(resize_case({}, f32({1, 20, 20, 256}), {1, 2, 2, 1}), "resize_taps", 1), " us");
}
