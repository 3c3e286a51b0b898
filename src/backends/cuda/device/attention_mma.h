// Attention on tensor cores with scores in registers. Dao et al., "FlashAttention" (2022) and "FlashAttention-2"
// (2023): keys and values stream through shared memory, the softmax is kept up to date as they pass.
//
// A block has kWarpsM x kWarpsK warps. A warp owns kTiles tiles of 16 queries and, of every step of kWarpsK x kKeys
// keys, its kKeys. At the end the parts of the keys are joined in their order, so that bits depend on neither timing
// nor neighbours.
#pragma once
#include <cuda_runtime.h>

#include "backends/cuda/device/attention.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {

inline constexpr float kLog2e = 1.4426950408889634f;

template <class T, int kSize_, AttentionTile kTile>
struct AttentionShape {
  static constexpr bool kF32 = sizeof(T) == 4;
  static constexpr AttentionTileShape kShape = shape_of(kTile, kSize_, kF32);
  static constexpr int kSize = kSize_, kWarpsM = kShape.warps_m, kWarpsK = kShape.warps_k, kTiles = kShape.tiles;
  static constexpr int kKeys = kShape.keys, kRows = kShape.rows(), kStep = kShape.step();
  static constexpr int kThreads = kWarpsM * kWarpsK * 32;
  static constexpr int kEach = 16 / int(sizeof(T));
  static constexpr int kPitch = kSize + kEach;    // elements between staged rows: no bank conflicts in ldmatrix
  static constexpr int kResultPitch = kSize + 8;  // floats between rows of partial results
  static constexpr int kStageElements = kStep * kPitch;
  static constexpr int kSumsAt = attention_sums_at(kShape, kSize, kF32);
  static constexpr int kSharedBytes = attention_shared_bytes(kShape, kSize, kF32);
};

/// A warp's queries: fragments of q, scores of one step, sums of the values so far.
template <class S>
struct AttentionState {
  uint32_t q[S::kTiles][S::kSize / (2 * S::kEach)][4];
  float scores[S::kTiles][S::kKeys / 8][4];
  float result[S::kTiles][S::kSize / 8][4];
  float top[S::kTiles][2], sum[S::kTiles][2];  ///< maximum of the row, this lane's part of its sum
};

template <class T, class S>
requires(!S::kF32) __device__ __forceinline__
    void load_queries(AttentionState<S>& st, const T* q, int64_t stride, int first, int queries, int size) {
  const int g = threadIdx.x % 32 / 4, i = threadIdx.x % 4 * 2;
  const auto pair = [&](int row, int column) -> uint32_t {
    if (row >= queries || column >= size) return 0;
    return *reinterpret_cast<const uint32_t*>(q + row * stride + column);
  };
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
    for (int k = 0; k < S::kSize / 16; ++k) {
      const int row = first + m * 16 + g, column = k * 16 + i;
      st.q[m][k][0] = pair(row, column);
      st.q[m][k][1] = pair(row + 8, column);
      st.q[m][k][2] = pair(row, column + 8);
      st.q[m][k][3] = pair(row + 8, column + 8);
    }
}

/// Starts copying keys [first, first + kStep) of `size` elements; what lies outside becomes zero.
template <class T, class S>
__device__ __forceinline__ void stage_rows(T* to, const T* from, int64_t stride, int size, int first, int keys) {
  constexpr int kChunks = S::kSize / S::kEach;
#pragma unroll
  for (int n = threadIdx.x; n < S::kStep * kChunks; n += S::kThreads) {
    const int row = n / kChunks, column = n % kChunks * S::kEach;
    const bool valid = first + row < keys && column < size;
    copy_async(to + row * S::kPitch + column, valid ? from + (first + row) * stride + column : from, valid);
  }
}

/// scores = q k' of this warp's keys, staged at `k`.
template <class T, class S>
requires(!S::kF32) __device__ __forceinline__ void multiply_keys(AttentionState<S>& st, const T* k) {
  const int lane = threadIdx.x % 32;
  const T* row = k + (lane % 8 + lane / 16 * 8) * S::kPitch + lane / 8 % 2 * 8;
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
    for (int n = 0; n < S::kKeys / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) st.scores[m][n][e] = 0;
#pragma unroll
  for (int d = 0; d < S::kSize / 16; ++d) {
#pragma unroll
    for (int n = 0; n < S::kKeys / 16; ++n) {
      uint32_t b[4];
      load_matrices(b, row + n * 16 * S::kPitch + d * 16);
#pragma unroll
      for (int m = 0; m < S::kTiles; ++m) {
        mma_16x8x16<T>(st.scores[m][2 * n], st.q[m][d], b[0], b[1]);
        mma_16x8x16<T>(st.scores[m][2 * n + 1], st.q[m][d], b[2], b[3]);
      }
    }
  }
}

/// Calls fn(score, query, key) for every score of this lane.
template <class S, class Fn>
__device__ __forceinline__ void for_each_score(AttentionState<S>& st, int query, int key, const Fn& fn) {
  const int g = threadIdx.x % 32 / 4, i = threadIdx.x % 4 * 2;
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
    for (int n = 0; n < S::kKeys / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) fn(st.scores[m][n][e], query + m * 16 + g + e / 2 * 8, key + n * 8 + i + e % 2);
}

/// What a mask's element makes of a score: floating-point elements are added, a bool hides the key where it is false.
template <class M>
__device__ __forceinline__ float masked(float score, M element) {
  if constexpr (sizeof(M) == 1)
    return element ? score : -INFINITY;
  else
    return score + to_float(element);
}

template <class M, class S>
__device__ __forceinline__ void add_mask(AttentionState<S>& st, const AttentionParams& p, int64_t base, int query,
                                         int key) {
  const M* mask = static_cast<const M*>(p.mask) + base;
  if (p.mask_query != 0) {
    for_each_score(st, query, key, [&](float& s, int i, int j) {
      if (i < p.queries && j < p.keys) s = masked(s, mask[i * p.mask_query + j * p.mask_key]);
    });
    return;
  }
  // The same for all queries: one element a column.
  const int i = threadIdx.x % 4 * 2;
#pragma unroll
  for (int n = 0; n < S::kKeys / 8; ++n)
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      const int j = key + n * 8 + i + column;
      if (j >= p.keys) continue;
      const M element = mask[j * p.mask_key];
#pragma unroll
      for (int m = 0; m < S::kTiles; ++m) {
        st.scores[m][n][column] = masked(st.scores[m][n][column], element);
        st.scores[m][n][column + 2] = masked(st.scores[m][n][column + 2], element);
      }
    }
}

/// Scales and masks the scores of keys [key, key + kKeys).
template <class T, class S>
__device__ __forceinline__ void mask_scores(AttentionState<S>& st, const AttentionParams& p, int64_t mask_base,
                                            int query, int key) {
  for_each_score(st, query, key, [&](float& s, int, int) { s *= p.scale; });
  if (p.mask_type == MaskType::kF32)
    add_mask<float>(st, p, mask_base, query, key);
  else if (p.mask_type == MaskType::kBool)
    add_mask<unsigned char>(st, p, mask_base, query, key);
  else if (p.mask_type != MaskType::kNone)
    add_mask<T>(st, p, mask_base, query, key);
  const int shift = p.causal ? p.keys - p.queries : p.keys;  // without `causal` every query sees all keys
  if (key + S::kKeys > p.keys || p.causal)
    for_each_score(st, query, key, [&](float& s, int i, int j) {
      if (j >= p.keys || j > i + shift) s = -INFINITY;
    });
}

/// Turns scores into exponentials relative to the new maxima and rescales what was summed before.
template <class S>
__device__ __forceinline__ void update_softmax(AttentionState<S>& st) {
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = st.top[m][half];
#pragma unroll
      for (int n = 0; n < S::kKeys / 8; ++n)
        top = fmaxf(top, fmaxf(st.scores[m][n][2 * half], st.scores[m][n][2 * half + 1]));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
      const float base = top == -INFINITY ? 0.f : top;  // a row that has seen no key yet stays at zero
      const float keep = exp2_fast((st.top[m][half] - base) * kLog2e);
      float sum = 0;
#pragma unroll
      for (int n = 0; n < S::kKeys / 8; ++n)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          st.scores[m][n][e] = exp2_fast((st.scores[m][n][e] - base) * kLog2e);
          sum += st.scores[m][n][e];
        }
      st.sum[m][half] = st.sum[m][half] * keep + sum;
      st.top[m][half] = top;
#pragma unroll
      for (int n = 0; n < S::kSize / 8; ++n) {
        st.result[m][n][2 * half] *= keep;
        st.result[m][n][2 * half + 1] *= keep;
      }
    }
}

/// result += exponentials v of this warp's keys, staged at `v`.
template <class T, class S>
requires(!S::kF32) __device__ __forceinline__ void multiply_values(AttentionState<S>& st, const T* v) {
  const int lane = threadIdx.x % 32;
  const T* row = v + lane % 16 * S::kPitch + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < S::kKeys / 16; ++k) {
    uint32_t a[S::kTiles][4];
#pragma unroll
    for (int m = 0; m < S::kTiles; ++m) {
      const float(&low)[4] = st.scores[m][2 * k], (&high)[4] = st.scores[m][2 * k + 1];
      a[m][0] = pack_pair<T>(low[0], low[1]);
      a[m][1] = pack_pair<T>(low[2], low[3]);
      a[m][2] = pack_pair<T>(high[0], high[1]);
      a[m][3] = pack_pair<T>(high[2], high[3]);
    }
#pragma unroll
    for (int n = 0; n < S::kSize / 16; ++n) {
      uint32_t b[4];
      load_matrices_transposed(b, row + k * 16 * S::kPitch + n * 16);
#pragma unroll
      for (int m = 0; m < S::kTiles; ++m) {
        mma_16x8x16<T>(st.result[m][2 * n], a[m], b[0], b[1]);
        mma_16x8x16<T>(st.result[m][2 * n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/// Leaves this warp's part of its rows in shared memory.
template <class S>
__device__ __forceinline__ void leave_result(const AttentionState<S>& st, unsigned char* shared, int warp_m,
                                             int warp_k) {
  const int g = threadIdx.x % 32 / 4, i = threadIdx.x % 4 * 2;
  float* result = reinterpret_cast<float*>(shared);
  float* tops = reinterpret_cast<float*>(shared + S::kSumsAt);
  float* sums = tops + S::kWarpsK * S::kRows;
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = st.sum[m][half];
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      const int row = warp_k * S::kRows + (warp_m * S::kTiles + m) * 16 + half * 8 + g;
      if (i == 0) {
        tops[row] = st.top[m][half];
        sums[row] = sum;
      }
#pragma unroll
      for (int n = 0; n < S::kSize / 8; ++n)
        *reinterpret_cast<float2*>(result + row * S::kResultPitch + n * 8 + i) =
            make_float2(st.result[m][n][2 * half], st.result[m][n][2 * half + 1]);
    }
}

/// Joins the parts of the keys and writes rows [first, first + kRows) of y. Returns whether a thread wrote an infinite
/// number or none.
template <class T, class S>
__device__ __forceinline__ bool write_rows(const unsigned char* shared, T* y, int64_t stride, int first, int queries,
                                           int size) {
  const float* result = reinterpret_cast<const float*>(shared);
  const float* tops = reinterpret_cast<const float*>(shared + S::kSumsAt);
  const float* sums = tops + S::kWarpsK * S::kRows;
  constexpr int kChunks = S::kSize / 8;
  bool special = false;
  for (int n = threadIdx.x; n < S::kRows * kChunks; n += S::kThreads) {
    const int row = n / kChunks, column = n % kChunks * 8;
    if (first + row >= queries || column >= size) continue;
    float top = tops[row];
#pragma unroll
    for (int k = 1; k < S::kWarpsK; ++k) top = fmaxf(top, tops[k * S::kRows + row]);
    const float base = top == -INFINITY ? 0.f : top;
    float total = 0, out[8] = {};
#pragma unroll
    for (int k = 0; k < S::kWarpsK; ++k) {
      const int part = k * S::kRows + row;
      const float weight = exp2_fast((tops[part] - base) * kLog2e);
      total += weight * sums[part];
#pragma unroll
      for (int e = 0; e < 8; ++e) out[e] += weight * result[part * S::kResultPitch + column + e];
    }
    const float scale = 1.f / total;  // infinite where a row sees no key, which makes its result NaN
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      out[e] *= scale;
      special |= !(fabsf(out[e]) < INFINITY);
    }
    store_floats<T, 8>(y + (first + row) * stride + column, out);
  }
  return special;
}

template <class T, class S>
__global__ void __launch_bounds__(S::kThreads) attention_kernel(const __grid_constant__ AttentionParams p) {
  begin();
  finish_early();
  extern __shared__ __align__(128) unsigned char shared[];
  T* staged_k = reinterpret_cast<T*>(shared);
  T* staged_v = staged_k + 2 * S::kStageElements;
  const int warp_m = threadIdx.x / 32 % S::kWarpsM, warp_k = threadIdx.x / 32 / S::kWarpsM;
  const int tiles = (p.queries + S::kRows - 1) / S::kRows;
  const int first = int(blockIdx.x) % tiles * S::kRows, unit = int(blockIdx.x) / tiles;
  const int head = unit % p.heads, b = unit / p.heads, key_head = head / p.heads_a_key_head;
  const T* q = static_cast<const T*>(p.q) + b * p.q_at.batch + head * p.q_at.head;
  const T* k = static_cast<const T*>(p.k) + b * p.k_at.batch + key_head * p.k_at.head;
  const T* v = static_cast<const T*>(p.v) + b * p.v_at.batch + key_head * p.v_at.head;
  T* y = static_cast<T*>(p.y) + b * p.y_at.batch + head * p.y_at.head;
  const int64_t mask_base = b * p.mask_batch + head * p.mask_head;

  const int last = min(p.queries, first + S::kRows) - 1;
  const int seen = p.causal ? min(p.keys, last + p.keys - p.queries + 1) : p.keys;
  const int steps = (seen + S::kStep - 1) / S::kStep;
  stage_rows<T, S>(staged_k, k, p.k_at.row, p.size, 0, p.keys);
  commit_copies();
  stage_rows<T, S>(staged_v, v, p.v_at.row, p.value_size, 0, p.keys);
  commit_copies();

  AttentionState<S> st;
  const int query = first + warp_m * S::kTiles * 16;
  load_queries<T, S>(st, q, p.q_at.row, query, p.queries, p.size);
#pragma unroll
  for (int m = 0; m < S::kTiles; ++m) {
    st.top[m][0] = st.top[m][1] = -INFINITY;
    st.sum[m][0] = st.sum[m][1] = 0;
#pragma unroll
    for (int n = 0; n < S::kSize / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) st.result[m][n][e] = 0;
  }

  for (int step = 0; step < steps; ++step) {
    const int key = step * S::kStep + warp_k * S::kKeys;
    const bool active = key < seen;  // of the whole warp
    const int stage = step % 2 * S::kStageElements, next = S::kStageElements - stage;
    wait_copies<1>();
    __syncthreads();
    if (step + 1 < steps) stage_rows<T, S>(staged_k + next, k, p.k_at.row, p.size, (step + 1) * S::kStep, p.keys);
    commit_copies();
    if (active) {
      multiply_keys<T, S>(st, staged_k + stage + warp_k * S::kKeys * S::kPitch);
      mask_scores<T, S>(st, p, mask_base, query, key);
      update_softmax<S>(st);
    }
    wait_copies<1>();
    __syncthreads();
    if (step + 1 < steps) stage_rows<T, S>(staged_v + next, v, p.v_at.row, p.value_size, (step + 1) * S::kStep, p.keys);
    commit_copies();
    if (active) multiply_values<T, S>(st, staged_v + stage + warp_k * S::kKeys * S::kPitch);
  }
  __syncthreads();
  leave_result<S>(st, shared, warp_m, warp_k);
  __syncthreads();
  const bool special = write_rows<T, S>(shared, y, p.y_at.row, first, p.queries, p.value_size);
  if constexpr (S::kF32) {
    if (__syncthreads_or(special)) repeat_special<S>(p, unit, first, reinterpret_cast<float*>(shared));
  }
}

template <class T, class S>
cudaError_t launch_attention(const AttentionParams& p, cudaStream_t stream) {
  const int tiles = (p.queries + S::kRows - 1) / S::kRows;
  return launch(attention_kernel<T, S>, dim3(unsigned(tiles * p.heads * p.batch)), dim3(S::kThreads), S::kSharedBytes,
                stream, p);
}

template <class T, int kSize>
cudaError_t launch_attention_tile(AttentionTile tile, const AttentionParams& p, cudaStream_t stream) {
  using Tile = AttentionTile;
  switch (tile) {
    case Tile::kRows16:
      return launch_attention<T, AttentionShape<T, kSize, Tile::kRows16>>(p, stream);
    case Tile::kRows32:
      return launch_attention<T, AttentionShape<T, kSize, Tile::kRows32>>(p, stream);
    case Tile::kRows64:
      return launch_attention<T, AttentionShape<T, kSize, Tile::kRows64>>(p, stream);
    default:
      return launch_attention<T, AttentionShape<T, kSize, Tile::kRows128>>(p, stream);
  }
}

template <class T>
cudaError_t launch_attention_type(AttentionTile tile, const AttentionParams& p, cudaStream_t stream) {
  switch (padded_head_size(p.size > p.value_size ? p.size : p.value_size)) {
    case 32:
      return launch_attention_tile<T, 32>(tile, p, stream);
    case 64:
      return launch_attention_tile<T, 64>(tile, p, stream);
    case 96:
      return launch_attention_tile<T, 96>(tile, p, stream);
    default:
      return launch_attention_tile<T, 128>(tile, p, stream);
  }
}

}  // namespace tenon::cuda
