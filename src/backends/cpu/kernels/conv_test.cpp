#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"

namespace tenon::cpu::testing {
namespace {

using ir::DType;

/// A square channels-last convolution; `spatial` axes of size `side`.
struct Shape {
  int64_t batch, side, c, n, kernel, stride = 1, pad = 0, dilation = 1, group = 1;
  size_t spatial = 2;
};

KernelCase conv_case(const Shape& s, const std::string& epilogue = {}, DType type = DType::kF32) {
  ops::ConvAttrs a;
  a.strides.assign(s.spatial, s.stride);
  a.dilations.assign(s.spatial, s.dilation);
  a.pads.assign(2 * s.spatial, s.pad);
  a.group = s.group;
  a.channels_last = true;
  a.epilogue = epilogue;
  ir::Dims x(s.spatial + 2, s.side), w(s.spatial + 2, s.kernel);
  x.front() = s.batch;
  x.back() = s.c;
  w[0] = s.n;
  w[1] = s.c / s.group;
  KernelCase c{.op = "Conv", .attrs = ir::Attrs(a)};
  c.inputs = {of_type(type, x), constant(of_type(type, w, -1, 1)), constant(f32({s.n}))};
  return c;
}
ir::Dims y_dims(const Shape& s) {
  ir::Dims y(s.spatial + 2, (s.side + 2 * s.pad - s.dilation * (s.kernel - 1) - 1) / s.stride + 1);
  y.front() = s.batch;
  y.back() = s.n;
  return y;
}

TEST_CASE("conv: windows, strides, dilations, groups, axes") {
  const Shape shapes[] = {
      {2, 9, 16, 24, 3, 1, 1},         {1, 12, 3, 40, 7, 2, 3},        {2, 7, 40, 33, 1},
      {1, 11, 20, 7, 3, 2, 1},         {1, 13, 12, 20, 3, 1, 2, 2},    {2, 8, 12, 24, 3, 1, 1, 1, 4},
      {1, 9, 32, 32, 3, 1, 1, 1, 32},  {2, 10, 9, 12, 5, 1, 2},        {1, 30, 6, 8, 9, 1, 4, 1, 1, 1},
      {1, 6, 8, 12, 3, 1, 1, 1, 1, 3}, {1, 7, 33, 33, 5, 2, 2, 1, 33}, {2, 5, 1, 8, 5, 1, 0}};
  for (const Shape& s : shapes)
    for (DType type : {DType::kF32, DType::kBF16}) check_kernel(conv_case(s, "relu(i0)", type));
}

TEST_CASE("conv: weights that come with each run") {
  const Shape shapes[] = {
      {2, 9, 16, 24, 3, 1, 1},         {1, 12, 3, 40, 7, 2, 3},        {2, 7, 40, 33, 1},
      {1, 13, 12, 20, 3, 1, 2, 2},     {2, 8, 12, 24, 3, 1, 1, 1, 4},  {1, 9, 10, 10, 3, 1, 1, 1, 10},
      {1, 30, 6, 8, 9, 1, 4, 1, 1, 1}, {1, 6, 8, 12, 3, 1, 1, 1, 1, 3}};
  for (const Shape& s : shapes)
    for (DType type : {DType::kF32, DType::kBF16}) {
      KernelCase c = conv_case(s, "relu(i0)", type);
      c.inputs[1].constant = false;
      c.kernel = "conv_implicit_gemm";
      check_kernel(c);
    }
}

TEST_CASE("conv: f16 as tensor cores take it") {
  const Shape shapes[] = {{2, 9, 16, 24, 3, 1, 1},
                          {1, 14, 3, 32, 7, 2, 3},
                          {2, 7, 64, 40, 1},
                          {2, 8, 32, 48, 1, 2},
                          {1, 8, 32, 64, 3, 1, 1, 1, 4},
                          {1, 9, 32, 32, 3, 1, 1, 1, 32},
                          {1, 6, 8, 16, 3, 1, 1, 1, 1, 3},
                          {2, 20, 16, 8, 3, 1, 2, 2, 1, 1},
                          {1, 13, 12, 20, 3, 1, 1}};
  for (const Shape& s : shapes)
    for (const char* program : {"", "relu(i0)", "clip(i0, 0, 6)", "t0 = add(i0, i1); relu(t0)", "silu(i0)"}) {
      KernelCase c = conv_case(s, program, DType::kF16);
      if (std::string_view(program).find("i1") != std::string_view::npos)
        c.inputs.push_back(of_type(DType::kF16, y_dims(s)));
      c.must_accept = false;
      c.norm = 1e-3;
      check_kernel(c);
    }
}

TEST_CASE("conv: epilogues") {
  const Shape s{2, 8, 16, 20, 3, 1, 1};
  for (const char* program : {"", "relu(i0)", "clip(i0, 0, 6)", "silu(i0)", "gelu_erf(i0)", "hard_swish(i0)",
                              "leaky_relu(i0, 0.1)", "t0 = abs(i0); div(t0, 3)"})
    check_kernel(conv_case(s, program));
  for (const char* program :
       {"add(i0, i1)", "t0 = add(i0, i1); relu(t0)", "t0 = silu(i0); add(i1, t0)", "t0 = relu(i0); mul(t0, i1)"}) {
    KernelCase c = conv_case(s, program);
    c.inputs.push_back(f32(y_dims(s)));
    check_kernel(c);
    c = conv_case(s, program, DType::kBF16);
    c.inputs.push_back(of_type(DType::kBF16, y_dims(s)));
    check_kernel(c);
    c = conv_case(s, program);
    c.inputs.push_back(f32({2, 1, 1, 20}));
    check_kernel(c);
    c.inputs.back() = f32({20});
    check_kernel(c);
  }
}

TEST_CASE("conv: whole tiles of channels in f32") {
  for (const Shape& s : {Shape{2, 9, 32, 64, 3, 1, 1}, Shape{3, 7, 64, 96, 1}, Shape{1, 15, 96, 32, 3, 2, 1},
                         Shape{2, 6, 32, 32, 5, 1, 2}, Shape{1, 5, 128, 64, 3, 1, 2, 2}})
    for (const char* program : {"", "silu(i0)", "t0 = add(i0, i1); relu(t0)", "t0 = relu(i0); mul(t0, i1)"}) {
      KernelCase c = conv_case(s, program);
      if (std::string_view(program).find("i1") == std::string_view::npos) {
        check_kernel(c);
        continue;
      }
      c.inputs.push_back(f32(y_dims(s)));
      check_kernel(c);
      c.inputs.back() = f32({s.n});
      check_kernel(c);
      c.inputs.back() = f32({s.batch, 1, 1, s.n});
      check_kernel(c);
    }
}

TEST_CASE("conv: grouped with a general epilogue, and rows with a pitch") {
  for (const Shape& s : {Shape{2, 6, 8, 12, 3, 1, 1, 1, 2}, Shape{2, 6, 8, 8, 3, 1, 1, 1, 8},
                         Shape{2, 6, 8, 12, 3, 1, 1}, Shape{2, 6, 8, 12, 1}}) {
    KernelCase c = conv_case(s, "t0 = add(i0, i1); t1 = abs(t0); mul(t1, i2)");
    c.inputs.push_back(pitched(f32(y_dims(s)), s.n + 3));
    c.inputs.push_back(f32({1, 1, 6, 1}));
    c.inputs[0] = pitched(c.inputs[0], s.c + 5);
    c.output_pitch = {s.n + 2};
    check_kernel(c);
  }
}

TEST_CASE("conv: shares of k and ragged tiles") {
  for (const Shape& s : {Shape{1, 6, 64, 72, 3, 1, 1}, Shape{1, 5, 264, 33, 1}, Shape{1, 9, 32, 130, 3, 2, 1},
                         Shape{1, 7, 136, 136, 3, 1, 1}, Shape{1, 5, 512, 40, 3, 1, 1}})
    for (DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
      KernelCase c = conv_case(s, "t0 = add(i0, i1); relu(t0)", type);
      c.inputs.push_back(of_type(type, y_dims(s)));
      c.must_accept = false;
      c.norm = type == DType::kF16 ? 1e-3 : type == DType::kBF16 ? 6e-3 : 2e-6;
      check_kernel(c);
    }
}

TEST_CASE("conv: windows at the edges of tiles and images") {
  const Shape shapes[] = {{3, 9, 72, 136, 3, 2, 1},          {2, 17, 64, 64, 3, 1, 2, 2},
                          {1, 20, 40, 200, 7, 1, 3},         {2, 13, 96, 64, 1, 2},
                          {5, 40, 64, 72, 3, 1, 1, 1, 1, 1}, {2, 7, 64, 72, 3, 1, 1, 1, 1, 3},
                          {2, 6, 24, 64, 3, 2, 1, 1, 1, 3},  {1, 66, 8, 328, 3, 1, 1},
                          {1, 58, 16, 64, 3, 1, 1},          {1, 18, 8, 72, 3, 1, 1, 1, 1, 3},
                          {2, 16, 72, 64, 3, 1, 4, 4},       {1, 13, 72, 264, 1}};
  for (const Shape& s : shapes)
    for (DType type : {DType::kF16, DType::kBF16, DType::kF32})
      for (const char* program : {"relu(i0)", "t0 = add(i0, i1); relu(t0)"}) {
        KernelCase c = conv_case(s, program, type);
        if (std::string_view(program).find("i1") != std::string_view::npos)
          c.inputs.push_back(pitched(of_type(type, y_dims(s)), s.n + 8));
        c.inputs[0] = pitched(c.inputs[0], s.c + 16);
        c.output_pitch = {s.n + 24};
        c.must_accept = false;
        c.norm = type == DType::kF16 ? 1e-3 : type == DType::kBF16 ? 6e-3 : 2e-6;
        check_kernel(c);
      }
}

TEST_CASE("conv: pieces of f32 channels") {
  const Shape shapes[] = {
      {2, 9, 4, 12, 3, 1, 1},          {1, 11, 12, 36, 3, 2, 1, 1, 3},   {1, 9, 36, 20, 3, 1, 1},
      {1, 12, 20, 130, 5, 2, 2},       {1, 8, 32, 64, 3, 1, 2, 2, 4},    {1, 8, 24, 24, 3, 1, 1, 1, 12},
      {2, 5, 4, 33, 3, 1, 1, 1, 1, 3}, {1, 6, 64, 20, 3, 2, 1, 1, 2, 3}, {1, 16, 3, 24, 4, 4}};
  for (const Shape& s : shapes)
    for (const char* program : {"relu(i0)", "t0 = silu(i0); add(i1, t0)"}) {
      KernelCase c = conv_case(s, program);
      if (std::string_view(program).find("i1") != std::string_view::npos)
        c.inputs.push_back(pitched(f32(y_dims(s)), s.n + 4));
      if (s.c % 4 == 0) c.inputs[0] = pitched(c.inputs[0], s.c + 4);
      check_kernel(c);
    }
}

TEST_CASE("conv: f32 channels that do not come in fours") {
  const Shape shapes[] = {{2, 9, 3, 24, 3, 1, 1}, {1, 13, 5, 64, 3, 2, 1},         {1, 10, 1, 8, 5, 1, 2},
                          {2, 7, 33, 20, 1},      {1, 6, 7, 12, 3, 1, 1, 1, 1, 3}, {1, 17, 3, 66, 7, 2, 3}};
  for (const Shape& s : shapes)
    for (const char* program : {"relu(i0)", "t0 = add(i0, i1); relu(t0)", "t0 = abs(i0); div(t0, 3)"}) {
      KernelCase c = conv_case(s, program);
      if (std::string_view(program).find("i1") != std::string_view::npos) c.inputs.push_back(f32(y_dims(s)));
      c.inputs[0] = pitched(c.inputs[0], s.c + 3);
      check_kernel(c);
    }
}

TEST_CASE("conv: infinite operands and none on tensor cores") {
  for (const char* kernel :
       {"conv_implicit_gemm_64x64_1", "conv_implicit_gemm_64x64_2", "conv_implicit_gemm_128x128_1"})
    for (const Shape& s : {Shape{2, 9, 8, 40, 3, 1, 1}, Shape{1, 7, 64, 72, 3, 2, 1}, Shape{1, 12, 40, 33, 1}}) {
      KernelCase c = conv_case(s);
      ir::Tensor x(DType::kF32, c.inputs[0].dims);
      for (int64_t i = 0; i < x.count(); ++i) x.mutable_as<float>()[i] = float(i * 37 % 101 - 50) / 25;
      x.mutable_as<float>()[x.count() / 2] = std::numeric_limits<float>::infinity();
      x.mutable_as<float>()[1] = std::numeric_limits<float>::quiet_NaN();
      c.inputs[0].value = x;
      c.deep = s.c * s.kernel * s.kernel > 500;  // steps that vector units repeat
      c.kernel = kernel;
      c.must_accept = false;
      check_kernel(c);
    }
}

TEST_CASE("conv: channels first") {
  for (const char* program : {"relu(i0)", "t0 = add(i0, i1); relu(t0)"})
    for (DType type : {DType::kF32, DType::kF16}) {
      ops::ConvAttrs a{.strides = {2, 1}, .dilations = {1, 2}, .pads = {1, 2, 1, 2}, .group = 2, .epilogue = program};
      KernelCase c{.op = "Conv", .attrs = ir::Attrs(a)};
      c.inputs = {of_type(type, {2, 6, 9, 8}), constant(of_type(type, {10, 3, 3, 3}, -1, 1)), constant(f32({10}))};
      if (std::string_view(program).find("i1") != std::string_view::npos)
        c.inputs.push_back(of_type(type, {2, 10, 5, 8}));
      c.must_accept = false;
      check_kernel(c);
    }
}

TEST_CASE("conv: few channels, several windows") {
  const Shape shapes[] = {{1, 23, 3, 64, 7, 2, 3},      {2, 18, 3, 33, 3, 2, 1},   {1, 35, 3, 24, 11, 4, 2},
                          {1, 9, 1, 8, 5, 1, 2},        {1, 10, 4, 16, 3, 1, 1},   {1, 7, 3, 16, 3, 2, 1, 1, 1, 3},
                          {1, 9, 2, 8, 3, 3, 0},        {2, 32, 3, 40, 16, 16, 0}, {1, 12, 2, 8, 4, 4, 0},
                          {2, 17, 3, 70, 3, 1, 1, 1, 1}};
  for (const Shape& s : shapes) {
    KernelCase c = conv_case(s, "silu(i0)", DType::kF16);
    c.norm = 1e-3;
    check_kernel(c);
  }
}

TEST_CASE("conv: few channels that come first, a result whose channels come last") {
  struct Case {
    ir::Dims x, w;
    std::vector<int64_t> strides, pads;
  };
  const Case cases[] = {{{2, 3, 21, 22}, {64, 3, 7, 7}, {2, 2}, {3, 3, 3, 3}},
                        {{3, 1, 13, 37}, {24, 1, 5, 4}, {2, 2}, {0, 2, 3, 1}},
                        {{1, 3, 35, 35}, {40, 3, 11, 11}, {4, 4}, {2, 2, 2, 2}},
                        {{2, 3, 24, 66}, {8, 3, 8, 9}, {4, 4}, {1, 3, 0, 2}},
                        {{1, 4, 9, 18}, {72, 4, 3, 3}, {1, 1}, {1, 1, 1, 1}},
                        {{2, 2, 7, 35}, {32, 2, 1, 6}, {1, 1}, {0, 2, 0, 0}},
                        {{1, 3, 4, 12, 18}, {64, 3, 3, 7, 7}, {1, 2, 2}, {1, 3, 3, 1, 3, 3}},
                        {{2, 2, 5, 9, 7}, {16, 2, 2, 3, 3}, {2, 1, 1}, {0, 1, 1, 1, 1, 1}},
                        {{2, 3, 40}, {16, 3, 7}, {2}, {3, 3}},
                        {{1, 3, 9, 10}, {13, 3, 3, 3}, {3, 3}, {1, 1, 1, 1}}};
  for (const Case& t : cases)
    for (bool x_first : {true, false})
      for (DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
        ops::ConvAttrs a{.strides = t.strides,
                         .dilations = std::vector<int64_t>(t.strides.size(), 1),
                         .pads = t.pads,
                         .channels_last = true,
                         .epilogue = type == DType::kF16 ? "silu(i0)" : "relu(i0)",
                         .x_channels_first = x_first};
        ir::Dims x = t.x;
        if (!x_first) std::rotate(x.begin() + 1, x.begin() + 2, x.end());
        KernelCase c{.op = "Conv", .attrs = ir::Attrs(a)};
        c.inputs = {of_type(type, x), constant(of_type(type, t.w, -1, 1)), constant(f32({t.w[0]}))};
        if (x.back() % 5 == 0) c.inputs[0] = pitched(c.inputs[0], x.back() + 3);
        c.must_accept = false;
        c.norm = type == DType::kF16 ? 1e-3 : type == DType::kBF16 ? 6e-3 : 2e-6;
        check_kernel(c);
      }
}

TEST_CASE("conv: pixels that are not finite reach the windows that they lie in alone") {
  struct Case {
    ir::Dims x, w;
    std::vector<int64_t> strides, pads;
  };
  const Case cases[] = {{{2, 3, 21, 22}, {64, 3, 7, 7}, {2, 2}, {3, 3, 3, 3}},
                        {{1, 3, 19, 24}, {32, 3, 3, 3}, {2, 2}, {1, 1, 1, 1}},
                        {{1, 3, 35, 35}, {40, 3, 11, 11}, {4, 4}, {2, 2, 2, 2}}};
  for (const Case& t : cases)
    for (bool x_first : {true, false}) {
      const ops::ConvAttrs a{.strides = t.strides,
                             .dilations = {1, 1},
                             .pads = t.pads,
                             .channels_last = true,
                             .epilogue = "",
                             .x_channels_first = x_first};
      ir::Dims dims = t.x;
      if (!x_first) std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
      ir::Tensor x(DType::kF16, dims);
      for (int64_t i = 0; i < x.count(); ++i) x.set(i, double(i % 13 - 6) / 4);
      x.set(x.count() / 3, NAN);
      x.set(x.count() * 3 / 4, -INFINITY);
      KernelCase c{.op = "Conv", .attrs = ir::Attrs(a)};
      c.inputs = {of_type(DType::kF16, dims), constant(of_type(DType::kF16, t.w, -1, 1)), constant(f32({t.w[0]}))};
      c.inputs[0].value = std::move(x);
      c.must_accept = false;
      c.norm = 1e-3;
      c.own_only = true;  // some of cuDNN's engines give 0 for what is not finite
      check_kernel(c);
    }
}

TEST_CASE("conv: long and narrow, without a window") {
  struct Case {
    int64_t side, c, n;
    const char* program;
  };
  const Case cases[] = {{9, 16, 96, "clip(i0, 0, 6)"},  {7, 8, 8, "relu(i0)"},
                        {11, 24, 40, "silu(i0)"},       {6, 40, 64, "t0 = add(i0, i1); relu(t0)"},
                        {5, 56, 24, "add(i0, i1)"},     {6, 96, 32, "t0 = silu(i0); mul(t0, i1)"},
                        {5, 144, 24, "hard_swish(i0)"}, {3, 160, 136, "t0 = relu(i0); add(t0, i1)"},
                        {4, 72, 16, "gelu_erf(i0)"},    {5, 104, 48, ""}};
  for (const Case& t : cases)
    for (DType type : {DType::kF16, DType::kBF16})
      for (bool pitch : {false, true}) {
        const Shape s{2, t.side, t.c, t.n, 1};
        KernelCase c = conv_case(s, t.program, type);
        if (std::string_view(t.program).find("i1") != std::string_view::npos)
          c.inputs.push_back(of_type(type, y_dims(s)));
        if (pitch) {
          c.inputs[0] = pitched(c.inputs[0], t.c + 8);
          c.output_pitch = {t.n + 16};
        }
        c.must_accept = false;
        c.norm = type == DType::kF16 ? 1e-3 : 6e-3;
        check_kernel(c);
      }
}

TEST_CASE("conv: depthwise windows by vectors of channels") {
  const Shape shapes[] = {{2, 9, 24, 24, 3, 1, 1, 1, 24}, {1, 10, 16, 16, 3, 2, 1, 1, 16},
                          {2, 11, 8, 8, 5, 1, 2, 1, 8},   {1, 12, 40, 40, 5, 2, 2, 1, 40},
                          {1, 7, 13, 13, 3, 1, 0, 1, 13}, {1, 5, 16, 16, 3, 1, 2, 1, 16},
                          {1, 9, 72, 72, 7, 1, 3, 1, 72}, {2, 18, 48, 48, 3, 2, 1, 1, 48}};
  for (const Shape& s : shapes)
    for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      check_kernel(conv_case(s, "clip(i0, 0, 6)", type));
      KernelCase c = conv_case(s, "add(silu(i0), i1)", type);
      c.inputs.push_back(of_type(type, y_dims(s)));
      check_kernel(c);
      if (type == DType::kF16) continue;
      c.inputs[0] = pitched(c.inputs[0], s.c + 8);
      c.inputs[3] = pitched(c.inputs[3], s.n + 16);
      c.output_pitch = {s.n + 8};
      check_kernel(c);
    }
}

TEST_CASE("conv: depthwise tiles in shared memory") {
  const Shape shapes[] = {{1, 17, 72, 72, 3, 1, 1, 1, 72},    {2, 33, 40, 40, 3, 2, 1, 1, 40},
                          {1, 15, 136, 136, 5, 1, 2, 1, 136}, {2, 29, 32, 32, 5, 2, 2, 1, 32},
                          {3, 7, 64, 64, 5, 1, 2, 1, 64},     {1, 14, 96, 96, 3, 1, 1, 1, 96},
                          {1, 1, 16, 16, 3, 1, 1, 1, 16},     {2, 40, 8, 8, 3, 1, 1, 1, 8}};
  for (const Shape& s : shapes)
    for (const char* epilogue : {"", "relu(i0)", "silu(i0)", "hard_swish(i0)"}) {
      KernelCase c = conv_case(s, epilogue, DType::kF16);
      c.norm = 1e-3;
      check_kernel(c);
      c = conv_case(s, epilogue, DType::kBF16);
      c.inputs[0] = pitched(c.inputs[0], s.c + 8);
      c.output_pitch = {s.n + 2};
      check_kernel(c);
    }
}

TEST_CASE("conv and matrix products on f16 storage") {
  KernelCase c = conv_case({2, 7, 16, 20, 3, 1, 1}, "t0 = add(i0, i1); relu(t0)", DType::kF16);
  c.inputs.push_back(of_type(DType::kF16, {2, 7, 7, 20}));
  check_kernel(c);
  c = {.op = "MatMul", .attrs = ir::Attrs(ops::MatMulAttrs{})};
  c.inputs = {of_type(DType::kF16, {3, 9, 20}), of_type(DType::kF16, {3, 20, 11})};
  check_kernel(c);
  c.inputs[1] = constant(of_type(DType::kF16, {20, 11}));
  check_kernel(c);
}

TEST_CASE("conv: what a kernel refuses it says") {
  CHECK(refusal(conv_case({1, 8, 4, 4, 3, 2}), "conv_winograd").find("strides") != std::string::npos);
  CHECK(refusal(conv_case({1, 8, 4, 4, 3}), "conv_depthwise").find("groups") != std::string::npos);
  CHECK(refusal(conv_case({1, 8, 16, 40, 3}), "conv_winograd").empty());
}

}  // namespace
}  // namespace tenon::cpu::testing
