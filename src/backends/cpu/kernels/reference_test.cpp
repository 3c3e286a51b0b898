// Operators that the processor leaves to the reference and other devices have kernels for.
#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/data/max_unpool.h"
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
#include "ops/nn/deform_conv.h"
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

TEST_CASE("one at each line's largest element") {
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16})
    for (int64_t axis : {0, 1, -1}) {
      check("Hardmax", ops::AxisAttrs{axis}, {of_type(t, {3, 37, 5})});
      check("Hardmax", ops::AxisAttrs{axis}, {of_type(t, {2, 1100, 3}, -1, 1)});
    }
  Tensor odd(DType::kF32, {4, 3});
  const double values[] = {NAN, 1, 2, 1, NAN, 2, 2, 2, NAN, NAN, NAN, -INFINITY};
  for (int64_t i = 0; i < 12; ++i) odd.set(i, values[i]);
  for (int64_t axis : {0, 1}) check("Hardmax", ops::AxisAttrs{axis}, {constant(odd)});
}

TEST_CASE("cropped and padded around the centre") {
  for (DType t : {DType::kF32, DType::kF16, DType::kI64, DType::kU8}) {
    check("CenterCropPad", ops::AxesAttrs{}, {of_type(t, {4, 7, 8}, 0, 99), ints({7, 4, 8})});
    check("CenterCropPad", ops::AxesAttrs{}, {of_type(t, {5, 6, 16}, 0, 99), ints({2, 9, 32})});
    check("CenterCropPad", ops::AxesAttrs{{-1, 1}}, {of_type(t, {2, 8, 3, 10}, 0, 99), ints({5, 3})});
    check("CenterCropPad", ops::AxesAttrs{{0}}, {of_type(t, {1}, 0, 99), ints({6})});
  }
}

TEST_CASE("unpooled") {
  for (DType t : {DType::kF32, DType::kF16, DType::kI8})
    for (DType index : {DType::kI64, DType::kI32}) {
      const ops::MaxUnpoolAttrs a{{2, 2}, {2, 2}, {0, 0, 0, 0}}, overlapping{{3, 2}, {2, 1}, {1, 0, 0, 1}};
      // Several elements go to one place: the last stays.
      check("MaxUnpool", a, {of_type(t, {2, 3, 4, 5}, -9, 9), of_type(index, {2, 3, 4, 5}, 0, 480)});
      check("MaxUnpool", a,
            {of_type(t, {2, 3, 4, 5}, -9, 9), of_type(index, {2, 3, 4, 5}, 0, 480), ints({2, 3, 9, 12})});
      check("MaxUnpool", overlapping, {of_type(t, {1, 2, 6, 7}, -9, 9), of_type(index, {1, 2, 6, 7}, 0, 168)});
    }
  check("MaxUnpool", ops::MaxUnpoolAttrs{{3}, {3}, {0, 0}},
        {f32({2, 2, 300}), of_type(DType::kI64, {2, 2, 300}, 0, 3600)});
}

TEST_CASE("grids of affine maps") {
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16})
    for (bool align : {false, true}) {
      check("AffineGrid", ops::AffineGridAttrs{align}, {of_type(t, {3, 2, 3}), ints({3, 9, 17, 31})});
      check("AffineGrid", ops::AffineGridAttrs{align}, {of_type(t, {2, 3, 4}), ints({2, 1, 4, 1, 9})});
    }
}

TEST_CASE("deformable convolutions") {
  const auto run = [](const ops::DeformConvAttrs& a, std::vector<Operand> inputs, double norm = 0) {
    check_kernel({.op = "DeformConv", .attrs = a, .inputs = std::move(inputs), .must_accept = false, .norm = norm});
  };
  const ops::DeformConvAttrs same{{1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 1};
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16}) {
    CAPTURE(cat(t));
    const double norm = t == DType::kF32 ? 2e-6 : t == DType::kF16 ? 1e-3 : 6e-3;
    const Operand w = constant(of_type(t, {20, 16, 3, 3}));
    for (int64_t size : {1, 7, 8, 9}) {
      const Operand x = of_type(t, {2, 16, size, size + 1});
      run(same, {x, w, of_type(t, {2, 18, size, size + 1}, -2, 2)}, norm);
      run(same,
          {x, w, of_type(t, {2, 18, size, size + 1}, -2, 2), constant(of_type(t, {20})),
           of_type(t, {2, 9, size, size + 1}, 0, 1)},
          norm);
    }
    const ops::DeformConvAttrs groups{{2, 1}, {1, 2}, {0, 2, 1, 1}, 2, 3};
    run(groups,
        {of_type(t, {3, 36, 12, 11}), constant(of_type(t, {34, 18, 2, 3})), of_type(t, {3, 36, 6, 10}, -20, 20),
         absent(), of_type(t, {3, 18, 6, 10}, 0, 1)},
        norm);
  }
  // Whole offsets, and such as end outside or are no numbers.
  const double odd[] = {0, 1, -1, -0.5, 3, NAN, 1e30, -INFINITY, 2.25};
  Operand offset = f32({1, 18, 6, 6});
  offset.value = Tensor(DType::kF32, offset.dims);
  for (int64_t i = 0; i < offset.value->count(); ++i) offset.value->set(i, odd[i * 7 % 9]);
  run(same, {f32({1, 5, 6, 6}), f32({3, 5, 3, 3}), offset, f32({3})}, 2e-6);
  // More columns than are made together.
  const ops::DeformConvAttrs wide{{1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 1};
  run(wide, {f32({3, 24, 256, 256}), constant(f32({1, 24, 1, 1})), f32({3, 2, 256, 256})}, 2e-6);
}
