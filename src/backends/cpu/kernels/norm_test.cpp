#include "ops/nn/norm.h"

#include <doctest/doctest.h>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/nn/batch_norm.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;

namespace {

KernelCase norm_case(std::string op, ir::Attrs attrs, std::vector<Operand> inputs, double norm = 2e-6) {
  KernelCase c;
  c.op = std::move(op);
  c.attrs = std::move(attrs);
  c.inputs = std::move(inputs);
  if (c.inputs[0].dtype == DType::kF32) c.norm = norm;
  return c;
}

}  // namespace

TEST_CASE("norm: rows with their means and deviations") {
  for (const char* op : {"LayerNormalization", "RMSNormalization"})
    for (DType t : {DType::kF32, DType::kF16}) {
      KernelCase c = norm_case(op, ops::LayerNormAttrs{-1, 1e-5f}, {of_type(t, {5, 70}, 1, 4), f32({70})});
      for (size_t outputs : {2u, 3u}) {
        c.outputs = outputs;
        check_kernel(c);
      }
    }
}

TEST_CASE("norm: neighbouring channels") {
  for (int64_t size : {1, 2, 5, 40})
    for (float beta : {0.75f, 0.6f}) {
      ops::LrnAttrs a;
      a.size = size, a.beta = beta, a.alpha = 0.3f, a.bias = 2;
      check_kernel(norm_case("LRN", a, {f32({2, 9, 23, 31})}));
      check_kernel(norm_case("LRN", a, {f32({3, 7})}));
    }
}

TEST_CASE("norm: rows") {
  struct Case {
    ir::Dims x, p;
    int64_t axis;
  };
  const Case cases[] = {{{3, 5, 768}, {768}, -1},
                        {{7, 33}, {33}, 1},
                        {{2, 3, 4, 5}, {4, 5}, 2},
                        {{9, 1}, {1}, -1},
                        {{2, 6000}, {6000}, -1}};
  for (DType t : {DType::kF32, DType::kBF16, DType::kF16})
    for (const Case& k : cases) {
      CAPTURE(cat(t, k.x));
      const ops::LayerNormAttrs a{k.axis, 1e-5f};
      check_kernel(norm_case("LayerNormalization", a, {of_type(t, k.x, 1, 4), of_type(t, k.p), of_type(t, k.p)}));
      check_kernel(norm_case("LayerNormalization", a, {of_type(t, k.x), f32(k.p)}));
      check_kernel(norm_case("RMSNormalization", a, {of_type(t, k.x), of_type(t, k.p)}));
    }
  check_kernel(norm_case("LayerNormalization", ops::LayerNormAttrs{}, {f32({2500, 40}), f32({40}), f32({40})}));
  KernelCase c =
      norm_case("LayerNormalization", ops::LayerNormAttrs{}, {pitched(f32({2, 5, 40}), 64), f32({40}), f32({40})});
  c.output_pitch = {48};
  check_kernel(c);
  CHECK(refusal(norm_case("LayerNormalization", ops::LayerNormAttrs{}, {f32({3, 8}), f32({1})}), "norm_rows")
            .find("row") != std::string::npos);
}

TEST_CASE("norm: planes") {
  for (DType t : {DType::kF32, DType::kBF16})
    for (ir::Dims x : {ir::Dims{2, 6, 5, 7}, ir::Dims{1, 6, 3000}, ir::Dims{3, 6}}) {
      CAPTURE(cat(t, x));
      const Operand p = f32({6});
      if (x.size() > 2)
        check_kernel(norm_case("InstanceNormalization", ops::InstanceNormAttrs{},
                               {of_type(t, x), of_type(t, {6}), of_type(t, {6})}));
      check_kernel(norm_case("GroupNormalization", ops::GroupNormAttrs{2, 1e-5f},
                             {of_type(t, x), of_type(t, {6}), of_type(t, {6})}));
      check_kernel(norm_case("BatchNormalization", ops::BatchNormAttrs{}, {of_type(t, x), p, p, p, f32({6}, 0.5, 2)}));
    }
}
