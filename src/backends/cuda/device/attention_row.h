// One query's attention by one warp, a lane a key: for any sizes and strides, and infinite operands.
#pragma once
#include "backends/cuda/device/attention.h"
#include "backends/cuda/device/types.h"

namespace tenon::cuda {
namespace {

__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
  for (int n = 16; n > 0; n /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, n));
  return v;
}
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int n = 16; n > 0; n /= 2) v += __shfl_xor_sync(0xffffffffu, v, n);
  return v;
}

/// What the mask makes of a score.
__device__ __forceinline__ float masked(float score, const AttentionParams& p, int64_t at) {
  switch (p.mask_type) {
    case MaskType::kF32:
      return score + static_cast<const float*>(p.mask)[at];
    case MaskType::kF16:
      return score + to_float(static_cast<const __half*>(p.mask)[at]);
    case MaskType::kBF16:
      return score + to_float(static_cast<const __nv_bfloat16*>(p.mask)[at]);
    case MaskType::kBool:
      return static_cast<const unsigned char*>(p.mask)[at] ? score : -INFINITY;
    default:
      return score;
  }
}

template <class T>
__device__ __forceinline__ float dot(const float* q, const T* k, int size) {
  float part[4] = {};
  int d = 0;
  for (; d + 4 <= size; d += 4)
#pragma unroll
    for (int e = 0; e < 4; ++e) part[e] += q[d + e] * to_float(k[d + e]);
  for (; d < size; ++d) part[0] += q[d] * to_float(k[d]);
  return (part[0] + part[1]) + (part[2] + part[3]);
}

/// Query `row` of head `unit` of all. kColumns: values a lane, at columns lane, lane + 32, …. `wide` is shared memory
/// for the query, of this warp.
template <class T, int kColumns>
__device__ __forceinline__ void attend_row(const AttentionParams& p, int unit, int row, float* wide) {
  const int lane = threadIdx.x % 32;
  const int head = unit % p.heads, b = unit / p.heads, key_head = head / p.heads_a_key_head;
  const T* q = static_cast<const T*>(p.q) + b * p.q_at.batch + head * p.q_at.head + row * p.q_at.row;
  const T* k = static_cast<const T*>(p.k) + b * p.k_at.batch + key_head * p.k_at.head;
  const T* v = static_cast<const T*>(p.v) + b * p.v_at.batch + key_head * p.v_at.head;
  T* y = static_cast<T*>(p.y) + b * p.y_at.batch + head * p.y_at.head + row * p.y_at.row;
  const int64_t mask_row = b * p.mask_batch + head * p.mask_head + row * p.mask_query;

  for (int d = lane; d < p.size; d += 32) wide[d] = to_float(q[d]);
  __syncwarp();
  const int seen = p.causal ? min(p.keys, row + p.keys - p.queries + 1) : p.keys;
  float top = -INFINITY, sum = 0, result[kColumns] = {};
  for (int first = 0; first < seen; first += 32) {
    const int key = first + lane;
    float score = -INFINITY;
    if (key < seen) score = masked(dot(wide, k + key * p.k_at.row, p.size) * p.scale, p, mask_row + key * p.mask_key);
    const float higher = fmaxf(top, warp_max(score));
    const float base = higher == -INFINITY ? 0.f : higher;
    const float keep = expf(top - base), weight = expf(score - base);
    sum = sum * keep + weight;
    top = higher;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) result[c] *= keep;
    const int count = min(32, seen - first);
    for (int j = 0; j < count; ++j) {
      const float w = __shfl_sync(0xffffffffu, weight, j);
      const T* values = v + (first + j) * p.v_at.row;
#pragma unroll
      for (int c = 0; c < kColumns; ++c)
        if (lane + 32 * c < p.value_size) result[c] += w * to_float(values[lane + 32 * c]);
    }
  }
  const float total = warp_sum(sum);
#pragma unroll
  for (int c = 0; c < kColumns; ++c)
    if (lane + 32 * c < p.value_size) y[lane + 32 * c] = from_float<T>(result[c] / total);
}

}  // namespace
}  // namespace tenon::cuda
