#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/data/gather_nd.h"
#include "ops/data/resize.h"
#include "ops/data/scatter.h"
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
