#include "ops/quant/quantize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backends/cpu/kernels/kernel_test_util.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

Operand numbers(DType type, ir::Dims dims, double step, double from) {
  ir::Tensor t(type, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, from + step * double(i % 5));
  return constant(std::move(t));
}

KernelCase case_of(bool quantizes, DType narrow, ir::Dims x, ir::Dims scale, int64_t axis, bool zero) {
  KernelCase c;
  c.op = quantizes ? "QuantizeLinear" : "DequantizeLinear";
  c.kernel = quantizes ? "quantize" : "dequantize";
  ops::QuantizeAttrs attrs;
  attrs.to = quantizes ? narrow : DType::kF32;
  attrs.axis = axis;
  c.attrs = attrs;
  c.inputs = {quantizes ? f32(x, -40, 40) : of_type(narrow, x, 0, 120), numbers(DType::kF32, scale, 0.037, 0.11)};
  if (zero) c.inputs.push_back(numbers(narrow, scale, 3, 1));
  c.batched = false;
  c.element = 1e-6;
  return c;
}

}  // namespace

TEST_CASE("quantize and dequantize: tensors, axes and zero points") {
  for (bool quantizes : {true, false})
    for (DType narrow : {DType::kI8, DType::kU8})
      for (bool zero : {false, true}) {
        check_kernel(case_of(quantizes, narrow, {3, 5000}, {}, 1, zero));
        check_kernel(case_of(quantizes, narrow, {2, 7, 3, 5}, {7}, 1, zero));
        check_kernel(case_of(quantizes, narrow, {2, 3, 5, 37}, {37}, -1, zero));
        check_kernel(case_of(quantizes, narrow, {13}, {13}, 0, zero));
        check_kernel(case_of(quantizes, narrow, {1, 1}, {1}, 1, zero));
      }
}

TEST_CASE("quantize: ties go to even, what is too large is held, NaN is the zero point") {
  const float inf = std::numeric_limits<float>::infinity();
  ir::Tensor x(DType::kF32, {10});
  const float values[] = {0.5f, 1.5f, -0.5f, -2.5f, 1e30f, -1e30f, inf, -inf, std::nanf(""), 127.4f};
  for (int64_t i = 0; i < 10; ++i) x.set(i, double(values[i]));
  KernelCase c = case_of(true, DType::kI8, {10}, {}, 0, true);
  c.inputs[0] = constant(x);
  c.inputs[1] = constant(ir::Tensor::scalar_f32(1));
  check_kernel(c);
}

TEST_CASE("quantize: other types and blocks are left to the reference") {
  CHECK(!refusal(case_of(true, DType::kI4, {4, 4}, {}, 1, false), "quantize").empty());
  KernelCase blocks = case_of(false, DType::kI8, {4, 6}, {4, 3}, 1, false);
  ops::QuantizeAttrs attrs;
  attrs.to = DType::kF32;
  attrs.block_size = 2;
  blocks.attrs = attrs;
  CHECK(!refusal(blocks, "dequantize").empty());
}
