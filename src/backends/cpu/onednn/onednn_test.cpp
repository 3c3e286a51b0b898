#include <doctest/doctest.h>

#include "backends/backend.h"
#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/nn/conv.h"
#include "ops/nn/conv_transpose.h"
#include "ops/nn/matmul.h"
#include "ops/nn/pool.h"

using namespace tenon;
using namespace tenon::cpu::testing;

namespace {

ops::ConvAttrs attrs(std::vector<int64_t> strides, std::vector<int64_t> pads, std::vector<int64_t> dilations,
                     int64_t group = 1, std::string epilogue = {}) {
  ops::ConvAttrs a;
  a.strides = std::move(strides);
  a.pads = std::move(pads);
  a.dilations = std::move(dilations);
  a.group = group;
  a.epilogue = std::move(epilogue);
  a.channels_last = true;
  return a;
}

void check(ops::ConvAttrs a, ir::Dims x, ir::Dims w, std::vector<Operand> more = {}, ir::DType type = ir::DType::kF32) {
  KernelCase c;
  c.op = "Conv";
  c.kernel = "onednn_conv";
  c.attrs = a;
  c.inputs = {of_type(type, std::move(x)), constant(of_type(type, std::move(w), -0.3, 0.3))};
  c.inputs.insert(c.inputs.end(), more.begin(), more.end());
  check_kernel(c);
}

}  // namespace

TEST_CASE("oneDNN convolutions equal the reference") {
  if (!find_kernel(cpu_backend(), "onednn_conv")) return;
  check(attrs({1, 1}, {1, 1, 1, 1}, {1, 1}), {2, 9, 7, 16}, {32, 16, 3, 3}, {constant(f32({32}))});
  check(attrs({2, 2}, {3, 3, 3, 3}, {1, 1}, 1, "relu(i0)"), {2, 23, 20, 3}, {24, 3, 7, 7}, {constant(f32({24}))});
  check(attrs({2, 1}, {0, 2, 1, 0}, {2, 1}), {1, 14, 9, 5}, {7, 5, 3, 2});
  check(attrs({1, 1}, {1, 1, 1, 1}, {1, 1}, 4), {2, 8, 8, 32}, {64, 8, 3, 3});
  check(attrs({1, 1}, {0, 0, 0, 0}, {1, 1}, 1, "relu(add(i0, i1))"), {2, 5, 6, 24}, {40, 24, 1, 1},
        {constant(f32({40})), f32({2, 5, 6, 40})});
  check(attrs({1, 2, 2}, {1, 1, 1, 1, 1, 1}, {1, 1, 1}), {2, 4, 8, 7, 16}, {16, 16, 3, 3, 3});
  check(attrs({1, 1}, {1, 1, 1, 1}, {1, 1}, 1, "silu(i0)"), {2, 6, 6, 32}, {32, 32, 3, 3}, {constant(f32({32}))},
        ir::DType::kBF16);
}

TEST_CASE("oneDNN products, transposed convolutions and pooling equal the reference") {
  if (!find_kernel(cpu_backend(), "onednn_matmul")) return;
  const auto run = [](std::string op, std::string kernel, ir::Attrs a, std::vector<Operand> inputs) {
    KernelCase c;
    c.op = std::move(op);
    c.kernel = std::move(kernel);
    c.attrs = std::move(a);
    c.inputs = std::move(inputs);
    check_kernel(c);
  };
  for (ir::DType t : {ir::DType::kF32, ir::DType::kBF16}) {
    const auto product = [&](ops::MatMulAttrs a, ir::Dims x, ir::Dims w, std::vector<Operand> more) {
      std::vector<Operand> inputs{of_type(t, std::move(x)), constant(of_type(t, std::move(w), -0.3, 0.3))};
      inputs.insert(inputs.end(), more.begin(), more.end());
      run("MatMul", "onednn_matmul", a, inputs);
    };
    product({}, {2, 97, 70}, {70, 50}, {constant(f32({50}))});
    product({.transpose_b = true, .epilogue = "gelu_erf(i0)"}, {2, 128, 64}, {96, 64}, {constant(f32({96}))});
    product({.epilogue = "add(i0, i1)"}, {3, 20, 33}, {33, 31}, {absent(), of_type(t, {3, 20, 31})});
    ops::ConvTransposeAttrs d;
    d.strides = {2, 2};
    d.dilations = {1, 1};
    d.pads = {1, 0, 1, 0};
    d.output_padding = {1, 0};
    d.channels_last = true;
    run("ConvTranspose", "onednn_deconv", d,
        {of_type(t, {2, 7, 6, 16}), constant(of_type(t, {16, 24, 3, 2}, -0.3, 0.3)), constant(f32({24}))});
    d.group = 2;
    run("ConvTranspose", "onednn_deconv", d,
        {of_type(t, {2, 7, 6, 16}), constant(of_type(t, {16, 12, 3, 2}, -0.3, 0.3))});
    for (ops::PoolKind kind : {ops::PoolKind::kMax, ops::PoolKind::kAverage})
      for (bool include : {false, true}) {
        ops::PoolAttrs a;
        a.kind = kind;
        a.kernel = {3, 2};
        a.strides = {2, 1};
        a.dilations = {1, 1};
        a.pads = {1, 0, 1, 1};
        a.count_include_pad = include;
        a.channels_last = true;
        run("Pool", "onednn_pool", a, {of_type(t, {2, 23, 9, 20}, -1, 3)});
      }
  }
}

TEST_CASE("oneDNN refuses what it cannot do, with the reason") {
  if (!find_kernel(cpu_backend(), "onednn_conv")) return;
  KernelCase c;
  c.op = "Conv";
  c.attrs = attrs({1, 1}, {0, 0, 0, 0}, {1, 1}, 1, "pow(i0, 2)");
  c.inputs = {f32({1, 5, 5, 4}), constant(f32({4, 4, 1, 1}))};
  CHECK(refusal(c, "onednn_conv").find("post-ops") != std::string::npos);
  c.inputs[1] = f32({4, 4, 1, 1});
  CHECK(refusal(c, "onednn_conv").find("constant") != std::string::npos);
}
