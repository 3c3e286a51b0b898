#include "ops/fused/scaled_conv.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

KernelCase scaled_case(DType t, ir::Dims x, int64_t columns, const char* epilogue = "") {
  ir::Dims scale = x, y = x;
  for (size_t i = 1; i + 1 < x.size(); ++i) scale[i] = 1;
  y.back() = columns;
  KernelCase c;
  c.op = "ScaledConv";
  c.attrs = ops::ScaledConvAttrs{epilogue};
  c.inputs = {of_type(t, x), constant(of_type(t, {columns, x.back(), 1, 1}, -0.5, 0.5)), constant(f32({columns})),
              of_type(t, scale, 0, 1)};
  if (std::string_view(epilogue).find("i1") != std::string_view::npos) c.inputs.push_back(of_type(t, y));
  c.norm = t == DType::kF32 ? 1e-6 : t == DType::kF16 ? 1e-3 : 8e-3;
  c.must_accept = false;
  return c;
}

}  // namespace

TEST_CASE("scaled_conv: sizes and types") {
  struct Sizes {
    ir::Dims x;
    int64_t columns;
  };
  const Sizes sizes[] = {{{2, 9, 7, 32}, 16},   {{1, 5, 5, 96}, 24}, {{3, 3, 3, 144}, 40},  {{2, 4, 6, 240}, 40},
                         {{1, 1, 1, 8}, 8},     {{2, 13, 16}, 96},   {{5, 3, 1, 24}, 72},   {{2, 3, 3, 200}, 8},
                         {{2, 2, 3, 5, 64}, 8}, {{2, 3, 4, 12}, 5},  {{2, 9, 8, 672}, 112}, {{5, 5, 5, 520}, 72}};
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16})
    for (const Sizes& s : sizes) {
      CAPTURE(cat(t, " x ", s.x, " columns ", s.columns));
      check_kernel(scaled_case(t, s.x, s.columns));
    }
}

TEST_CASE("scaled_conv: epilogues, pitches") {
  for (const char* epilogue : {"add(i0, i1)", "silu(i0)", "t0 = add(i0, i1); relu(t0)", "exp(i0)"})
    for (DType t : {DType::kF16, DType::kBF16}) check_kernel(scaled_case(t, {2, 7, 5, 48}, 24, epilogue));
  KernelCase wide = scaled_case(DType::kBF16, {3, 7, 5, 72}, 40, "add(i0, i1)");
  wide.inputs[3] = f32({3, 1, 1, 72}, 0, 1);
  check_kernel(wide);
  KernelCase c = scaled_case(DType::kF16, {2, 6, 4, 32}, 16, "add(i0, i1)");
  c.inputs[0] = pitched(c.inputs[0], 40);
  c.inputs[4] = pitched(c.inputs[4], 24);
  c.output_pitch = {32};
  check_kernel(c);
}
