#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/math/cast.h"
#include "ops/math/ordering.h"
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ir::Tensor;

namespace {

KernelCase plain(std::string op, ir::Attrs attrs, std::vector<Operand> inputs, size_t outputs = 1) {
  KernelCase c;
  c.op = std::move(op);
  c.attrs = std::move(attrs);
  c.inputs = std::move(inputs);
  c.outputs = outputs;
  c.batched = false;
  return c;
}

}  // namespace

TEST_CASE("integers: element-wise") {
  for (DType t : {DType::kI64, DType::kI32, DType::kU8, DType::kI8}) {
    for (const char* op : {"Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "LessOrEqual", "Greater",
                           "GreaterOrEqual", "BitwiseXor"}) {
      CAPTURE(cat(op, t));
      check_kernel(plain(op, {}, {of_type(t, {3, 1, 700}, 0, 100), of_type(t, {5, 700}, 0, 100)}));
      check_kernel(plain(op, {}, {of_type(t, {3, 4}, 0, 9), of_type(t, {1, 1}, 1, 9)}));
    }
    check_kernel(plain("Where", {}, {of_type(DType::kBool, {4, 1}), of_type(t, {4, 9}, 0, 50), of_type(t, {}, 0, 50)}));
  }
  for (const char* op : {"Neg", "Abs", "Sign"}) check_kernel(plain(op, {}, {of_type(DType::kI64, {33}, -9, 9)}));
  Operand large = of_type(DType::kI64, {2});
  large.value = Tensor::vector_i64(std::vector<int64_t>{INT64_MAX, INT64_MIN});
  check_kernel(plain("Add", {}, {large, large}));
}

TEST_CASE("integers: cast") {
  const DType types[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64,  DType::kI8,
                         DType::kU8,  DType::kI32, DType::kI64,  DType::kBool, DType::kU32};
  for (DType from : types)
    for (DType to : types) {
      if (from == to) continue;
      CAPTURE(cat(from, to));
      ops::CastAttrs a;
      a.to = to;
      KernelCase c =
          plain("Cast", a, {of_type(from, {1500}, from == DType::kU8 || from == DType::kU32 ? 0 : -100, 100)});
      if (from == DType::kF64) c.norm = to == DType::kF32 ? 1e-6 : 4e-3;
      c.kernel = "cast_pieces";
      check_kernel(c);
    }
  Operand x = f32({6});
  x.value = Tensor::of<float>(DType::kF32, {6}, std::vector<float>{NAN, INFINITY, -INFINITY, 1e30f, -2.7f, 2.7f});
  ops::CastAttrs a;
  a.to = DType::kI64;
  check_kernel(plain("Cast", a, {x}));
}

TEST_CASE("ordering: arg, top k, cumulative sums") {
  for (DType t : {DType::kF32, DType::kBF16})
    for (int64_t axis : {0, 1, 2}) {
      CAPTURE(cat(t, axis));
      const Operand x = of_type(t, {4, 37, 5});
      for (const char* op : {"ArgMax", "ArgMin"})
        for (bool last : {false, true}) check_kernel(plain(op, ops::ArgAttrs{axis, true, last}, {x}));
      for (bool largest : {true, false})
        check_kernel(plain("TopK", ops::TopKAttrs{axis, largest, true},
                           {x, constant(Tensor::vector_i64(std::vector<int64_t>{3}))}, 2));
      for (bool reverse : {true, false}) {
        check_kernel(plain("CumSum", ops::CumulativeAttrs{axis, reverse, reverse}, {of_type(t, {4, 37, 5}, 0, 1)}));
        check_kernel(plain("CumSum", ops::CumulativeAttrs{axis, !reverse, reverse}, {of_type(t, {4, 37, 5}, 0, 1)}));
      }
    }
  Operand x = f32({1, 8});
  x.value = Tensor::of<float>(DType::kF32, {1, 8}, std::vector<float>{1, 3, 3, NAN, -1, 3, NAN, 0});
  for (bool last : {false, true}) check_kernel(plain("ArgMax", ops::ArgAttrs{1, false, last}, {x}));
  for (bool largest : {true, false})
    check_kernel(
        plain("TopK", ops::TopKAttrs{1, largest, true}, {x, constant(Tensor::vector_i64(std::vector<int64_t>{5}))}, 2));
}

TEST_CASE("integers: products wrap and broadcast") {
  struct Sizes {
    ir::Dims a, b;
    bool transpose_a = false, transpose_b = false;
  } const sizes[] = {
      {{1, 1}, {1, 1}},    {{5, 7}, {7, 33}},         {{66, 130}, {130, 70}},    {{7, 5}, {33, 7}, true, true},
      {{3, 4, 6}, {6, 9}}, {{3, 6, 4}, {6, 9}, true}, {{2, 1, 5, 6}, {3, 6, 8}}, {{3, 5, 6}, {3, 11, 6}, false, true}};
  for (const Sizes& s : sizes)
    for (bool fixed : {false, true})
      for (DType t : {DType::kI32, DType::kU32}) {
        CAPTURE(cat(t, s.a, s.b));
        ops::MatMulAttrs attrs;
        attrs.transpose_a = s.transpose_a, attrs.transpose_b = s.transpose_b;
        const double low = t == DType::kI32 ? -2e9 : 0;
        Operand b = of_type(t, s.b, low, 2e9);
        KernelCase c = plain("MatMul", attrs, {of_type(t, s.a, low, 2e9), fixed ? constant(b) : b});
        c.kernel = "integer_matmul";
        check_kernel(c);
        c.inputs.push_back(of_type(t, {s.transpose_b ? s.b[s.b.size() - 2] : s.b.back()}, low, 2e9));
        check_kernel(c);
      }
  CHECK(refusal(plain("MatMul", ops::MatMulAttrs{}, {of_type(DType::kI64, {2, 2}), of_type(DType::kI64, {2, 2})}),
                "integer_matmul")
            .find("i64") != std::string::npos);
}

TEST_CASE("integers: convolutions") {
  struct Sizes {
    ir::Dims x, w;  // x channels last
    int64_t stride = 1, pad = 0, dilation = 1, group = 1;
  } const sizes[] = {{{2, 6, 7, 3}, {37, 3, 3, 3}, 1, 1},
                     {{1, 9, 8, 4}, {6, 4, 3, 2}, 2, 2, 2},
                     {{1, 5, 5, 8}, {8, 2, 1, 1}, 1, 0, 1, 4},
                     {{1, 6, 6, 6}, {6, 1, 3, 3}, 1, 1, 1, 6},
                     {{2, 11, 3}, {5, 3, 4}, 3, 1},
                     {{1, 4, 5, 6, 2}, {3, 2, 2, 3, 3}, 1, 1},
                     {{1, 3, 3, 2}, {4, 2, 3, 3}, 1, 3}};
  for (const Sizes& s : sizes)
    for (bool fixed : {false, true}) {
      CAPTURE(cat(s.x, s.w));
      const size_t spatial = s.x.size() - 2;
      ops::ConvAttrs a;
      a.strides.assign(spatial, s.stride);
      a.dilations.assign(spatial, s.dilation);
      a.pads.assign(2 * spatial, s.pad);
      a.group = s.group;
      a.channels_last = true;
      Operand w = of_type(DType::kI32, s.w, -9000, 9000);
      KernelCase c = plain("Conv", a, {of_type(DType::kI32, s.x, -9000, 9000), fixed ? constant(w) : w});
      c.kernel = "integer_conv";
      check_kernel(c);
    }
}
