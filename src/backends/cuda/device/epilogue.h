// What a convolution or matrix product does with its sums: bias, one more operand, an activation.
//
// A result is seen as rows of its last axis. v is the sum, r the other operand:
//   kNone  act(v + bias)          kAddFirst  act(v + bias + r)
//   kAdd   act(v + bias) + r      kMul       act(v + bias) * r
#pragma once
#include <cstdint>

#include "backends/cuda/fast_divide.h"

namespace tenon::cuda {

enum class Act : int {
  kNone,
  kRelu,
  kClip,  ///< to [a, b]
  kSilu,
  kSigmoid,
  kTanh,
  kHardSwish,
  kHardSigmoid,  ///< a x + b clipped to [0, 1]
  kGeluErf,
  kGeluTanh,
  kLeakyRelu,  ///< slope a
  kElu,        ///< scale a
  kMish,
  kSoftplus,
};
enum class Join : int { kNone, kAddFirst, kAdd, kMul };

struct Epilogue {
  const float* bias = nullptr;  ///< one a column, room for a multiple of 8; or null
  const void* extra = nullptr;  ///< r, of the result's type: at (row / extra_rows) * extra_pitch + column * extra_step
  int64_t extra_pitch = 0;
  Divisor extra_rows;
  int extra_step = 1;         ///< 0 or 1
  bool extra_vector = false;  ///< 16-byte accesses to r are aligned wherever those to the result are
  Join join = Join::kNone;
  Act act = Act::kNone;
  float a = 0, b = 0;
};

}  // namespace tenon::cuda

#ifdef __CUDACC__
#include "backends/cuda/device/pointwise_functions.h"
#include "backends/cuda/device/words.h"

namespace tenon::cuda {

template <bool kFast, int N>
__device__ __forceinline__ void activate(const Epilogue& e, float (&v)[N]) {
  using F = PointwiseFunctions<kFast>;
#define TENON_ACT(name, call)                                     \
  case Act::name:                                                 \
    _Pragma("unroll") for (int i = 0; i < N; ++i) v[i] = F::call; \
    break;
  switch (e.act) {
    case Act::kNone:
      break;
      TENON_ACT(kRelu, f_relu(v[i]))
      TENON_ACT(kClip, f_clip(v[i], e.a, e.b))
      TENON_ACT(kSilu, f_silu(v[i]))
      TENON_ACT(kSigmoid, f_sigmoid(v[i]))
      TENON_ACT(kTanh, f_tanh(v[i]))
      TENON_ACT(kHardSwish, f_hard_swish(v[i]))
      TENON_ACT(kHardSigmoid, f_hard_sigmoid(v[i], e.a, e.b))
      TENON_ACT(kGeluErf, f_gelu_erf(v[i]))
      TENON_ACT(kGeluTanh, f_gelu_tanh(v[i]))
      TENON_ACT(kLeakyRelu, f_leaky_relu(v[i], e.a))
      TENON_ACT(kElu, f_elu(v[i], e.a))
      TENON_ACT(kMish, f_mish(v[i]))
      TENON_ACT(kSoftplus, f_softplus(v[i]))
  }
#undef TENON_ACT
}

template <int N>
__device__ __forceinline__ void add_bias(const Epilogue& e, float (&v)[N], int column, int valid) {
  if (!e.bias) return;
  const float* const from = e.bias + column;
  if constexpr (N % 4 == 0) {
    if (valid == N && reinterpret_cast<uintptr_t>(from) % 16 == 0) {
      float all[N];
#pragma unroll
      for (int i = 0; i < N; i += 4) {
        const float4 four = *reinterpret_cast<const float4*>(from + i);
        all[i] = four.x, all[i + 1] = four.y, all[i + 2] = four.z, all[i + 3] = four.w;
      }
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += all[i];
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < valid) v[i] += from[i];
}

/// The other operand's elements for N neighbouring columns of a row, of which the first `valid` exist; none may.
/// `vector` says that accesses to the result are aligned and that all or none of the columns exist.
template <class T, int N>
__device__ __forceinline__ void load_extra(const Epilogue& e, uint32_t row, int column, bool vector, int valid,
                                           Words<T, N>& to) {
  to.clear();
  if (e.join == Join::kNone || valid <= 0) return;
  const T* const from = static_cast<const T*>(e.extra) + int64_t(e.extra_rows.divide(row)) * e.extra_pitch;
  if (e.extra_step != 0 && vector && e.extra_vector) {
    to.read(from + column);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < valid) to.put(i, from[e.extra_step == 0 ? 0 : column + i]);
}

/// What follows the bias. T is the result's type.
template <class T, int N>
__device__ __forceinline__ void apply_epilogue(const Epilogue& e, float (&v)[N], const Words<T, N>& extra) {
  float r[N];
#pragma unroll
  for (int i = 0; i < N; ++i) r[i] = extra.at(i);
  if (e.join == Join::kAddFirst) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] += r[i];
  }
  activate<sizeof(T) == 2>(e, v);
  if (e.join == Join::kAdd) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] += r[i];
  } else if (e.join == Join::kMul) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] *= r[i];
  }
}

}  // namespace tenon::cuda
#endif
