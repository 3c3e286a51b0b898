// Operators that the processor leaves to the reference and other devices have kernels for.
#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/data/reverse_sequence.h"
#include "ops/data/scatter.h"
#include "ops/data/tensor_scatter.h"
#include "ops/data/trilu.h"
#include "ops/detect/grid_sample.h"
#include "ops/detect/roi.h"
#include "ops/math/activation.h"
#include "ops/math/binary.h"
#include "ops/math/ordering.h"
#include "ops/math/predicate.h"
#include "ops/nn/attention.h"
#include "ops/nn/norm.h"
#include "ops/nn/pool.h"
#include "ops/shape/axis_attrs.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ir::Tensor;

namespace {

void check(std::string op, ir::Attrs attrs, std::vector<Operand> inputs, size_t outputs = 1, double norm = 0) {
  KernelCase c;
  c.op = std::move(op);
  c.attrs = std::move(attrs);
  c.inputs = std::move(inputs);
  c.outputs = outputs;
  c.norm = norm;
  c.batched = false;
  c.must_accept = false;
  check_kernel(c);
}
Operand ints(std::vector<int64_t> v) { return constant(Tensor::vector_i64(v)); }
Operand positions(ir::Dims dims, double extent, DType t = DType::kI64) {
  return of_type(t, std::move(dims), -extent, extent);
}

}  // namespace

TEST_CASE("scatter: several updates of one place") {
  using ops::ScatterReduction;
  for (ScatterReduction r : {ScatterReduction::kNone, ScatterReduction::kAdd, ScatterReduction::kMul,
                             ScatterReduction::kMax, ScatterReduction::kMin})
    for (DType t : {DType::kF32, DType::kF16, DType::kI32}) {
      CAPTURE(cat(int(r), t));
      const double norm = t == DType::kF16 ? 2e-3 : 0;
      check("ScatterND", ops::ScatterNdAttrs{r}, {of_type(t, {6, 5}), positions({40, 1}, 6), of_type(t, {40, 5})}, 1,
            norm);
      check("ScatterND", ops::ScatterNdAttrs{r},
            {of_type(t, {3, 4, 2}), positions({2, 9, 2}, 3, DType::kI32), of_type(t, {2, 9, 2})}, 1, norm);
      check("ScatterElements", ops::ScatterElementsAttrs{1, r},
            {of_type(t, {4, 7, 3}), positions({3, 11, 2}, 7), of_type(t, {3, 11, 2})}, 1, norm);
      check("ScatterElements", ops::ScatterElementsAttrs{-1, r},
            {of_type(t, {300}), positions({700}, 300), of_type(t, {700})}, 1, norm);
    }
}

TEST_CASE("scatter: caches") {
  const Operand cache = f32({2, 3, 8, 5}), update = f32({2, 3, 4, 5});
  check("TensorScatter", ops::TensorScatterAttrs{}, {cache, update});
  check("TensorScatter", ops::TensorScatterAttrs{}, {cache, update, ints({4, 1})});
  check("TensorScatter", ops::TensorScatterAttrs{-2, true}, {cache, update, ints({6, 11})});
  check("TensorScatter", ops::TensorScatterAttrs{1, false},
        {of_type(DType::kU8, {2, 9}), of_type(DType::kU8, {2, 3}), ints({0, 6})});
}

TEST_CASE("patterns") {
  for (DType t : {DType::kF32, DType::kBool, DType::kI64, DType::kF16}) {
    for (bool upper : {false, true}) {
      check("Trilu", ops::TriluAttrs{upper}, {of_type(t, {2, 5, 7})});
      check("Trilu", ops::TriluAttrs{upper}, {of_type(t, {6, 4}), constant(Tensor::scalar_i64(-2))});
      Operand k = of_type(DType::kI64, {});
      k.value = Tensor::scalar_i64(1);
      check("Trilu", ops::TriluAttrs{upper}, {of_type(t, {6, 4}), k});
    }
    check("EyeLike", ops::EyeLikeAttrs{t, 1}, {f32({5, 9})});
    check("ReverseSequence", ops::ReverseSequenceAttrs{1, 0}, {of_type(t, {6, 3, 2}), ints({0, 6, 4})});
    check("ReverseSequence", ops::ReverseSequenceAttrs{0, 2}, {of_type(t, {3, 2, 6}), ints({1, 5, 2})});
  }
  for (int64_t axis : {0, 1, -1}) {
    check("OneHot", ops::AxisAttrs{axis}, {positions({3, 4}, 9), ints({7}), constant(f32({2}))});
    check("OneHot", ops::AxisAttrs{axis},
          {of_type(DType::kF32, {5}, 0, 6), ints({5}), constant(of_type(DType::kI32, {2}))});
  }
  check("Range", {},
        {constant(Tensor::scalar_i64(3)), constant(Tensor::scalar_i64(50)), constant(Tensor::scalar_i64(4))});
  check("Range", {},
        {constant(Tensor::scalar_f32(1)), constant(Tensor::scalar_f32(-2)), constant(Tensor::scalar_f32(-0.25f))});
}

TEST_CASE("images sampled at computed places") {
  using ops::GridMode;
  using ops::GridPadding;
  for (GridMode mode : {GridMode::kLinear, GridMode::kNearest, GridMode::kCubic})
    for (GridPadding padding : {GridPadding::kZeros, GridPadding::kBorder, GridPadding::kReflection})
      for (bool align : {false, true}) {
        CAPTURE(cat(int(mode), int(padding), align));
        const ops::GridSampleAttrs a{mode, padding, align};
        check("GridSample", a, {f32({2, 11, 5, 7}), f32({2, 3, 4, 2}, -1.5, 1.5)});
        check("GridSample", a, {f32({1, 2, 3, 4, 5}), f32({1, 2, 3, 2, 3}, -1.2, 1.2)});
        check("GridSample", a, {f32({2, 3, 9}), f32({2, 6, 1}, -1.2, 1.2)});
      }
  Operand rois = f32({5, 4}), batch = of_type(DType::kI64, {5}, 0, 2);
  rois.value = Tensor::of<float>(
      DType::kF32, {5, 4}, std::vector<float>{0, 0, 7, 5, 1.5f, 2, 6, 4.5f, -2, -3, 12, 9, 3, 3, 3, 3, 0, 1, 2, 8});
  for (bool half : {false, true})
    for (bool max : {false, true})
      for (int64_t ratio : {0, 2}) {
        const ops::RoiAlignAttrs a{3, 2, ratio, 0.75f, half, max};
        check("RoiAlign", a, {f32({2, 3, 6, 8}), rois, batch}, 1, 3e-6);
      }
  Operand five = f32({3, 5});
  five.value =
      Tensor::of<float>(DType::kF32, {3, 5}, std::vector<float>{0, 0, 0, 7, 5, 1, 2, 1, 6, 4, 1, -3, -2, 20, 9});
  check("MaxRoiPool", ops::MaxRoiPoolAttrs{3, 2, 0.5f}, {f32({2, 3, 6, 8}), five});
}

TEST_CASE("normalizations without a kernel on the processor") {
  for (int64_t p : {1, 2})
    for (int64_t axis : {0, 1, 2}) check("LpNormalization", ops::LpNormAttrs{axis, p}, {f32({4, 37, 5})});
  check("LRN", ops::LrnAttrs{5, 1e-2f, 0.75f, 2}, {f32({2, 9, 4, 5})});
  check("LRN", ops::LrnAttrs{4, 1, 0.5f, 1}, {of_type(DType::kF16, {2, 3, 7})}, 1, 2e-3);
  for (DType t : {DType::kF32, DType::kF16})
    check("LayerNormalization", ops::LayerNormAttrs{1, 1e-5f},
          {of_type(t, {6, 40}, 1, 4), of_type(t, {40}), of_type(t, {40})}, 3, t == DType::kF32 ? 2e-6 : 2e-3);
}

TEST_CASE("pooling with indices, by p-norms") {
  using ops::PoolAttrs;
  for (bool last : {false, true})
    for (int64_t order : {0, 1}) {
      PoolAttrs a{.kernel = {3, 2}, .strides = {2, 1}, .dilations = {1, 2}, .pads = {1, 0, 1, 1}};
      a.channels_last = last;
      a.storage_order = order;
      check("Pool", a, {f32(last ? ir::Dims{2, 9, 8, 5} : ir::Dims{2, 5, 9, 8})}, 2);
      a.kind = ops::PoolKind::kLp;
      for (int64_t p : {1, 2, 3}) {
        a.p = p;
        check("Pool", a, {f32(last ? ir::Dims{2, 9, 8, 5} : ir::Dims{2, 5, 9, 8})});
      }
    }
}

TEST_CASE("ordering: long lines, last extremes, products, whole numbers") {
  for (DType t : {DType::kF32, DType::kF16})
    for (bool largest : {true, false}) {
      check("TopK", ops::TopKAttrs{-1, largest, true}, {of_type(t, {2, 9000}, -50, 50), ints({300})}, 2);
      check("TopK", ops::TopKAttrs{0, largest, true}, {of_type(t, {4097, 3}), ints({1})}, 2);
      check("TopK", ops::TopKAttrs{-1, largest, true}, {of_type(t, {3, 100}), ints({100})}, 2);
    }
  for (const char* op : {"ArgMax", "ArgMin"})
    for (int64_t axis : {0, 1}) {
      check(op, ops::ArgAttrs{axis, true, true}, {of_type(DType::kF16, {40, 5000}, -3, 3)});
      check(op, ops::ArgAttrs{axis, false, false}, {of_type(DType::kF16, {70, 300}, -1, 1)});
    }
  for (bool exclusive : {false, true}) {
    check("CumProd", ops::CumulativeAttrs{1, exclusive, false}, {f32({3, 700}, 0.99, 1.01)});
    check("CumSum", ops::CumulativeAttrs{1, exclusive, true}, {of_type(DType::kI64, {3, 700}, -9, 9)});
    check("CumSum", ops::CumulativeAttrs{0, exclusive, true}, {of_type(DType::kI32, {70, 9}, -9, 9)});
    check("CumSum", ops::CumulativeAttrs{1, exclusive, false}, {f32({2, 3000}, 0, 1)});
  }
}

TEST_CASE("integers: the other operators") {
  for (DType t : {DType::kI64, DType::kI32, DType::kU8}) {
    for (bool fmod : {false, true})
      check("Mod", ops::ModAttrs{fmod}, {of_type(t, {5, 9}, t == DType::kU8 ? 0 : -50, 50), of_type(t, {9}, 1, 9)});
    check("Pow", {}, {of_type(t, {5, 9}, 0, 6), of_type(t, {5, 1}, 0, 5)});
    check("BitwiseNot", {}, {of_type(t, {77}, 0, 100)});
  }
  for (bool left : {false, true})
    check("BitShift", ops::BitShiftAttrs{left}, {of_type(DType::kU8, {50}, 0, 200), of_type(DType::kU8, {50}, 0, 8)});
  for (const char* op : {"And", "Or", "Xor"})
    check(op, {}, {of_type(DType::kBool, {3, 1, 20}), of_type(DType::kBool, {4, 20})});
  check("Not", {}, {of_type(DType::kBool, {33})});
  for (DType t : {DType::kF32, DType::kF16, DType::kBool, DType::kI64})
    check("Where", {}, {of_type(DType::kBool, {4, 1, 9}), of_type(t, {5, 9}), of_type(t, {})});
}

TEST_CASE("functions that pointwise programs have no name for") {
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const char* op : {"Asin", "Acos", "Atanh"})
      check(op, ir::Attrs(ir::NoAttrs()), {of_type(t, {3, 257}, -0.99, 0.99)});
    for (const char* op : {"Atan", "Sinh", "Cosh", "Asinh"})
      check(op, ir::Attrs(ir::NoAttrs()), {of_type(t, {1031}, -4, 4)});
    check("Acosh", ir::Attrs(ir::NoAttrs()), {of_type(t, {1031}, 1.1, 9)});
    check("Shrink", ops::ShrinkAttrs{.bias = 0.3f, .lambd = 0.7f}, {of_type(t, {5, 100})});
    Tensor x(t, {7});
    const double values[] = {INFINITY, -INFINITY, NAN, 1, 0, INFINITY, -INFINITY};
    for (int64_t i = 0; i < 7; ++i) x.set(i, values[i]);
    for (bool negative : {false, true})
      for (bool positive : {false, true}) check("IsInf", ops::IsInfAttrs{negative, positive}, {constant(x)});
  }
}

TEST_CASE("rotary embeddings") {
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16})
    for (bool interleaved : {false, true})
      for (int64_t part : {0, 6}) {
        CAPTURE(cat(t, interleaved, part));
        const int64_t half = part > 0 ? part / 2 : 5;
        const Operand table = of_type(t, {2, 7, half}, -1, 1), rows = of_type(t, {20, half}, -1, 1);
        check("RotaryEmbedding", ops::RotaryEmbeddingAttrs{interleaved, 0, part},
              {of_type(t, {2, 3, 7, 10}), table, table});
        check("RotaryEmbedding", ops::RotaryEmbeddingAttrs{interleaved, 3, part},
              {of_type(t, {2, 7, 30}), rows, rows, of_type(DType::kI64, {2, 7}, 0, 20)});
      }
}
