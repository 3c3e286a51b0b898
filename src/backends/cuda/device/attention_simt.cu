// Attention without tensor cores, for f32 and for sizes and strides that fit nothing else: a warp a query, a lane a
// key.
#include "backends/cuda/device/attention.h"
#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kWarps = 4;

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

/// kColumns: values a lane, at columns lane, lane + 32, ….
template <class T, int kColumns>
__global__ void __launch_bounds__(kWarps * 32) attention_simt_kernel(const AttentionParams p) {
  begin();
  finish_early();
  extern __shared__ float staged[];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int tiles = (p.queries + kWarps - 1) / kWarps;
  const int row = int(blockIdx.x) % tiles * kWarps + warp, unit = int(blockIdx.x) / tiles;
  const int head = unit % p.heads, b = unit / p.heads, key_head = head / p.heads_a_key_head;
  if (row >= p.queries) return;
  const T* q = static_cast<const T*>(p.q) + b * p.q_at.batch + head * p.q_at.head + row * p.q_at.row;
  const T* k = static_cast<const T*>(p.k) + b * p.k_at.batch + key_head * p.k_at.head;
  const T* v = static_cast<const T*>(p.v) + b * p.v_at.batch + key_head * p.v_at.head;
  T* y = static_cast<T*>(p.y) + b * p.y_at.batch + head * p.y_at.head + row * p.y_at.row;
  const int64_t mask_row = b * p.mask_batch + head * p.mask_head + row * p.mask_query;

  float* wide = staged + warp * p.size;
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

template <class T, int kColumns>
cudaError_t run(const AttentionParams& p, cudaStream_t stream) {
  const int tiles = (p.queries + kWarps - 1) / kWarps;
  return launch(attention_simt_kernel<T, kColumns>, dim3(unsigned(tiles * p.heads * p.batch)), dim3(kWarps * 32),
                size_t(kWarps) * size_t(p.size) * sizeof(float), stream, p);
}

}  // namespace

cudaError_t attention_simt(Elem type, const AttentionParams& p, cudaStream_t stream) {
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    if (p.value_size <= 32) return run<T, 1>(p, stream);
    if (p.value_size <= 64) return run<T, 2>(p, stream);
    if (p.value_size <= 128) return run<T, 4>(p, stream);
    return run<T, kMaxSimtSize / 32>(p, stream);
  });
}

cudaError_t attention_mma(Elem type, AttentionTile tile, const AttentionParams& p, cudaStream_t stream) {
  return type == Elem::kF16 ? attention_mma_f16(tile, p, stream) : attention_mma_bf16(tile, p, stream);
}

}  // namespace tenon::cuda
