#include "ops/nn/conv_transpose.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"

namespace tenon::cpu::testing {
namespace {

using ir::DType;

struct Shape {
  int64_t batch, side, c, n, kernel, stride, pad, dilation = 1, group = 1, extra = 0;
  size_t spatial = 2;
  int64_t out() const { return (side - 1) * stride + dilation * (kernel - 1) + 1 + extra - 2 * pad; }
};

KernelCase transpose_case(const Shape& s, const std::string& epilogue, DType type = DType::kF32) {
  ops::ConvTransposeAttrs a;
  a.strides.assign(s.spatial, s.stride);
  a.dilations.assign(s.spatial, s.dilation);
  a.pads.assign(2 * s.spatial, s.pad);
  a.output_padding.assign(s.spatial, s.extra);
  a.group = s.group;
  a.channels_last = true;
  a.epilogue = epilogue;
  ir::Dims x(s.spatial + 2, s.side), w(s.spatial + 2, s.kernel);
  x.front() = s.batch;
  x.back() = s.c;
  w[0] = s.c;
  w[1] = s.n / s.group;
  KernelCase c{.op = "ConvTranspose", .attrs = ir::Attrs(a)};
  c.inputs = {of_type(type, x), constant(of_type(type, w, -1, 1)), constant(f32({s.n}))};
  return c;
}

TEST_CASE("transposed convolution: strides, windows, dilations, groups, axes") {
  const Shape shapes[] = {{2, 5, 8, 20, 2, 2, 0},
                          {1, 6, 16, 7, 4, 2, 1},
                          {1, 5, 3, 33, 3, 2, 1, 1, 1, 1},
                          {1, 4, 6, 5, 3, 1, 1},
                          {2, 4, 8, 12, 3, 2, 0, 2, 4},
                          {1, 4, 5, 6, 5, 3, 2, 2},
                          {1, 5, 4, 4, 1, 3, 0},
                          {1, 3, 4, 6, 3, 2, 1, 1, 2, 0, 3},
                          {2, 9, 4, 6, 4, 2, 1, 1, 1, 0, 1}};
  for (const Shape& s : shapes)
    for (DType type : {DType::kF32, DType::kBF16}) check_kernel(transpose_case(s, "relu(i0)", type));
}

TEST_CASE("transposed convolution: epilogues over rows with a pitch") {
  const Shape s{2, 5, 8, 12, 4, 2, 1, 1, 2};
  for (const char* program : {"t0 = add(i0, i1); relu(t0)", "t0 = abs(i0); mul(t0, i1)"}) {
    KernelCase c = transpose_case(s, program);
    c.inputs.push_back(f32({2, s.out(), s.out(), s.n}));
    check_kernel(c);
    c.inputs[0] = pitched(c.inputs[0], 11);
    c.inputs[3] = pitched(c.inputs[3], 15);
    c.output_pitch = {14};
    check_kernel(c);
  }
}

}  // namespace
}  // namespace tenon::cpu::testing
