// apply_epilogue() of f32: functions without approximations.
#pragma once
#include "backends/cuda/device/epilogue.h"

namespace tenon::cuda {
namespace {

/// Apart from the kernels: functions without approximations are long.
template <int N>
__device__ __noinline__ void activate_exactly(const Epilogue& e, float (&v)[N]) {
  activate<false>(e, v);
}

/// apply_epilogue() of f32.
template <int N>
__device__ __forceinline__ void apply_exactly(const Epilogue& e, float (&v)[N], const Words<float, N>& extra) {
  const bool first = e.join == Join::kAddFirst;
#pragma unroll
  for (int i = 0; i < N; ++i) v[i] = first ? v[i] + extra.at(i) : v[i];
  if (e.act == Act::kRelu) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = PointwiseFunctions<false>::f_relu(v[i]);
  } else if (e.act != Act::kNone) {
    float w[N];  // whose address is known elsewhere, so that v stays in registers
#pragma unroll
    for (int i = 0; i < N; ++i) w[i] = v[i];
    activate_exactly(e, w);
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
