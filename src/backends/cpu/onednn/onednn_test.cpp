#include <doctest/doctest.h>

#include "backends/backend.h"
#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/nn/conv.h"

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
