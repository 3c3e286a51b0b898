// The kernel of attention_short.h. Scores stay in registers, from where their exponentials are multiplied with the
// values; the groups agree on the maxima first, so that their results only need to be added.
#pragma once
#include <type_traits>

#include "backends/cuda/device/attention_short.h"
#include "backends/cuda/device/exponentials.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/device/types.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {

struct ShortArgs {
  struct {
    CUtensorMap q, k, v;
  } maps;
  void* y;
  HeadStrides y_at;
  int heads_a_key_head, queries, keys;
  float scale;  ///< of scores, times log2 e
};

namespace {

template <int kGroups_, int kKeys_>
struct ShortForm {
  static constexpr int kGroups = kGroups_, kKeys = kKeys_, kEights = kKeys / 8, kThreads = 128 * kGroups;
  static constexpr int kQueryBytes = kShortQueries * 128, kKeyBytes = kKeys * 128;
  static constexpr int kPitch = kShortHeadSize + 8;  ///< floats between rows of results: four rows fill the banks
  static constexpr int kResultBytes = kShortQueries * kPitch * 4;
  /// Keys and values of a group, which its result takes the place of.
  static constexpr int kGroupBytes = (2 * kKeyBytes > kResultBytes ? 2 * kKeyBytes : kResultBytes + 1023) / 1024 * 1024;
  static constexpr int kShared = kQueryBytes + kGroups * kGroupBytes + 1024;
};

template <class F, class T>
struct ShortBlock {
  const ShortArgs& g;
  unsigned char *queries, *mine;  ///< a tile of q; keys, values and the result of this group
  float *tops, *sums;             ///< of each group and row
  uint64_t *query_there, *keys_there, *values_there;
  int group, first, head, batch;

  /// One thread of a group.
  __device__ __forceinline__ void copy() const {
    const int key_head = head / g.heads_a_key_head;
    if (group == 0) {
      expect_bytes(query_there, F::kQueryBytes);
      copy_heads(queries, g.maps.q, query_there, first, head, batch);
    }
    expect_bytes(keys_there, F::kKeyBytes);
    copy_heads(mine, g.maps.k, keys_there, group * F::kKeys, key_head, batch);
    expect_bytes(values_there, F::kKeyBytes);
    copy_heads(mine + F::kKeyBytes, g.maps.v, values_there, group * F::kKeys, key_head, batch);
  }

  __device__ __forceinline__ void run() const {
    const int thread = int(threadIdx.x) % 128, lane = thread % 32, row = thread / 32 * 16 + lane / 4;
    float scores[F::kEights][4];
    wait_barrier(query_there, 0);
    wait_barrier(keys_there, 0);
    const uint64_t at_q = describe_rows(queries), at_k = describe_rows(mine);
    fence_products();
#pragma unroll
    for (int k = 0; k < kShortHeadSize / 16; ++k) multiply_rows<T>(scores, at_q + k * 2, at_k + k * 2, k > 0);
    commit_products();
    wait_products();
    pin(scores);
    if ((group + 1) * F::kKeys > g.keys) hide(scores, g.keys - group * F::kKeys);
    float base[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float top = top_of(scores, half);
      if (lane % 4 == 0) tops[group * kShortQueries + row + half * 8] = top;
    }
    __syncthreads();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = tops[row + half * 8];
#pragma unroll
      for (int i = 1; i < F::kGroups; ++i) top = fmaxf(top, tops[i * kShortQueries + row + half * 8]);
      base[half] = -top * g.scale;
    }
    exponentiate(scores, g.scale, base);
    float sum[2] = {};
    uint32_t weights[F::kEights / 2][4];
    add_and_pack<T>(scores, sum, weights);
    float result[kShortHeadSize / 8][4];
    wait_barrier(values_there, 0);
    const uint64_t at_v = describe_rows(mine + F::kKeyBytes);
    fence_products();
#pragma unroll
    for (int k = 0; k < F::kEights / 2; ++k) multiply_columns<T>(result, weights[k], at_v + k * (16 * 128 / 16), k > 0);
    commit_products();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
      sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
      if (lane % 4 == 0) sums[group * kShortQueries + row + half * 8] = sum[half];
    }
    wait_products();
    pin(result);
    sync_group(group);  // other warps may still read values
    float* const to = reinterpret_cast<float*>(mine) + row * F::kPitch + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kShortHeadSize / 8; ++n) {
      *reinterpret_cast<float2*>(to + n * 8) = make_float2(result[n][0], result[n][1]);
      *reinterpret_cast<float2*>(to + 8 * F::kPitch + n * 8) = make_float2(result[n][2], result[n][3]);
    }
    __syncthreads();
  }
  /// Adds the groups' results and writes them.
  __device__ __forceinline__ void write(const unsigned char* all) const {
    T* const y = static_cast<T*>(g.y) + batch * g.y_at.batch + head * g.y_at.head;
#pragma unroll 1
    for (int piece = int(threadIdx.x); piece < kShortQueries * kShortHeadSize / 8; piece += F::kThreads) {
      const int row = piece / (kShortHeadSize / 8), column = piece % (kShortHeadSize / 8) * 8;
      if (first + row >= g.queries) return;
      float v[8] = {}, total = 0;
#pragma unroll
      for (int i = 0; i < F::kGroups; ++i) {
        const float* const from = reinterpret_cast<const float*>(all + i * F::kGroupBytes) + row * F::kPitch + column;
        float part[8];
        load_floats<float, 4>(from, *reinterpret_cast<float(*)[4]>(part));
        load_floats<float, 4>(from + 4, *reinterpret_cast<float(*)[4]>(part + 4));
#pragma unroll
        for (int j = 0; j < 8; ++j) v[j] += part[j];
        total += sums[i * kShortQueries + row];
      }
      const float scale = 1.f / total;
#pragma unroll
      for (int j = 0; j < 8; ++j) v[j] *= scale;
      store_floats<T, 8>(y + (first + row) * g.y_at.row + column, v);
    }
  }

 private:
  /// Keys from `keys` of this group on.
  static __device__ __forceinline__ void hide(float (&scores)[F::kEights][4], int keys) {
    const int column = int(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int n = 0; n < F::kEights; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e)
        if (n * 8 + column + e % 2 >= keys) scores[n][e] = -INFINITY;
  }
  static __device__ __forceinline__ float top_of(const float (&scores)[F::kEights][4], int half) {
    float top = fmaxf(scores[0][2 * half], scores[0][2 * half + 1]);
#pragma unroll
    for (int n = 1; n < F::kEights; ++n) top = fmaxf(top, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
    top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
    return fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
  }
};

template <class F, class T>
__global__ void __launch_bounds__(F::kThreads) short_kernel(const __grid_constant__ ShortArgs g) {
  __shared__ uint64_t barriers[1 + 2 * F::kGroups];
  __shared__ float rows[2 * F::kGroups * kShortQueries];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const queries = memory + (1024 - shared_address(memory) % 1024) % 1024;
  unsigned char* const all = queries + F::kQueryBytes;
  const int group = int(threadIdx.x) / 128;
  const ShortBlock<F, T> block{g,
                               queries,
                               all + group * F::kGroupBytes,
                               rows,
                               rows + F::kGroups * kShortQueries,
                               barriers,
                               barriers + 1 + group,
                               barriers + 1 + F::kGroups + group,
                               group,
                               int(blockIdx.x) * kShortQueries,
                               int(blockIdx.y),
                               int(blockIdx.z)};
  if (threadIdx.x == 0) {
    prefetch_map(g.maps.q);
    prefetch_map(g.maps.k);
    prefetch_map(g.maps.v);
    for (int i = 0; i < 1 + 2 * F::kGroups; ++i) init_barrier(barriers + i, 1);
    publish_barriers();
  }
  __syncthreads();
  begin();
  finish_early();
  if (threadIdx.x % 128 == 0) block.copy();
  block.run();
  block.write(all);
}

template <class F, class T>
cudaError_t launch_short(const AttentionParams& p, cudaStream_t stream) {
  constexpr Elem kType = std::is_same_v<T, __half> ? Elem::kF16 : Elem::kBF16;
  ShortArgs g{};
  const int key_heads = p.heads / p.heads_a_key_head;
  cudaError_t code = map_heads(p.q, p.q_at, kType, p.queries, p.heads, p.batch, kShortQueries, g.maps.q);
  if (code == cudaSuccess) code = map_heads(p.k, p.k_at, kType, p.keys, key_heads, p.batch, F::kKeys, g.maps.k);
  if (code == cudaSuccess) code = map_heads(p.v, p.v_at, kType, p.keys, key_heads, p.batch, F::kKeys, g.maps.v);
  if (code != cudaSuccess) return code;
  g.y = p.y;
  g.y_at = p.y_at;
  g.heads_a_key_head = p.heads_a_key_head;
  g.queries = p.queries;
  g.keys = p.keys;
  g.scale = p.scale * 1.4426950408889634f;
  const dim3 grid(unsigned((p.queries + kShortQueries - 1) / kShortQueries), unsigned(p.heads), unsigned(p.batch));
  return launch(short_kernel<F, T>, grid, dim3(F::kThreads), F::kShared, stream, g);
}

/// In the order of kShortTiles.
template <class T>
cudaError_t launch_short_tile(int tile, const AttentionParams& p, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_short<ShortForm<2, 64>, T>(p, stream);
    case 1:
      return launch_short<ShortForm<4, 64>, T>(p, stream);
    case 2:
      return launch_short<ShortForm<4, 96>, T>(p, stream);
    case 3:
      return launch_short<ShortForm<4, 128>, T>(p, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace tenon::cuda
