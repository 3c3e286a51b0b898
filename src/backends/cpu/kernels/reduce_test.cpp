#include "ops/math/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/shape/axis_attrs.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ops::ReduceKind;

namespace {

KernelCase reduce_case(ReduceKind kind, Operand x, std::vector<int64_t> axes) {
  KernelCase c;
  c.op = "Reduce";
  c.attrs = ops::ReduceAttrs{kind, std::move(axes), true};
  c.inputs = {std::move(x)};
  c.kernel = "reduce_rows";
  return c;
}

}  // namespace

TEST_CASE("reduce: kinds and axes") {
  struct Case {
    ir::Dims dims;
    std::vector<int64_t> axes;
  };
  const Case cases[] = {{{7, 33}, {1}},       {{7, 33}, {0}},         {{3, 5, 70}, {0, 2}},
                        {{3, 5, 70}, {1}},    {{2, 3, 4, 5}, {1, 3}}, {{2, 3, 4, 300}, {0, 2}},
                        {{2, 200, 40}, {-2}}, {{1, 1}, {0, 1}},       {{9}, {0}},
                        {{2, 5000}, {1}},     {{3, 1, 17}, {1}},      {{4, 6}, {}}};
  for (int64_t k = 0; k <= int64_t(ReduceKind::kSumSquare); ++k)
    for (const Case& s : cases) {
      CAPTURE(cat(ops::enum_names(ReduceKind())[size_t(k)], s.dims, s.axes));
      const bool product = ReduceKind(k) == ReduceKind::kProd;
      check_kernel(reduce_case(ReduceKind(k), f32(s.dims, product ? 0.98 : 0.5, product ? 1.02 : 3), s.axes));
    }
}

TEST_CASE("reduce: types, pitches, special values") {
  for (ReduceKind k : {ReduceKind::kMean, ReduceKind::kMax})
    for (DType t : {DType::kF32, DType::kF16}) {
      check_kernel(reduce_case(k, of_type(t, {2, 700, 40}, 0, 1), {1}));
      check_kernel(reduce_case(k, of_type(t, {1, 3000, 18}, 0, 1), {1}));
    }
  for (DType t : {DType::kBF16, DType::kF16}) {
    check_kernel(reduce_case(ReduceKind::kMean, of_type(t, {3, 9000}, 0, 1), {1}));
    check_kernel(reduce_case(ReduceKind::kSum, of_type(t, {3, 90, 21}, 0, 1), {1}));
  }
  check_kernel(reduce_case(ReduceKind::kSum, pitched(f32({3, 4, 30}), 37), {1}));
  check_kernel(reduce_case(ReduceKind::kMax, pitched(f32({3, 4, 30}), 37), {2}));
  Operand x = f32({2, 40});
  std::vector<float> v(80, 1.f);
  v[5] = NAN;
  v[50] = -INFINITY;
  v[60] = INFINITY;
  x.value = ir::Tensor::of<float>(DType::kF32, {2, 40}, v);
  for (ReduceKind k : {ReduceKind::kMax, ReduceKind::kMin, ReduceKind::kSum, ReduceKind::kLogSumExp})
    for (int64_t axis : {0, 1}) {
      CAPTURE(cat(ops::enum_names(ReduceKind())[size_t(k)], axis));
      check_kernel(reduce_case(k, x, {axis}));
    }
}

TEST_CASE("softmax") {
  struct Case {
    ir::Dims dims;
    int64_t axis;
  };
  const Case cases[] = {{{5, 197}, -1}, {{3, 1000}, 1}, {{2, 12, 7, 7}, 3}, {{2, 21, 33}, 1}, {{4, 3, 300}, 0},
                        {{1}, 0},       {{3, 1}, 1},    {{2, 3000}, 1},     {{4500, 40}, 1}};
  for (const char* op : {"Softmax", "LogSoftmax"})
    for (const Case& s : cases)
      for (DType t : {DType::kF32, DType::kBF16, DType::kF16}) {
        CAPTURE(cat(op, s.dims, s.axis, t));
        KernelCase c;
        c.op = op;
        c.attrs = ops::AxisAttrs{s.axis};
        c.inputs = {of_type(t, s.dims, -6, 6)};
        c.kernel = "softmax_rows";
        c.batched = s.axis != 0;
        check_kernel(c);
      }
  KernelCase c;
  c.op = "Softmax";
  c.attrs = ops::AxisAttrs{1};
  Operand x = f32({1, 20});
  std::vector<float> v(20, 3.f);
  v[3] = -INFINITY;
  v[4] = 200;
  x.value = ir::Tensor::of<float>(DType::kF32, {1, 20}, v);
  c.inputs = {x};
  check_kernel(c);
}

TEST_CASE("rows: measurements" * doctest::skip()) {
  KernelCase s;
  s.op = "Softmax";
  s.attrs = ops::AxisAttrs{-1};
  s.inputs = {f32({12 * 197, 197})};
  MESSAGE("softmax [2364, 197]: ", time_kernel(s, "softmax_rows", 1), " us, ", time_kernel(s, "softmax_rows", 2),
          " us on 2");
  s.inputs = {f32({1, 21, 256 * 256})};
  s.attrs = ops::AxisAttrs{1};
  MESSAGE("softmax [1, 21, 65536] axis 1: ", time_kernel(s, "softmax_rows", 1), " us");
  MESSAGE("mean [1, 1280, 49] axis 2: ",
          time_kernel(reduce_case(ReduceKind::kMean, f32({1, 1280, 49}), {2}), "reduce_rows", 1), " us");
  MESSAGE("mean [1, 3136, 96] axis 1: ",
          time_kernel(reduce_case(ReduceKind::kMean, f32({1, 3136, 96}), {1}), "reduce_rows", 1), " us");
  MESSAGE("mean [1024, 768] axis 1: ",
          time_kernel(reduce_case(ReduceKind::kMean, f32({1024, 768}), {1}), "reduce_rows", 1), " us");
}
