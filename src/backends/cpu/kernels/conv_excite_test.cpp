#include "ops/fused/conv_excite.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

KernelCase excite_case(DType t, ir::Dims x, int64_t window, int64_t stride, int64_t hidden,
                       const char* epilogue = "silu(i0)") {
  const int64_t c = x.back(), pad = window / 2;
  KernelCase k;
  k.op = "ConvExcite";
  k.attrs = ops::ConvExciteAttrs{{stride, stride}, {pad, pad, pad, pad}, epilogue, "silu(i0)", "sigmoid(i0)"};
  k.outputs = 2;
  k.inputs = {of_type(t, x),           constant(of_type(t, {c, 1, window, window}, -0.5, 0.5)),
              constant(f32({c})),      constant(of_type(t, {hidden, c, 1, 1}, -0.5, 0.5)),
              constant(f32({hidden})), constant(of_type(t, {c, hidden, 1, 1}, -0.5, 0.5)),
              constant(f32({c}))};
  k.must_accept = false;
  return k;
}

}  // namespace

TEST_CASE("conv_excite: sizes and types") {
  struct Sizes {
    ir::Dims x;
    int64_t window, stride, hidden;
  };
  const Sizes sizes[] = {{{2, 7, 7, 96}, 5, 1, 4},   {{1, 1, 1, 8}, 3, 1, 8},    {{3, 9, 17, 24}, 3, 2, 5},
                         {{2, 33, 18, 32}, 3, 1, 8}, {{2, 14, 14, 72}, 5, 1, 3}, {{1, 15, 14, 1152}, 5, 2, 48},
                         {{2, 4, 6, 3}, 3, 1, 1},    {{2, 20, 5, 144}, 3, 1, 6}, {{2, 2, 2, 16}, 5, 2, 40}};
  for (DType t : {DType::kF32, DType::kBF16, DType::kF16})
    for (const Sizes& s : sizes) {
      CAPTURE(cat(t, " x ", s.x, " window ", s.window, " stride ", s.stride, " hidden ", s.hidden));
      check_kernel(excite_case(t, s.x, s.window, s.stride, s.hidden));
    }
}

TEST_CASE("conv_excite: activations, pitch") {
  for (const char* epilogue : {"", "relu(i0)", "hard_swish(i0)"})
    check_kernel(excite_case(DType::kF16, {2, 9, 8, 40}, 3, 1, 6, epilogue));
  KernelCase c = excite_case(DType::kF16, {2, 8, 9, 32}, 3, 1, 8);
  c.inputs[0] = pitched(c.inputs[0], 48);
  check_kernel(c);
}
