// The kernel of attention_wgmma.h. Dao et al., "FlashAttention" (2022), Shah et al., "FlashAttention-3" (2024): scores
// stay in registers, from where the exponentials are multiplied with the values.
//
// A block takes heads in turn. Keys and values pass through a ring of stages that holds those of a whole head at least,
// so that they are copied once for all queries of the block; two groups of 128 threads take tiles of 64 queries each.
#pragma once
#include <cuda.h>

#include <type_traits>

#include "backends/cuda/device/attention_wgmma.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {

struct HeadsArgs {
  struct {
    CUtensorMap q, k, v;
  } maps;
  void* y;
  HeadStrides y_at;
  int heads, heads_a_key_head, queries, keys;
  int units, parts;    ///< heads of all batch entries, and blocks that share the queries of each
  int blocks, stages;  ///< of keys: of a head, and of the ring
  float scale;         ///< of scores, times log2 e
};

namespace {

constexpr int kQueryTile = kWgmmaQueries, kTileBytes = kQueryTile * 128;

template <class T, int kKeys_>
struct HeadsForm {
  static constexpr int kKeys = kKeys_, kEights = kKeys / 8, kStageBytes = kKeys * 128;
  static constexpr int kThreads = 128 * (1 + kWgmmaGroups);
  static constexpr int kQueryBytes = kWgmmaGroups * 2 * kTileBytes;
  static constexpr int kMostStages = attention_wgmma_stages(kKeys);
};

/// 2^x of two numbers, as operands of a product.
template <class T>
__device__ __forceinline__ uint32_t exponentials(float low, float high);
template <>
__device__ __forceinline__ uint32_t exponentials<__half>(float low, float high) {
  const __half2 x = __floats2half2_rn(low, high);
  uint32_t y;
  asm("ex2.approx.f16x2 %0, %1;" : "=r"(y) : "r"(*reinterpret_cast<const uint32_t*>(&x)));
  return y;
}
template <>
__device__ __forceinline__ uint32_t exponentials<__nv_bfloat16>(float low, float high) {
  return pack_pair<__nv_bfloat16>(exp2_fast(low), exp2_fast(high));
}
/// The sum of four numbers: f16 has bits to spare for numbers up to 1, bf16 has not.
__device__ __forceinline__ float sum_of(uint32_t a, uint32_t b, __half) {
  const __half2 s = __hadd2(*reinterpret_cast<const __half2*>(&a), *reinterpret_cast<const __half2*>(&b));
  const float2 f = __half22float2(s);
  return f.x + f.y;
}
__device__ __forceinline__ float sum_of(uint32_t a, uint32_t b, __nv_bfloat16) {
  const float2 low = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&a));
  const float2 high = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&b));
  return low.x + low.y + (high.x + high.y);
}

template <class F, class T>
struct HeadsBlock {
  const HeadsArgs& g;
  unsigned char *stages, *queries;  ///< the ring; two tiles of queries a group
  uint64_t *full, *empty, *query_full, *query_empty;

  struct Item {
    int head, batch, first, last;  ///< tiles of queries
  };
  __device__ __forceinline__ int items() const { return g.units * g.parts; }
  __device__ __forceinline__ Item item(int number) const {
    const int unit = number / g.parts, part = number % g.parts, tiles = (g.queries + kQueryTile - 1) / kQueryTile;
    return {unit % g.heads, unit / g.heads, tiles * part / g.parts, tiles * (part + 1) / g.parts};
  }

  /// One thread: keys and values, a block of each in turn.
  __device__ __forceinline__ void copy_keys() const {
    begin();
    int stage = 0;
    uint32_t parity = 1;
    for (int number = int(blockIdx.x); number < items(); number += int(gridDim.x)) {
      const Item t = item(number);
      for (int i = 0; i < 2 * g.blocks; ++i) {
        wait_barrier(empty + stage, parity);
        expect_bytes(full + stage, F::kStageBytes);
        copy_heads(stages + stage * F::kStageBytes, i % 2 ? g.maps.v : g.maps.k, full + stage, i / 2 * F::kKeys,
                   t.head / g.heads_a_key_head, t.batch);
        if (++stage == g.stages) stage = 0, parity ^= 1;
      }
    }
    finish_early();
  }
  /// One thread a group: its tiles of queries.
  __device__ __forceinline__ void copy_queries(int group) const {
    begin();
    uint32_t turn = 0;
    for (int number = int(blockIdx.x); number < items(); number += int(gridDim.x)) {
      const Item t = item(number);
      for (int tile = t.first + group; tile < t.last; tile += kWgmmaGroups, ++turn) {
        const int buffer = group * 2 + int(turn & 1);
        wait_barrier(query_empty + buffer, ~(turn >> 1) & 1);
        expect_bytes(query_full + buffer, kTileBytes);
        copy_heads(queries + buffer * kTileBytes, g.maps.q, query_full + buffer, tile * kQueryTile, t.head, t.batch);
      }
    }
  }

  struct State {
    float scores[F::kEights][4], result[kWgmmaHeadSize / 8][4], top[2], sum[2];
  };

  __device__ __forceinline__ void consume(int group) const {
    begin();
    uint32_t turn = 0, ring = 0;  // tiles that were done, and where in the ring this item starts
    uint32_t phase = 0;
    for (int number = int(blockIdx.x); number < items(); number += int(gridDim.x)) {
      const Item t = item(number);
      int tile = t.first + group;
      if (tile >= t.last)  // nothing to do but to let go
        for (int i = 0; i < 2 * g.blocks; ++i) {
          const uint32_t at = ring + i, stage = at < uint32_t(g.stages) ? at : at - g.stages;
          wait_barrier(full + stage, phase ^ uint32_t(at >= uint32_t(g.stages)));
          if (threadIdx.x % 128 == 0) arrive_barrier(empty + stage);
        }
      for (; tile < t.last; tile += kWgmmaGroups, ++turn) {
        State s;
        attend(s, group, turn, ring, phase, tile + kWgmmaGroups >= t.last);
        write(s, group, turn, t, tile);
      }
      ring += 2 * g.blocks;
      if (ring >= uint32_t(g.stages)) ring -= g.stages, phase ^= 1;
    }
  }

 private:
  __device__ __forceinline__ void attend(State& s, int group, uint32_t turn, uint32_t ring, uint32_t phase,
                                         bool last) const {
    const int buffer = group * 2 + int(turn & 1);
    const uint64_t at_q = describe_rows(queries + buffer * kTileBytes);
    s.sum[0] = s.sum[1] = 0;
    wait_barrier(query_full + buffer, turn >> 1 & 1);
    for (int i = 0; i < g.blocks; ++i) {
      uint32_t at = ring + 2 * i, wrapped = at >= uint32_t(g.stages);
      uint32_t stage = wrapped ? at - g.stages : at;
      wait_barrier(full + stage, phase ^ wrapped);
      const uint64_t at_k = describe_rows(stages + stage * F::kStageBytes);
      fence_products();
#pragma unroll
      for (int k = 0; k < kWgmmaHeadSize / 16; ++k) multiply_rows<T>(s.scores, at_q + k * 2, at_k + k * 2, k > 0);
      commit_products();
      wait_products();
      pin(s.scores);
      if (last && threadIdx.x % 128 == 0) arrive_barrier(empty + stage);
      if ((i + 1) * F::kKeys > g.keys) hide(s, g.keys - i * F::kKeys);
      uint32_t weights[F::kEights / 2][4];
      update(s, i == 0, weights);
      at = ring + 2 * i + 1, wrapped = at >= uint32_t(g.stages);
      stage = wrapped ? at - g.stages : at;
      wait_barrier(full + stage, phase ^ wrapped);
      const uint64_t at_v = describe_rows(stages + stage * F::kStageBytes);
      fence_products();
#pragma unroll
      for (int k = 0; k < F::kEights / 2; ++k)
        multiply_columns<T>(s.result, weights[k], at_v + k * (16 * 128 / 16), i > 0 || k > 0);
      commit_products();
      wait_products();
      pin(s.result);
      if (last && threadIdx.x % 128 == 0) arrive_barrier(empty + stage);
    }
  }
  /// Keys from `keys` of this block on.
  static __device__ __forceinline__ void hide(State& s, int keys) {
    const int first = int(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int n = 0; n < F::kEights; ++n) {
      if (n * 8 + 8 <= keys) continue;
#pragma unroll
      for (int e = 0; e < 4; ++e)
        if (n * 8 + first + e % 2 >= keys) s.scores[n][e] = -INFINITY;
    }
  }
  /// Turns scores into exponentials relative to the new maxima and rescales what was summed before.
  __device__ __forceinline__ void update(State& s, bool first, uint32_t (&weights)[F::kEights / 2][4]) const {
    float base[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = fmaxf(s.scores[0][2 * half], s.scores[0][2 * half + 1]);
#pragma unroll
      for (int n = 1; n < F::kEights; ++n) top = fmaxf(top, fmaxf(s.scores[n][2 * half], s.scores[n][2 * half + 1]));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
      if (!first) {
        top = fmaxf(top, s.top[half]);
        const float keep = exp2_fast((s.top[half] - top) * g.scale);
        s.sum[half] *= keep;
#pragma unroll
        for (int n = 0; n < kWgmmaHeadSize / 8; ++n) s.result[n][2 * half] *= keep, s.result[n][2 * half + 1] *= keep;
      }
      s.top[half] = top;
      base[half] = -top * g.scale;
    }
#pragma unroll
    for (int k = 0; k < F::kEights / 2; ++k)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float(&low)[4] = s.scores[2 * k], (&high)[4] = s.scores[2 * k + 1];
        const auto shifted = [&](float v) { return fmaf(v, g.scale, base[half]); };
        weights[k][half] = exponentials<T>(shifted(low[2 * half]), shifted(low[2 * half + 1]));
        weights[k][half + 2] = exponentials<T>(shifted(high[2 * half]), shifted(high[2 * half + 1]));
        s.sum[half] += sum_of(weights[k][half], weights[k][half + 2], T());
      }
  }
  /// Through the rows of the tile of queries, which only this warp reads.
  __device__ __forceinline__ void write(State& s, int group, uint32_t turn, const Item& t, int tile) const {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32 % 4, buffer = group * 2 + int(turn & 1);
    unsigned char* const mine = queries + buffer * kTileBytes + warp * 16 * 128;
    float scale[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = s.sum[half];
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      scale[half] = 1.f / sum;
    }
#pragma unroll
    for (int n = 0; n < kWgmmaHeadSize / 8; n += 2) {
      uint32_t packed[4];
#pragma unroll
      for (int i = 0; i < 4; ++i)
        packed[i] = pack_pair<T>(s.result[n + i / 2][i % 2 * 2] * scale[i % 2],
                                 s.result[n + i / 2][i % 2 * 2 + 1] * scale[i % 2]);
      store_matrices(mine + lane % 16 * 128 + ((n + lane / 16) ^ (lane & 7)) * 16, packed);
    }
    __syncwarp();
    T* const y = static_cast<T*>(g.y) + t.batch * g.y_at.batch + t.head * g.y_at.head;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = i * 4 + lane / 8, query = tile * kQueryTile + warp * 16 + row;
      const uint4 v = *reinterpret_cast<const uint4*>(mine + row * 128 + ((lane % 8) ^ (row & 7)) * 16);
      if (query < g.queries) *reinterpret_cast<uint4*>(y + query * g.y_at.row + lane % 8 * 8) = v;
    }
    publish_to_products();
    __syncwarp();
    if (lane == 0) arrive_barrier(query_empty + buffer);
  }
};

template <class F, class T>
__global__ void __launch_bounds__(F::kThreads, 1) heads_kernel(const __grid_constant__ HeadsArgs g) {
  __shared__ uint64_t barriers[2 * kWgmmaMostStages + 4 * kWgmmaGroups];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const queries = memory + (1024 - shared_address(memory) % 1024) % 1024;
  const HeadsBlock<F, T> block{g,
                               queries + F::kQueryBytes,
                               queries,
                               barriers,
                               barriers + kWgmmaMostStages,
                               barriers + 2 * kWgmmaMostStages,
                               barriers + 2 * kWgmmaMostStages + 2 * kWgmmaGroups};
  if (threadIdx.x == 0) {
    for (int s = 0; s < g.stages; ++s) {
      init_barrier(block.full + s, 1);
      init_barrier(block.empty + s, kWgmmaGroups);
    }
    for (int i = 0; i < 2 * kWgmmaGroups; ++i) {
      init_barrier(block.query_full + i, 1);
      init_barrier(block.query_empty + i, 4);
    }
    publish_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(40));
    if (threadIdx.x == 0)
      block.copy_keys();
    else if (threadIdx.x % 32 == 0 && threadIdx.x / 32 <= kWgmmaGroups)
      block.copy_queries(int(threadIdx.x) / 32 - 1);
    else
      begin();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(232));
    block.consume(int(threadIdx.x) / 128 - 1);
  }
}

template <class F, class T>
cudaError_t launch_heads(const AttentionParams& p, Elem type, int multiprocessors, cudaStream_t stream) {
  HeadsArgs g{};
  const int key_heads = p.heads / p.heads_a_key_head;
  cudaError_t code = map_heads(p.q, p.q_at, type, p.queries, p.heads, p.batch, kQueryTile, g.maps.q);
  if (code == cudaSuccess) code = map_heads(p.k, p.k_at, type, p.keys, key_heads, p.batch, F::kKeys, g.maps.k);
  if (code == cudaSuccess) code = map_heads(p.v, p.v_at, type, p.keys, key_heads, p.batch, F::kKeys, g.maps.v);
  if (code != cudaSuccess) return code;
  g.y = p.y;
  g.y_at = p.y_at;
  g.heads = p.heads;
  g.heads_a_key_head = p.heads_a_key_head;
  g.queries = p.queries;
  g.keys = p.keys;
  g.units = p.batch * p.heads;
  g.blocks = (p.keys + F::kKeys - 1) / F::kKeys;
  g.scale = p.scale * 1.4426950408889634f;
  // Few heads: several blocks share the queries of each, which they do not where all multiprocessors have heads.
  const int pairs = (p.queries + 2 * kQueryTile - 1) / (2 * kQueryTile), spare = multiprocessors / g.units;
  g.parts = spare < 1 ? 1 : spare < pairs ? spare : pairs;
  const int wanted = g.units * g.parts > multiprocessors ? 4 * g.blocks : 2 * g.blocks;
  g.stages = wanted < F::kMostStages ? wanted : F::kMostStages;
  if (2 * g.blocks > g.stages) return cudaErrorInvalidValue;
  const int grid = g.units * g.parts < multiprocessors ? g.units * g.parts : multiprocessors;
  return launch(heads_kernel<F, T>, dim3(unsigned(grid)), dim3(F::kThreads),
                size_t(F::kQueryBytes + g.stages * F::kStageBytes + 1024), stream, g);
}

template <class T>
cudaError_t launch_heads_of(int keys, const AttentionParams& p, int multiprocessors, cudaStream_t stream) {
  constexpr Elem kType = std::is_same_v<T, __half> ? Elem::kF16 : Elem::kBF16;
  switch (keys) {
    case 0:
      return launch_heads<HeadsForm<T, kWgmmaKeys[0]>, T>(p, kType, multiprocessors, stream);
    case 1:
      return launch_heads<HeadsForm<T, kWgmmaKeys[1]>, T>(p, kType, multiprocessors, stream);
    case 2:
      return launch_heads<HeadsForm<T, kWgmmaKeys[2]>, T>(p, kType, multiprocessors, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace tenon::cuda
