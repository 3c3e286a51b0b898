// The kernel of gemm_split.h. Warps fill a ring of stages; a group of four warps multiplies. Sums go straight from
// registers to the shared memory of the block of the cluster that finishes their columns, which adds them in order.
//
// A scheduler has one warp to issue from, so what is done once counts by its instructions: stages are asked for by
// several warps, and what can be known early is worked out while the kernel before this one runs.
#pragma once
#include <type_traits>

#include "backends/cuda/device/cluster_send.h"
#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/gemm_split_ring.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {
namespace {

/// What follows the bias: kClip covers no activation and those that cut off, kSmooth the others.
enum class SplitFinish { kClip, kSmooth };

__device__ __forceinline__ float clip_or_nan(float v, float low, float high) {
  asm("max.NaN.f32 %0, %0, %1;\nmin.NaN.f32 %0, %0, %2;" : "+f"(v) : "f"(low), "f"(high));
  return v;
}

template <class F, class T, SplitFinish kFinish, bool kScaled>
struct SplitBlock : SplitRing<F> {
  using SplitRing<F>::g, SplitRing<F>::ring, SplitRing<F>::full, SplitRing<F>::empty, SplitRing<F>::received;
  using SplitRing<F>::row, SplitRing<F>::column, SplitRing<F>::splits, SplitRing<F>::rank, SplitRing<F>::first;
  using SplitRing<F>::count, SplitRing<F>::first_eight;
  float4* kept;

  using Sums = float[F::kEights][4];
  __device__ __forceinline__ void multiply(Sums& sums) const {
    const bool again = count > g.stages;  // stages are filled more than once
    uint64_t at = describe_rows(ring);
    int stage = 0;
    uint32_t parity = 0;
    for (int i = 0; i < count; ++i) {
      wait_barrier(full + stage, parity);
      fence_products();
#pragma unroll
      for (int k = 0; k < kGemmDepth / 16; ++k)
        multiply_rows<T>(sums, at + uint64_t(k * 2), at + uint64_t(F::kBytesA / 16 + k * 2), i + k > 0);
      commit_products();
      at += F::kStageBytes / 16;
      if (again) {
        wait_products<1>();
        if (i > 0 && threadIdx.x == 0) arrive_barrier(empty + (stage == 0 ? g.stages - 1 : stage - 1));
      }
      if (++stage == g.stages) {
        stage = 0;
        parity ^= 1;
        at = describe_rows(ring);
      }
    }
    wait_products();
    pin(sums);
  }

  /// Factors of pairs of this thread's elements of a: [sixteen of k][half of it] in rows of two halves of a tile.
  struct Factors {
    uint32_t v[2][kGemmDepth / 16][2];
  };
  __device__ __forceinline__ void load_factors(Factors& f, const T* const (&from)[2], int step) const {
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int k = 0; k < kGemmDepth / 8; ++k) {
        const int at = (first + step) * kGemmDepth + k * 8 + int(threadIdx.x) % 4 * 2;
        uint32_t& v = f.v[half][k / 2][k % 2];
        if (half == 1 && from[1] == from[0])
          v = f.v[0][k / 2][k % 2];
        else
          v = at < g.factors.depth ? *reinterpret_cast<const uint32_t*>(from[half] + at) : 0;
      }
  }
  static __device__ __forceinline__ uint32_t multiply_pair(uint32_t a, uint32_t b) {
    using Pair = std::conditional_t<std::is_same_v<T, __half>, __half2, __nv_bfloat162>;
    const Pair y = __hmul2(*reinterpret_cast<const Pair*>(&a), *reinterpret_cast<const Pair*>(&b));
    return *reinterpret_cast<const uint32_t*>(&y);
  }
  /// a passes through registers, where it meets its factors.
  __device__ __forceinline__ void multiply_scaled(Sums& sums) const {
    const int lane = int(threadIdx.x) % 32, line = int(threadIdx.x) / 32 * 16 + lane % 16;
    const T* from[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint32_t r = uint32_t(min(thread_row() + half * 8, g.t.rows - 1));
      from[half] = static_cast<const T*>(g.factors.values) + int64_t(g.factors.pixels.divide(r)) * g.factors.depth;
    }
    Factors factors;
    load_factors(factors, from, 0);
    int stage = 0;
    uint32_t parity = 0;
    for (int i = 0; i < count; ++i) {
      wait_barrier(full + stage, parity);
      const unsigned char* const a = ring + stage * F::kStageBytes;
      const uint64_t at_b = describe_rows(a + F::kBytesA);
      uint32_t fragment[kGemmDepth / 16][4];
#pragma unroll
      for (int k = 0; k < kGemmDepth / 16; ++k) {
        load_matrices(fragment[k], a + line * 128 + ((k * 2 + lane / 16) ^ (line & 7)) * 16);
#pragma unroll
        for (int j = 0; j < 4; ++j) fragment[k][j] = multiply_pair(fragment[k][j], factors.v[j % 2][k][j / 2]);
      }
      fence_products();
#pragma unroll
      for (int k = 0; k < kGemmDepth / 16; ++k)
        multiply_fragment<T>(sums, fragment[k], at_b + uint64_t(k * 2), i + k > 0);
      commit_products();
      if (i + 1 < count) load_factors(factors, from, i + 1);
      wait_products();
      if (threadIdx.x == 0) arrive_barrier(empty + stage);
      if (++stage == g.stages) {
        stage = 0;
        parity ^= 1;
      }
    }
    wait_products();
    pin(sums);
  }

  /// Where this thread's sums go: in the shared memory of the blocks that finish them, and their barriers.
  struct Mail {
    uint32_t to[F::kEights], barrier[F::kEights];
  };
  __device__ __forceinline__ void address(Mail& mail) const {
#pragma unroll
    for (int n = 0; n < F::kEights; ++n) {
      const int owner = ((n + 1) * splits - 1) / F::kEights;
      mail.to[n] = map_to_cluster(kept + (rank * g.eights + n - first_eight(owner)) * kSplitGroup + threadIdx.x, owner);
      mail.barrier[n] = map_to_cluster(received, owner);
    }
  }

  __device__ __forceinline__ int thread_row() const {
    return row + int(threadIdx.x) / 32 * 16 + int(threadIdx.x) % 32 / 4;
  }
  /// What a thread finishes: two columns of each of `eights`, from `column` on, in rows `row` and 8 further.
  struct Part {
    int eights;
    bool rows[2];
    T* y[2];
    float2 bias[F::kOwn];
    uint32_t extra[F::kOwn][2];
  };
  __device__ __forceinline__ void start(Part& part) const {
    const int from = first_eight(rank), at = column + from * 8, own = int(threadIdx.x) % 4 * 2;
    part.eights = min(first_eight(rank + 1) - from, (g.t.columns - at + 7) / 8);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int r = thread_row() + half * 8;
      part.rows[half] = r < g.t.rows;
      part.y[half] = static_cast<T*>(g.y) + r * g.y_pitch + at + own;
    }
    const float* const bias = g.t.epilogue.bias;
#pragma unroll
    for (int i = 0; i < F::kOwn; ++i) {
      part.bias[i] = {};
      if (bias && i < part.eights) part.bias[i] = *reinterpret_cast<const float2*>(bias + at + own + i * 8);
    }
  }
  __device__ __forceinline__ void load_extra(Part& part) const {
    const Epilogue& e = g.t.epilogue;
    if (e.join == Join::kNone) return;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = column + first_eight(rank) * 8 + int(threadIdx.x) % 4 * 2;
      const T* const from = static_cast<const T*>(e.extra) + (thread_row() + half * 8) * e.extra_pitch + at;
#pragma unroll
      for (int i = 0; i < F::kOwn; ++i)
        if (i < part.eights && part.rows[half]) part.extra[i][half] = *reinterpret_cast<const uint32_t*>(from + i * 8);
    }
  }
  /// Finishes eight `i` of a part.
  __device__ __forceinline__ void finish(const Part& part, int i, const float4& sum) const {
    const Epilogue& e = g.t.epilogue;
    float v[4] = {fmaf(sum.x, g.t.alpha, part.bias[i].x), fmaf(sum.y, g.t.alpha, part.bias[i].y),
                  fmaf(sum.z, g.t.alpha, part.bias[i].x), fmaf(sum.w, g.t.alpha, part.bias[i].y)};
    Words<T, 4> extra;
    extra.w[0] = part.extra[i][0], extra.w[1] = part.extra[i][1];
    if (e.join == Join::kAddFirst) {
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] += extra.at(k);
    }
    if constexpr (kFinish == SplitFinish::kClip) {
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] = clip_or_nan(v[k], e.a, e.b);
    } else if (e.act == Act::kSilu) {
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] = silu_by_tanh(v[k]);
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] = PointwiseFunctions<true>::f_hard_swish(v[k]);
    }
    if (e.join == Join::kAdd) {
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] += extra.at(k);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float pair[2] = {v[2 * half], v[2 * half + 1]};
      if (part.rows[half]) store_floats(part.y[half] + i * 8, pair);
    }
  }
  /// The sums of all blocks of the cluster for this block's eight `i`.
  __device__ __forceinline__ float4 collect(int i) const {
    const float4* at = kept + i * kSplitGroup + threadIdx.x;
    float4 sum = *at;
#pragma unroll 2
    for (int s = 1; s < splits; ++s) {
      at += g.eights * kSplitGroup;
      const float4 more = *at;
      sum.x += more.x, sum.y += more.y, sum.z += more.z, sum.w += more.w;
    }
    return sum;
  }

  __device__ __forceinline__ void consume() const {
    Part part;
    start(part);
    Mail mail;
    if (splits > 1) address(mail);
    begin();
    finish_early();
    load_extra(part);
    Sums sums;
    if constexpr (kScaled)
      multiply_scaled(sums);
    else
      multiply(sums);
    if constexpr (F::kOwn == F::kEights) {
      if (splits == 1) {
#pragma unroll
        for (int i = 0; i < F::kEights; ++i) {
          if (i >= part.eights) break;
          finish(part, i, {sums[i][0], sums[i][1], sums[i][2], sums[i][3]});
        }
        return;
      }
    }
    wait_cluster();
#pragma unroll
    for (int n = 0; n < F::kEights; ++n) send_to_cluster(mail.to[n], mail.barrier[n], sums[n]);
    if (first_eight(rank) == first_eight(rank + 1)) return;
    wait_sent(received);
#pragma unroll
    for (int i = 0; i < F::kEights / 2; ++i) {
      if (i >= part.eights) break;
      finish(part, i, collect(i));
    }
  }
};

template <class F, class T, SplitFinish kFinish, bool kScaled>
__global__ void __launch_bounds__(kSplitThreads) gemm_split_kernel(const __grid_constant__ SplitArgs g) {
  __shared__ uint64_t barriers[2 * kMostSplitStages + 1];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const ring = memory + (1024 - shared_address(memory) % 1024) % 1024;
  const int splits = int(gridDim.z), rank = int(blockIdx.z), first = g.t.steps * rank / splits;
  const SplitBlock<F, T, kFinish, kScaled> block{
      {g, ring, barriers, barriers + kMostSplitStages, barriers + 2 * kMostSplitStages, int(blockIdx.y) * F::kRows,
       int(blockIdx.x) * F::kColumns, splits, rank, first, g.t.steps * (rank + 1) / splits - first},
      reinterpret_cast<float4*>(ring + g.stages * F::kStageBytes)};
  if (threadIdx.x == kSplitGroup) block.make_barriers();
  __syncthreads();
  if (splits > 1) start_cluster();
  if (threadIdx.x < kSplitGroup) {
    block.consume();
    return;
  }
  if (threadIdx.x % 32 == 0)
    block.produce((int(threadIdx.x) - kSplitGroup) / 32);
  else
    begin();
  __syncwarp();
  if (splits > 1) wait_cluster();
}

template <class F, class T, SplitFinish kFinish, bool kScaled>
cudaError_t launch_finish(const SplitArgs& g, int splits, int64_t bytes, cudaStream_t stream) {
  const dim3 grid(unsigned(g.t.tiles_across), unsigned(g.t.tiles_down), unsigned(splits));
  return launch_cluster(gemm_split_kernel<F, T, kFinish, kScaled>, unsigned(splits), grid, dim3(kSplitThreads),
                        size_t(bytes), stream, g);
}

template <class F, class T, bool kScaled>
cudaError_t launch_split(const GemmArgs& a, const RowFactors& factors, Elem type, bool conv, int tile, int splits,
                         int64_t most, cudaStream_t stream) {
  SplitArgs g;
  if (const cudaError_t code = make_tma_args(a, type, conv, F::kRows, F::kColumns, 1, g.t); code != cudaSuccess)
    return code;
  const SplitMemory memory = gemm_split_memory(tile, splits, g.t.steps, most);
  if (memory.stages == 0) return cudaErrorInvalidValue;
  g.stages = memory.stages;
  g.eights = (F::kEights + splits - 1) / splits;
  g.y = a.y;
  g.y_pitch = a.y_pitch;
  g.factors = factors;
  Epilogue& e = g.t.epilogue;
  if (e.act == Act::kSilu || e.act == Act::kHardSwish) {
    if constexpr (kScaled)
      return cudaErrorInvalidValue;
    else
      return launch_finish<F, T, SplitFinish::kSmooth, kScaled>(g, splits, memory.bytes, stream);
  }
  if (e.act != Act::kClip) {
    e.a = e.act == Act::kRelu ? 0.f : -INFINITY;
    e.b = INFINITY;
  }
  return launch_finish<F, T, SplitFinish::kClip, kScaled>(g, splits, memory.bytes, stream);
}

/// In the order of kSplitTiles.
template <class T>
cudaError_t launch_split_tile(const GemmArgs& a, Elem type, bool conv, int tile, int splits, int64_t most,
                              cudaStream_t stream) {
  const auto with = [&]<class F>(F) {
    return launch_split<F, T, false>(a, {}, type, conv, tile, splits, most, stream);
  };
  switch (tile) {
    case 0:
      return with(SplitForm<32>());
    case 1:
      return with(SplitForm<64>());
    case 2:
      return with(SplitForm<128>());
    default:
      return cudaErrorInvalidValue;
  }
}
template <class T>
cudaError_t launch_scaled_tile(const GemmArgs& a, const RowFactors& factors, Elem type, int tile, int splits,
                               int64_t most, cudaStream_t stream) {
  if (tile == 0) return launch_split<SplitForm<32>, T, true>(a, factors, type, false, tile, splits, most, stream);
  if (tile == 1) return launch_split<SplitForm<64>, T, true>(a, factors, type, false, tile, splits, most, stream);
  return cudaErrorInvalidValue;
}

}  // namespace
}  // namespace tenon::cuda
