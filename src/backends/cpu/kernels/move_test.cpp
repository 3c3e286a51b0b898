#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "backends/cpu/kernels/strided_copy.h"
#include "ops/data/depth_to_space.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/pad.h"
#include "ops/shape/split.h"
#include "ops/shape/transpose.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ir::Tensor;

namespace {

KernelCase copy_case(std::string op, ir::Attrs attrs, std::vector<Operand> inputs, size_t outputs = 1) {
  KernelCase c;
  c.op = std::move(op);
  c.attrs = std::move(attrs);
  c.inputs = std::move(inputs);
  c.outputs = outputs;
  c.kernel = "strided_copy";
  c.batched = false;
  return c;
}
Operand ints(std::vector<int64_t> v) { return constant(Tensor::vector_i64(v)); }

const DType kTypes[] = {DType::kU8, DType::kBF16, DType::kF32, DType::kI64};

}  // namespace

TEST_CASE("strided copy: transpose") {
  struct Case {
    ir::Dims dims;
    std::vector<int64_t> perm;
  };
  const Case cases[] = {{{37, 53}, {1, 0}},
                        {{16, 16}, {}},
                        {{2, 3, 70, 90}, {0, 2, 3, 1}},
                        {{2, 9, 11, 67}, {0, 3, 1, 2}},
                        {{2, 5, 4, 6}, {0, 2, 1, 3}},
                        {{3, 4, 5, 6, 7}, {4, 2, 0, 1, 3}},
                        {{1, 1, 8}, {2, 0, 1}},
                        {{5}, {0}},
                        {{}, {}},
                        {{2, 3, 2}, {1, 0, 2}},
                        {{130, 3, 70}, {2, 1, 0}},
                        {{4, 200, 3}, {0, 2, 1}},
                        {{4, 3, 200}, {0, 2, 1}},
                        {{5, 2, 58}, {0, 2, 1}},
                        {{2, 4, 77}, {0, 2, 1}},
                        {{2, 4, 64}, {0, 2, 1}},
                        {{3, 64, 2}, {0, 2, 1}}};
  for (const Case& k : cases)
    for (DType t : kTypes) {
      CAPTURE(cat(k.dims, k.perm, t));
      check_kernel(copy_case("Transpose", ops::TransposeAttrs{k.perm}, {of_type(t, k.dims, 0, 100)}));
    }
  KernelCase c = copy_case("Transpose", ops::TransposeAttrs{{0, 2, 1}}, {pitched(f32({2, 33, 40}), 50)});
  c.output_pitch = {35};
  check_kernel(c);
}

TEST_CASE("strided copy: concat and split") {
  for (DType t : kTypes) {
    check_kernel(
        copy_case("Concat", ops::AxisAttrs{1}, {of_type(t, {2, 3, 5}), of_type(t, {2, 1, 5}), of_type(t, {2, 40, 5})}));
    check_kernel(copy_case("Concat", ops::AxisAttrs{-1}, {of_type(t, {7, 3}), of_type(t, {7, 64})}));
    check_kernel(copy_case("Split", ops::SplitAttrs{-1, false}, {of_type(t, {4, 10})}, 3));
    check_kernel(copy_case("Split", ops::SplitAttrs{1, false}, {of_type(t, {2, 9, 7}), ints({2, 0, 7})}, 3));
  }
  KernelCase c = copy_case("Concat", ops::AxisAttrs{0}, {pitched(f32({2, 30}), 40), f32({1, 30})});
  c.output_pitch = {31};
  check_kernel(c);
}

TEST_CASE("strided copy: short runs and blocks of space") {
  check_kernel(copy_case("Concat", ops::AxisAttrs{2}, {f32({3, 640, 2}), f32({3, 640, 2}), f32({3, 640, 81})}));
  check_kernel(
      copy_case("Concat", ops::AxisAttrs{1}, {of_type(DType::kBF16, {900, 3}), of_type(DType::kBF16, {900, 6})}));
  check_kernel(copy_case("Split", ops::SplitAttrs{-1, false}, {f32({2, 500, 7}), ints({3, 1, 3})}, 3));
  for (bool column_row_depth : {false, true})
    check_kernel(copy_case("DepthToSpace", ops::DepthToSpaceAttrs{2, column_row_depth}, {f32({2, 12, 5, 7})}));
  check_kernel(copy_case("SpaceToDepth", ops::DepthToSpaceAttrs{3, false}, {f32({2, 4, 6, 9})}));
}

TEST_CASE("strided copy: slice") {
  check_kernel(copy_case("Slice", {}, {f32({8, 9, 10}), ints({1, -3}), ints({7, 1000}), ints({0, 2}), ints({2, 1})}));
  check_kernel(copy_case("Slice", {}, {f32({8, 9}), ints({-1, 5}), ints({-1000, 0}), ints({0, 1}), ints({-1, -2})}));
  check_kernel(copy_case("Slice", {}, {of_type(DType::kI64, {1, 512}), ints({0, 3}), ints({1, 131})}));
  check_kernel(copy_case("Slice", {}, {f32({5, 6}), ints({9}), ints({-100}), ints({0}), ints({-3})}));
  CHECK(refusal(copy_case("Slice", {}, {f32({8}), constant(Tensor::vector_i64(std::vector<int64_t>{1})), ints({3})}),
                "strided_copy")
            .empty());
}

TEST_CASE("strided copy: expand and tile") {
  check_kernel(copy_case("Expand", {}, {f32({3, 1}), ints({2, 3, 50})}));
  check_kernel(copy_case("Expand", {}, {of_type(DType::kBool, {1, 7}), ints({4, 1})}));
  check_kernel(copy_case("Expand", {}, {f32({}), ints({1000})}));
  check_kernel(copy_case("Tile", {}, {f32({2, 3, 4}), ints({3, 1, 2})}));
  check_kernel(copy_case("Tile", {}, {of_type(DType::kI64, {1, 5}), ints({1, 3})}));
}

TEST_CASE("strided copy: pad") {
  using ops::PadMode;
  const Operand value = constant(Tensor::scalar_f32(1.5f));
  check_kernel(copy_case("Pad", ops::PadAttrs{}, {f32({2, 3, 5, 6}), ints({0, 0, 1, 2, 0, 0, 3, 0})}));
  check_kernel(copy_case("Pad", ops::PadAttrs{}, {f32({4, 5}), ints({1, 1, 2, 0}), value}));
  check_kernel(copy_case("Pad", ops::PadAttrs{}, {f32({4, 5}), ints({-1, 2, 1, -3}), value}));
  check_kernel(copy_case("Pad", ops::PadAttrs{}, {f32({4, 5, 6}), ints({1, 2}), absent(), ints({-1})}));
  for (PadMode mode : {PadMode::kReflect, PadMode::kEdge, PadMode::kWrap}) {
    check_kernel(copy_case("Pad", ops::PadAttrs{mode}, {f32({2, 4, 5}), ints({0, 3, 2, 0, 1, 4})}));
    check_kernel(copy_case("Pad", ops::PadAttrs{mode}, {f32({3, 4}), ints({7, 0, 5, 0})}));
  }
}

TEST_CASE("strided copy: measurements" * doctest::skip()) {
  struct Case {
    ir::Dims dims;
    std::vector<int64_t> perm;
    DType type;
  };
  const Case cases[] = {{{1, 64, 3136}, {0, 2, 1}, DType::kF32},       {{1, 3136, 64}, {0, 2, 1}, DType::kF32},
                        {{1, 3, 50176}, {0, 2, 1}, DType::kF32},       {{2048, 2048}, {1, 0}, DType::kF32},
                        {{1, 197, 12, 64}, {0, 2, 1, 3}, DType::kF32}, {{512, 512}, {1, 0}, DType::kBF16},
                        {{1, 197, 12, 64}, {0, 2, 3, 1}, DType::kF32}, {{1, 2048, 49}, {0, 2, 1}, DType::kF32},
                        {{784, 2, 58}, {0, 2, 1}, DType::kF32},        {{784, 2, 58}, {0, 2, 1}, DType::kBF16}};
  for (const Case& k : cases) {
    const double us =
        time_kernel(copy_case("Transpose", ops::TransposeAttrs{k.perm}, {of_type(k.type, k.dims)}), "strided_copy", 1);
    const double bytes = double(Tensor(k.type, k.dims).bytes());
    MESSAGE(cat(k.dims, k.perm, k.type), ": ", us, " us, ", 2 * bytes / us / 1000, " GB/s");
  }
}

TEST_CASE("a copy over more axes than usual") {
  constexpr size_t kAxes = 20;  // of two elements each, in reverse order
  ir::Dims dims(kAxes, 2), from(kAxes), to(kAxes);
  for (size_t d = 0; d < kAxes; ++d) {
    from[d] = int64_t(1) << d;
    to[kAxes - 1 - d] = from[d];
  }
  const cpu::StridedCopy copy(dims, from, to, 1);
  std::vector<char> x(size_t(1) << kAxes), y(x.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = char(i * 7 >> 3);
  copy.run(x.data(), y.data(), 0, copy.pieces());
  size_t wrong = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    size_t reversed = 0;
    for (size_t d = 0; d < kAxes; ++d) reversed |= (i >> d & 1) << (kAxes - 1 - d);
    wrong += y[reversed] != x[i];
  }
  CHECK(wrong == 0);
}
