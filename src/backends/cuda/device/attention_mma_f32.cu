// Attention of f32 on tensor cores: operands are sums of two TF32 numbers (mma_tf32.h).
#include "backends/cuda/device/attention_mma.h"
#include "backends/cuda/device/attention_row.h"
#include "backends/cuda/device/mma_tf32.h"

namespace tenon::cuda {

constexpr int kRun = 2;  // eights of a sum that tensor cores, which cut off what they add, do alone

template <class T, class S>
requires(S::kF32) __device__ __forceinline__
    void load_queries(AttentionState<S>& st, const T* q, int64_t stride, int first, int queries, int size) {
  const int g = threadIdx.x % 32 / 4, i = threadIdx.x % 4;
  const auto at = [&](int row, int column) -> uint32_t {
    return row < queries && column < size ? __float_as_uint(q[row * stride + column]) : 0;
  };
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
    for (int k = 0; k < S::kSize / 8; ++k)
#pragma unroll
      for (int e = 0; e < 4; ++e) st.q[m][k][e] = at(first + m * 16 + g + e % 2 * 8, k * 8 + i + e / 2 * 4);
}

template <class T, class S>
requires(S::kF32) __device__ __forceinline__ void multiply_keys(AttentionState<S>& st, const T* k) {
  const int lane = threadIdx.x % 32;
  const T* const row = k + (lane % 8 + lane / 16 * 8) * S::kPitch + lane / 8 % 2 * 4;
#pragma unroll
  for (int first = 0; first < S::kSize / 8; first += kRun) {
    float part[S::kKeys / 8][S::kTiles][4];
#pragma unroll
    for (int d = first; d < first + kRun; ++d) {
      Tf32Pair<4> a[S::kTiles];
#pragma unroll
      for (int m = 0; m < S::kTiles; ++m) a[m].split(st.q[m][d]);
#pragma unroll
      for (int n = 0; n < S::kKeys / 8; n += 2) {
        uint32_t raw[4];
        load_matrices(raw, row + n * 8 * S::kPitch + d * 8);
        Tf32Pair<4> b;
        b.split(raw);
        multiply_pairs<S::kTiles>(part[n], part[n + 1], a, b, d == first);
      }
    }
#pragma unroll
    for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
      for (int n = 0; n < S::kKeys / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          st.scores[m][n][e] = first == 0 ? part[n][m][e] : st.scores[m][n][e] + part[n][m][e];
  }
}

/// Key 2i of an eight stands at place i of the product and key 2i + 1 at i + 4, so that scores are fragments as they
/// are.
template <class T, class S>
requires(S::kF32) __device__ __forceinline__ void multiply_values(AttentionState<S>& st, const T* v) {
  constexpr int kTogether = 4;  // eights of values
  const int lane = threadIdx.x % 32;
  const uint32_t* const row = reinterpret_cast<const uint32_t*>(v) + lane % 4 * 2 * S::kPitch + lane / 4;
#pragma unroll
  for (int first = 0; first < S::kKeys / 8; first += kRun) {
    Tf32Pair<4> a[kRun][S::kTiles];
#pragma unroll
    for (int k = 0; k < kRun; ++k)
#pragma unroll
      for (int m = 0; m < S::kTiles; ++m) {
        const float(&s)[4] = st.scores[m][first + k];
        const uint32_t bits[4] = {__float_as_uint(s[0]), __float_as_uint(s[2]), __float_as_uint(s[1]),
                                  __float_as_uint(s[3])};
        a[k][m].split(bits);
      }
#pragma unroll
    for (int n0 = 0; n0 < S::kSize / 8; n0 += kTogether) {
      float part[kTogether][S::kTiles][4];
#pragma unroll
      for (int k = 0; k < kRun; ++k)
#pragma unroll
        for (int n = 0; n < kTogether; n += 2) {
          const uint32_t* const from = row + (first + k) * 8 * S::kPitch + (n0 + n) * 8;
          const uint32_t raw[4] = {from[0], from[S::kPitch], from[8], from[S::kPitch + 8]};
          Tf32Pair<4> b;
          b.split(raw);
          multiply_pairs<S::kTiles>(part[n], part[n + 1], a[k], b, k == 0);
        }
#pragma unroll
      for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
        for (int n = 0; n < kTogether; ++n)
#pragma unroll
          for (int e = 0; e < 4; ++e) st.result[m][n0 + n][e] += part[n][m][e];
    }
  }
}

/// Does the rows of a block again whose results are infinite or no numbers: an infinite operand's parts are no numbers.
template <class S>
__device__ __noinline__ void repeat_special(const AttentionParams& p, int unit, int first, float* shared) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const float* const y = static_cast<const float*>(p.y) + unit / p.heads * p.y_at.batch + unit % p.heads * p.y_at.head;
  for (int row = first + warp; row < min(first + S::kRows, p.queries); row += S::kThreads / 32) {
    bool special = false;
    for (int d = lane; d < p.value_size; d += 32) special |= !(fabsf(y[row * p.y_at.row + d]) < INFINITY);
    if (__any_sync(0xffffffffu, special)) attend_row<float, kMaxMmaSize / 32>(p, unit, row, shared + warp * p.size);
    __syncwarp();
  }
}

cudaError_t attention_mma_f32(AttentionTile tile, const AttentionParams& p, cudaStream_t stream) {
  return launch_attention_type<float>(tile, p, stream);
}

}  // namespace tenon::cuda
