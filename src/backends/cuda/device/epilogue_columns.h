// Activations of 16-bit results that take one result of the special function unit each, for kernels that would
// otherwise wait for it.
#pragma once
#include "backends/cuda/device/epilogue.h"

namespace tenon::cuda {

/// Whether activate_columns() knows an activation.
constexpr bool has_columns_act(Act act) {
  return act == Act::kNone || act == Act::kRelu || act == Act::kClip || act == Act::kSilu || act == Act::kHardSwish;
}

#ifdef __CUDACC__
/// x / (1 + e^-x) = h + h tanh(h) of h = x / 2, to within the rounding of 16 bits.
__device__ __forceinline__ float silu_by_tanh(float x) {
  const float h = 0.5f * x;
  float t;
  asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(h));
  return fmaf(h, t, h);
}

/// The Gelu of the error function with one special function: the error function of x / sqrt 2 is nearly the hyperbolic
/// tangent of a polynomial of x. Off by 3e-5 beside what the instruction is off, 2^-11 of 1.
__device__ __forceinline__ float quick_gelu(float x) {
  const float square = fminf(x * x, 30.f),
              u = x * fmaf(square, fmaf(square, -3.51531529e-4f, 3.70056834e-2f), 0.797507917f);
  float t;
  asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(u));
  const float half = 0.5f * x;
  return fmaf(half, t, half);
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
      for (int i = 0; i < N; ++i) v[i] = silu_by_tanh(v[i]);
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
