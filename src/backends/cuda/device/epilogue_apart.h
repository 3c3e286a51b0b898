// apply_epilogue() for kernels of many instances: functions that are long or rare are code of their own.
#pragma once
#include "backends/cuda/device/epilogue.h"

namespace tenon::cuda {
namespace {

template <bool kFast, int N>
__device__ __noinline__ void activate_apart(const Epilogue& e, float (&v)[N]) {
  activate<kFast>(e, v);
}

/// What follows the bias. T is the result's type.
template <class T, int N>
__device__ __forceinline__ void apply_apart(const Epilogue& e, float (&v)[N], const Words<T, N>& extra) {
  constexpr bool kFast = sizeof(T) == 2;
  using F = PointwiseFunctions<kFast>;
  const bool first = e.join == Join::kAddFirst;
#pragma unroll
  for (int i = 0; i < N; ++i) v[i] = first ? v[i] + extra.at(i) : v[i];
  if (e.act == Act::kRelu) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = F::f_relu(v[i]);
  } else if (e.act == Act::kClip) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = F::f_clip(v[i], e.a, e.b);
  } else if (kFast && e.act == Act::kSilu) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = F::f_silu(v[i]);
  } else if (kFast && e.act == Act::kHardSwish) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = F::f_hard_swish(v[i]);
  } else if (e.act != Act::kNone) {
    float w[N];  // whose address is known elsewhere, so that v stays in registers
#pragma unroll
    for (int i = 0; i < N; ++i) w[i] = v[i];
    activate_apart<kFast>(e, w);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = w[i];
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if (e.join == Join::kAdd) v[i] += extra.at(i);
    if (e.join == Join::kMul) v[i] *= extra.at(i);
  }
}

}  // namespace
}  // namespace tenon::cuda
