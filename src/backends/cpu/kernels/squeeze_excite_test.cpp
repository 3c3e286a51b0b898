#include "ops/fused/squeeze_excite.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

KernelCase excite_case(DType t, ir::Dims x, int64_t hidden, const char* inner = "silu(i0)",
                       const char* outer = "sigmoid(i0)") {
  const int64_t c = x.back();
  KernelCase k;
  k.op = "SqueezeExcite";
  k.attrs = ops::SqueezeExciteAttrs{inner, outer};
  k.inputs = {of_type(t, x), constant(of_type(t, {hidden, c, 1, 1}, -0.5, 0.5)), constant(f32({hidden})),
              constant(of_type(t, {c, hidden, 1, 1}, -0.5, 0.5)), constant(f32({c}))};
  return k;
}

}  // namespace

TEST_CASE("squeeze_excite: sizes and types") {
  struct Sizes {
    ir::Dims x;
    int64_t hidden;
  };
  const Sizes sizes[] = {{{2, 7, 7, 96}, 4},  {{1, 1, 1, 8}, 8},       {{3, 5, 3, 20}, 5},     {{2, 4, 6, 3}, 1},
                         {{1, 9, 32}, 8},     {{2, 2, 2, 1152}, 48},   {{2, 14, 14, 672}, 28}, {{1, 28, 30, 64}, 9},
                         {{1, 2, 1, 7}, 300}, {{2, 3, 2, 2, 264}, 66}, {{1, 20, 20, 16}, 17}};
  for (DType t : {DType::kF32, DType::kBF16, DType::kF16})
    for (const Sizes& s : sizes) {
      CAPTURE(cat(t, " x ", s.x, " hidden ", s.hidden));
      check_kernel(excite_case(t, s.x, s.hidden));
    }
}

TEST_CASE("squeeze_excite: activations, pitch") {
  for (auto [inner, outer] : {std::pair{"relu(i0)", "hard_sigmoid(i0, 0.16666667, 0.5)"}, std::pair{"", ""},
                              std::pair{"clip(i0, 0, 6)", "sigmoid(i0)"}})
    check_kernel(excite_case(DType::kF32, {2, 3, 5, 24}, 6, inner, outer));
  for (int64_t pitch : {40, 33}) {
    KernelCase c = excite_case(DType::kF16, {2, 6, 4, 32}, 8);
    c.inputs[0] = pitched(c.inputs[0], pitch);
    check_kernel(c);
  }
}

TEST_CASE("squeeze_excite: refusals") {
  KernelCase c = excite_case(DType::kF32, {2, 3, 5, 24}, 6);
  c.inputs[1].constant = false;
  c.must_accept = false;
  CHECK(refusal(c, "squeeze_excite").find("operand 1 is not constant") != std::string::npos);
}
