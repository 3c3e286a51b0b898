// Activations of 16-bit results that take one result of the special function unit each, for kernels that would
// otherwise wait for it.
#pragma once
#include "backends/cuda/device/epilogue.h"
#ifdef __CUDACC__
#include "backends/cuda/device/mma.h"
#endif

namespace tenon::cuda {

/// Whether activate_columns() knows an activation.
constexpr bool has_columns_act(Act act) {
  return act == Act::kNone || act == Act::kRelu || act == Act::kClip || act == Act::kSilu || act == Act::kHardSwish;
}

#ifdef __CUDACC__
/// x / (1 + e^-x) of two values with one reciprocal.
__device__ __forceinline__ void silu_two(float& x, float& y) {
  constexpr float kLog2e = 1.442695041f;
  const float a = 1 + exp2_fast(fminf(-kLog2e * x, 60.f)), b = 1 + exp2_fast(fminf(-kLog2e * y, 60.f));
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a * b));
  x *= r * b;
  y *= r * a;
}

template <int N>
__device__ __forceinline__ void activate_columns(const Epilogue& e, float (&v)[N]) {
  using F = PointwiseFunctions<true>;
  switch (e.act) {
    case Act::kRelu:
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = F::f_relu(v[i]);
      break;
    case Act::kClip:
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = F::f_clip(v[i], e.a, e.b);
      break;
    case Act::kSilu:
#pragma unroll
      for (int i = 0; i < N; i += 2) silu_two(v[i], v[i + 1]);
      break;
    case Act::kHardSwish:
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = F::f_hard_swish(v[i]);
      break;
    default:
      break;
  }
}

/// What follows the bias.
template <class T, int N>
__device__ __forceinline__ void apply_columns(const Epilogue& e, float (&v)[N], const Words<T, N>& extra) {
  if (e.join == Join::kAddFirst) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] += extra.at(i);
  }
  activate_columns(e, v);
  if (e.join == Join::kAdd) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] += extra.at(i);
  } else if (e.join == Join::kMul) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] *= extra.at(i);
  }
}
#endif

}  // namespace tenon::cuda
