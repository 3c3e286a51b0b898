#include "ops/fused/expand_depthwise.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

struct Sizes {
  ir::Dims x;
  int64_t channels, kernel, stride;
  std::vector<int64_t> pads;
};

KernelCase expand_case(DType t, const Sizes& s, const char* inner = "", const char* outer = "") {
  KernelCase c;
  c.op = "ExpandDepthwise";
  c.attrs = ops::ExpandDepthwiseAttrs{{s.stride, s.stride}, s.pads, inner, outer};
  c.inputs = {of_type(t, s.x), constant(of_type(t, {s.channels, s.x[3], 1, 1}, -0.5, 0.5)), constant(f32({s.channels})),
              constant(of_type(t, {s.channels, 1, s.kernel, s.kernel}, -0.5, 0.5)), constant(f32({s.channels}))};
  c.norm = t == DType::kF32 ? 1e-6 : 8e-3;
  return c;
}

}  // namespace

TEST_CASE("expand_depthwise: sizes, windows, types") {
  const Sizes sizes[] = {{{2, 9, 7, 8}, 48, 3, 1, {1, 1, 1, 1}},    {{1, 13, 12, 16}, 96, 3, 2, {1, 1, 1, 1}},
                         {{1, 8, 8, 24}, 144, 5, 1, {2, 2, 2, 2}},  {{2, 11, 14, 3}, 37, 5, 2, {2, 2, 2, 2}},
                         {{1, 6, 5, 4}, 17, 3, 2, {0, 1, 0, 1}},    {{3, 3, 3, 5}, 8, 3, 1, {2, 2, 2, 2}},
                         {{1, 4, 21, 2}, 33, 1, 1, {0, 0, 0, 0}},   {{1, 5, 6, 6}, 70, 2, 3, {0, 0, 1, 1}},
                         {{2, 7, 100, 4}, 192, 7, 1, {3, 3, 3, 3}}, {{1, 40, 112, 4}, 96, 3, 2, {1, 1, 1, 1}}};
  for (DType t : {DType::kF32, DType::kBF16})
    for (const Sizes& s : sizes) {
      CAPTURE(cat(t, " x ", s.x, " channels ", s.channels, " kernel ", s.kernel, " stride ", s.stride));
      check_kernel(expand_case(t, s, "relu(i0)", "silu(i0)"));
    }
}

TEST_CASE("expand_depthwise: epilogues, absent biases, pitches") {
  const Sizes s{{2, 9, 7, 16}, 40, 3, 1, {1, 1, 1, 1}};
  for (const char* epilogue : {"", "clip(i0, 0, 6)", "silu(i0)", "t0 = exp(i0); add(t0, i0)"})
    for (DType t : {DType::kF32, DType::kBF16}) check_kernel(expand_case(t, s, epilogue, epilogue));
  KernelCase bare = expand_case(DType::kF32, s);
  bare.inputs[2] = bare.inputs[4] = absent();
  check_kernel(bare);
  KernelCase c = expand_case(DType::kBF16, s, "relu(i0)", "relu(i0)");
  c.inputs[0] = pitched(c.inputs[0], 24);
  c.output_pitch = {48};
  check_kernel(c);
}

TEST_CASE("expand_depthwise: refusals say why") {
  const Sizes s{{1, 4, 4, 8}, 16, 3, 1, {1, 1, 1, 1}};
  KernelCase c = expand_case(DType::kF32, s, "t0 = exp(i0); add(t0, i0)");
  CHECK(refusal(c, "expand_depthwise") == "an epilogue is more than an activation");
  CHECK(refusal(c, "expand_then_depthwise") == "");
  c = expand_case(DType::kF32, s);
  c.inputs[3].constant = false;
  CHECK(refusal(c, "expand_depthwise") == "weights are not constant");
}
