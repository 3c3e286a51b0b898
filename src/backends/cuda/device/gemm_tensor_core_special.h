// Sums of f32 operands that are not finite, which vector units repeat.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_block.h"

namespace tenon::cuda {
namespace {

/// A block's place in the result.
struct GemmPlace {
  int row0, column0, group, z;
};

/// The sums of `steps` by vector units. All threads call it; copies are through.
template <class Tiled, class T>
__device__ __noinline__ void multiply_plainly(const GemmArgs& g, const GemmPlace& at, GemmSteps steps,
                                              float (&sums)[Tiled::kM][Tiled::kN][4]) {
  Tiled t(g, dynamic_shared<T>());
  t.row0 = at.row0, t.column0 = at.column0, t.group = at.group, t.z = at.z;
  t.place(steps.first);
  float plain[Tiled::kM][Tiled::kN][4] = {};
  for (int i = 0; i < steps.count; ++i) {
    t.load_b(0);
    t.load_a(0);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
    t.multiply_plain(plain);
    __syncthreads();
  }
  Tiled::for_each_sum([&](int m, int n, int e) { sums[m][n][e] = plain[m][n][e]; });
}

/// Repeats sums of f32 operands that are infinite or no numbers. All threads call it; copies are through.
template <class Tiled>
__device__ __forceinline__ void repeat_special(const Tiled& t, GemmSteps steps,
                                               float (&sums)[Tiled::kM][Tiled::kN][4]) {
  if (!__syncthreads_or(Tiled::any_special(sums))) return;
  float plain[Tiled::kM][Tiled::kN][4];
  multiply_plainly<Tiled, float>(t.g, {t.row0, t.column0, t.group, t.z}, steps, plain);
  Tiled::for_each_sum([&](int m, int n, int e) {
    if (Tiled::is_special(sums[m][n][e])) sums[m][n][e] = plain[m][n][e];
  });
}

}  // namespace
}  // namespace tenon::cuda
