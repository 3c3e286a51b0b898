// Operators that find a size of their results in the data: the processor leaves them to the reference, a GPU has
// kernels.
#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/data/compress.h"
#include "ops/detect/non_max_suppression.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::Dims;
using ir::DType;
using ir::Tensor;

namespace {

void check(std::string op, ir::Attrs attrs, std::vector<Operand> inputs) {
  KernelCase c;
  c.op = std::move(op);
  c.attrs = std::move(attrs);
  c.inputs = std::move(inputs);
  c.must_accept = false;
  check_kernel(c);
}

/// Element i is value(i).
template <class F>
Operand filled_with(DType t, Dims dims, const F& value) {
  Operand o = of_type(t, dims);
  Tensor v(t, std::move(dims));
  for (int64_t i = 0; i < v.count(); ++i) v.set(i, double(value(i)));
  o.value = std::move(v);
  return o;
}
/// Whole numbers from 0 to `below` - 1.
int64_t scattered(int64_t i, int64_t below) { return int64_t(uint64_t(i + 1) * 0x9E3779B97F4A7C15ull >> 33) % below; }

Operand scalar(DType t, double value, bool computed = false) {
  Operand o = filled_with(t, {1}, [&](int64_t) { return value; });
  o.constant = !computed;
  return o;
}

struct Limits {
  double most = 1e6, overlap = 0.5, least = -INFINITY;
  bool computed = false;  ///< operands that come at run time
};
void check_suppression(const Operand& boxes, const Operand& scores, const Limits& l, bool center = false) {
  check("NonMaxSuppression", ops::NonMaxSuppressionAttrs{center},
        {boxes, scores, scalar(DType::kI64, l.most, l.computed), scalar(DType::kF32, l.overlap, l.computed),
         scalar(DType::kF32, l.least, l.computed)});
}

}  // namespace

TEST_CASE("elements other than zero") {
  for (DType t : {DType::kBool, DType::kU8, DType::kI16, DType::kI32, DType::kI64, DType::kF16, DType::kBF16,
                  DType::kF32, DType::kF64, DType::kU64, DType::kF8E4M3FN})
    for (const Dims& dims : {Dims{}, Dims{1}, Dims{33}, Dims{4095}, Dims{64, 64}, Dims{4097}, Dims{3, 1, 5, 7, 2},
                             Dims{2, 2, 1, 2, 3, 1, 2, 2}}) {
      CAPTURE(cat(t, dims));
      check("NonZero", {}, {filled_with(t, dims, [](int64_t i) { return scattered(i, 3); })});
    }
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    const double values[] = {0, -0.0, NAN, -INFINITY, 1e-7, -1, 0, 0};
    check("NonZero", {}, {filled_with(t, {5, 17}, [&](int64_t i) { return values[i % 8]; })});
  }
  for (int64_t n : {31, 4096, 3 * 4096 + 5}) {
    check("NonZero", {}, {filled_with(DType::kI32, {n}, [](int64_t) { return 0; })});
    check("NonZero", {}, {filled_with(DType::kI32, {n}, [](int64_t) { return 1; })});
    check("NonZero", {}, {filled_with(DType::kBool, {n}, [&](int64_t i) { return i == n - 1; })});
  }
  check("NonZero", {}, {filled_with(DType::kBool, {1025, 4099}, [](int64_t i) { return scattered(i, 100) == 0; })});
}

TEST_CASE("entries that are chosen") {
  const auto marks = [](int64_t n, int64_t of) {
    return filled_with(DType::kBool, {n}, [=](int64_t i) { return scattered(i, of) == 0; });
  };
  for (DType t : {DType::kF32, DType::kF16, DType::kI64, DType::kU8, DType::kF64}) {
    CAPTURE(cat(t));
    check("Compress", ops::AxisOrFlatAttrs{}, {of_type(t, {3, 7, 5}, 0, 99), marks(105, 2)});
    check("Compress", ops::AxisOrFlatAttrs{}, {of_type(t, {90, 90}, 0, 99), marks(8100, 3)});
    for (int64_t axis : {0, 1, -1})
      check("Compress", ops::AxisOrFlatAttrs{axis, false}, {of_type(t, {20, 20, 20}, 0, 99), marks(20, 3)});
    check("Compress", ops::AxisOrFlatAttrs{1, false}, {of_type(t, {2, 300, 16}, 0, 99), marks(211, 2)});
  }
  check("Compress", ops::AxisOrFlatAttrs{0, false}, {f32({50, 8}), marks(50, 1)});
  check("Compress", ops::AxisOrFlatAttrs{0, false},
        {f32({5, 8}), filled_with(DType::kBool, {5}, [](int64_t) { return 0; })});
  // A longer condition that chooses nothing beyond the axis.
  check("Compress", ops::AxisOrFlatAttrs{0, false},
        {f32({5, 8}), filled_with(DType::kBool, {9}, [](int64_t i) { return i < 5 && i % 2 == 0; })});
}

TEST_CASE("suppression: sizes and types") {
  for (int64_t boxes : {1, 31, 32, 33, 255, 256, 257, 513, 1300, 4095, 4096, 4097})
    for (DType t : {DType::kF32, DType::kF16, DType::kBF16}) {
      if (boxes > 1300 && t == DType::kBF16) continue;
      CAPTURE(cat(boxes, t));
      const Operand corners = of_type(t, {2, boxes, 4}, 0, 100), scores = of_type(t, {2, 3, boxes}, 0, 1);
      check_suppression(corners, scores, {1e6, 0.3, 0.2});
      check_suppression(corners, scores, {20, 0.5, 0.7, true}, true);
      check_suppression(corners, scores, {40, 0.9, -INFINITY});
    }
  for (int64_t boxes : {8400, 13000, 25200}) {
    check_suppression(f32({1, boxes, 4}, 0, 640), f32({1, 2, boxes}, 0, 1), {100, 0.45, 0.25});
    check_suppression(f32({1, boxes, 4}, 0, 640), f32({1, 1, boxes}, 0, 1), {300, 0.6, 0, true}, true);
  }
  check_suppression(f32({3, 40, 4}, 0, 50), f32({3, 300, 40}, 0, 1), {7, 0.4, 0.5});
  for (int64_t boxes : {255, 256, 257, 700, 4100})  // more rows than the whole GPU takes together
    check_suppression(f32({1, boxes, 4}, 0, 300), f32({1, 17, boxes}, 0, 1), {1e6, 0.4, 0.3, boxes == 700});
}

TEST_CASE("suppression: most boxes stay") {
  const auto small = [](int64_t boxes) {
    return filled_with(DType::kF32, {1, boxes, 4}, [](int64_t i) { return scattered(i, i % 4 < 2 ? 2000 : 40) + 8; });
  };
  for (int64_t boxes : {4096, 4097, 9000})
    check_suppression(small(boxes), f32({1, 1, boxes}, 0, 1), {1e6, 0.5, 0}, true);
  check_suppression(small(9000), f32({1, 1, 9000}, 0, 1), {5000, 0.3, 0.1, true}, true);
  check_suppression(small(1500), f32({1, 17, 1500}, 0, 1), {1e6, 0.5, 0}, true);
}

TEST_CASE("suppression: ties, and unions that are just the threshold") {
  for (int64_t boxes : {40, 300, 5000}) {
    CAPTURE(boxes);
    // Whole numbers, of which many are equal, and many intersections are 1/2 or 1/3 of the union.
    const Operand corners = filled_with(DType::kF32, {1, boxes, 4}, [](int64_t i) { return scattered(i, 7); });
    const Operand scores =
        filled_with(DType::kF32, {1, 2, boxes}, [](int64_t i) { return double(scattered(i, 5)) / 4; });
    for (double overlap : {0.0, 1.0 / 3, 0.5, 1.0, 1e-12})
      for (bool center : {false, true}) {
        check_suppression(corners, scores, {1e6, overlap, 0}, center);
        check_suppression(corners, scores, {37, overlap, 0.25, true}, center);
      }
    check_suppression(corners, filled_with(DType::kF32, {1, 1, boxes}, [](int64_t i) { return i % 2 ? 0.0 : -0.0; }),
                      {1e6, 0.5, -1});
  }
}

TEST_CASE("suppression: all, none, and numbers that are none") {
  for (int64_t boxes : {100, 700}) {
    // A row of boxes that touch and do not overlap.
    const Operand apart =
        filled_with(DType::kF32, {1, boxes, 4}, [](int64_t i) { return i % 4 / 2 + (i % 2 ? i / 4 : 0); });
    const Operand same = filled_with(DType::kF32, {1, boxes, 4}, [](int64_t i) { return i % 4 + 1; });
    const Operand scores = f32({1, 2, boxes}, 0, 1);
    for (const Operand& b : {apart, same}) {
      check_suppression(b, scores, {1e6, 0, 0});
      check_suppression(b, scores, {257, 0.5, 0});
      check_suppression(b, scores, {1e6, 0.5, 1});
      check_suppression(b, scores, {-3, 0.5, 0, true});
    }
    const double odd[] = {NAN, INFINITY, -INFINITY, 3e38, -3e38, 1e-30, 1e-42, 0};
    const auto with_odd = [&](int64_t i) { return i % 11 == 0 ? odd[scattered(i, 8)] : double(scattered(i, 1000)); };
    for (bool center : {false, true})
      for (double overlap : {0.0, 0.4})
        check_suppression(filled_with(DType::kF32, {1, boxes, 4}, with_odd),
                          filled_with(DType::kF32, {1, 2, boxes}, with_odd), {1e6, overlap, 0, center}, center);
    // Sizes that squared are beyond f32 at either end.
    for (double scale : {1e-22, 1e-17, 1e16, 1e19})
      check_suppression(
          filled_with(DType::kF32, {1, boxes, 4}, [&](int64_t i) { return scale * double(scattered(i, 20)); }), scores,
          {1e6, 0.25, 0});
  }
}
