#include <doctest/doctest.h>

#include <cmath>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/math/cast.h"
#include "ops/math/ordering.h"

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
      for (const char* op : {"ArgMax", "ArgMin"}) check_kernel(plain(op, ops::ArgAttrs{axis, true, false}, {x}));
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
  check_kernel(plain("ArgMax", ops::ArgAttrs{1, false, false}, {x}));
  for (bool largest : {true, false})
    check_kernel(
        plain("TopK", ops::TopKAttrs{1, largest, true}, {x, constant(Tensor::vector_i64(std::vector<int64_t>{5}))}, 2));
}
