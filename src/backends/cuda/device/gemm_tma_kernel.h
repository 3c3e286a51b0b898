// The kernel of gemm_tma.h. One thread keeps a ring of stages full; groups of 128 threads multiply, and finish their
// part of a tile in shared memory of their own, which the copy engine stores.
#pragma once
#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/gemm_tma.h"
#include "backends/cuda/device/gemm_tma_ring.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {
namespace {

template <class F>
struct TmaBlock : TmaRing<F> {
  using Tile = typename TmaRing<F>::Tile;
  using TmaRing<F>::g, TmaRing<F>::stages, TmaRing<F>::full;
  using TmaRing<F>::tile, TmaRing<F>::first_tile, TmaRing<F>::next_tile, TmaRing<F>::release;
  unsigned char* kept;
  uint64_t* extra_there;

  template <class T>
  __device__ __forceinline__ void consume(int group) const {
    const int thread = threadIdx.x % 128;
    unsigned char* const mine = kept + group * F::kBuffers * F::kKeepBytes;
    uint32_t stage = 0, parity = 0, turn = 0, done = 0;  // done: parts of tiles
    begin();
    if (F::kAlternate && group == 1) pass_turn(0);
    for (int number = first_tile(); number < g.tiles; number = next_tile(number), ++turn) {
      if (F::kAlternate && int(turn & 1) != group) {
        stage += g.steps;
        parity ^= stage / F::kStages & 1;
        stage %= F::kStages;
        continue;
      }
      Tile t = tile(number);
      const int skipped = F::kAlternate ? 0 : group * F::kM * 64;  // rows of other groups
      t.row += skipped;
      float sums[F::kM][F::kColumns / 8][4];
      const bool extra = g.epilogue.join != Join::kNone;
      if (F::kAlternate && extra && thread == 0) fetch_first(mine, group, t, done);
      if (F::kAlternate) wait_turn(group);
      if (g.epilogue.bias && thread * 32 < F::kColumns && t.column + thread * 32 < g.columns)
        asm volatile("prefetch.global.L1 [%0];" ::"l"(g.epilogue.bias + t.column + thread * 32));
      for (int i = 0; i < g.steps; ++i) {
        if (!F::kAlternate && extra && thread == 0 && i == min(2, g.steps - 1)) fetch_first(mine, group, t, done);
        wait_barrier(full + stage, parity);
        const unsigned char* const a = stages + stage * F::kStageBytes + skipped * 128;
        const uint64_t at_a = describe_rows(a), at_b = describe_rows(stages + stage * F::kStageBytes + F::kBytesA);
        fence_products();
#pragma unroll
        for (int k = 0; k < kTmaDepth / 16; ++k)
#pragma unroll
          for (int m = 0; m < F::kM; ++m)
            multiply_rows<T>(sums[m], at_a + uint64_t(m * 64 * 128 / 16 + k * 2), at_b + uint64_t(k * 2), i + k > 0);
        commit_products();
        wait_products<1>();
        if (i > 0) release(stage == 0 ? F::kStages - 1 : stage - 1, thread);
        if (++stage == F::kStages) {
          stage = 0;
          parity ^= 1;
        }
      }
      if (F::kAlternate) pass_turn(1 - group);
      wait_products();
      release(stage == 0 ? F::kStages - 1 : stage - 1, thread);
#pragma unroll
      for (int m = 0; m < F::kM; ++m) pin(sums[m]);
      if (next_tile(number) >= g.tiles) finish_early();
#pragma unroll
      for (int part = 0; part < F::kParts; ++part, ++done) {
        unsigned char* const at = mine + done % F::kBuffers * F::kKeepBytes;
        if (extra) {
          wait_barrier(extra_there + group * F::kBuffers + done % F::kBuffers, done / F::kBuffers & 1);
        } else {
          if (thread == 0) wait_stores_read<F::kBuffers - 1>();
          sync_group(group);
        }
        finish<T>(sums[part / F::kAcross], t, part, at);
        publish_to_products();
        sync_group(group);
        if (thread == 0) {
          store(at, t, part);
          constexpr int kLag = F::kBuffers > 1;  // stores that may still read what the next part does not take
          const int next = part + F::kBuffers - kLag;
          if (extra && part >= kLag && next < F::kParts) {
            wait_stores_read<kLag>();
            fetch_extra(mine, group, t, next, done + F::kBuffers - kLag);
          }
        }
      }
    }
    if (thread == 0) wait_stores();
  }

 private:
  static __device__ __forceinline__ int part_row(const Tile& t, int part) { return t.row + part / F::kAcross * 64; }
  static __device__ __forceinline__ int part_column(const Tile& t, int part) {
    return t.column + part % F::kAcross * F::kPanels * 64;
  }
  /// What fits of a tile's other operand, before its part `done` of all parts.
  __device__ __forceinline__ void fetch_first(unsigned char* mine, int group, const Tile& t, uint32_t done) const {
    wait_stores_read<0>();
    for (int part = 0; part < F::kBuffers && part < F::kParts; ++part) fetch_extra(mine, group, t, part, done + part);
  }
  __device__ __forceinline__ void fetch_extra(unsigned char* mine, int group, const Tile& t, int part,
                                              uint32_t number) const {
    unsigned char* const to = mine + number % F::kBuffers * F::kKeepBytes;
    uint64_t* const there = extra_there + group * F::kBuffers + number % F::kBuffers;
    expect_bytes(there, F::kKeepBytes);
    for (int p = 0; p < F::kPanels; ++p)
      copy_box(to + p * F::kPanelBytes, g.maps.extra, there, part_column(t, part) + p * 64, part_row(t, part), t.z);
  }
  __device__ __forceinline__ void store(const unsigned char* from, const Tile& t, int part) const {
    const int row = part_row(t, part), column = part_column(t, part);
    for (int p = 0; p < F::kPanels; ++p)
      if (row < g.rows && column + p * 64 < g.columns)
        store_box(g.maps.y, from + p * F::kPanelBytes, column + p * 64, row, t.z);
    commit_stores();
  }

  template <class T>
  __device__ __forceinline__ void finish(const float (&sums)[F::kColumns / 8][4], const Tile& t, int part,
                                         unsigned char* to) const {
    const Epilogue& e = g.epilogue;
    if (e.join != Join::kNone) {
      if (e.act == Act::kRelu)
        finish_as<T, Act::kRelu, true>(sums, t, part, to);
      else
        finish_as<T, Act::kNone, true>(sums, t, part, to);
      return;
    }
    switch (e.act) {
      case Act::kRelu:
        return finish_as<T, Act::kRelu, false>(sums, t, part, to);
      case Act::kClip:
        return finish_as<T, Act::kClip, false>(sums, t, part, to);
      case Act::kSilu:
        return finish_as<T, Act::kSilu, false>(sums, t, part, to);
      case Act::kGeluErf:
        return finish_as<T, Act::kGeluErf, false>(sums, t, part, to);
      case Act::kGeluTanh:
        return finish_as<T, Act::kGeluTanh, false>(sums, t, part, to);
      default:
        return finish_as<T, Act::kNone, false>(sums, t, part, to);
    }
  }
  /// Sixteen rows and columns of a warp at a time, where the other operand lies and the result will.
  template <class T, Act kAct, bool kExtra>
  __device__ __forceinline__ void finish_as(const float (&sums)[F::kColumns / 8][4], const Tile& t, int part,
                                            unsigned char* to) const {
    const int thread = threadIdx.x % 128, lane = thread % 32;
    const int row = thread / 32 * 16 + lane % 16;  // whose address this thread gives
    Epilogue e = g.epilogue;
    e.act = kAct;
    e.join = kExtra ? Join::kAddFirst : Join::kNone;
    const int column = part_column(t, part) + lane % 4 * 2;
    constexpr int kTogether = 4;  // eights of columns whose bias is read at a time
    float2 bias[kTogether];
#pragma unroll
    for (int n = 0; n < F::kPanels * 8; n += 2) {
      if (n % kTogether == 0) {
#pragma unroll
        for (int i = 0; i < kTogether; ++i) {
          const int at = column + (n + i) * 8;
          bias[i] = {};
          if (e.bias && at < g.columns) bias[i] = *reinterpret_cast<const float2*>(e.bias + at);
        }
      }
      float v[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float sum = sums[part % F::kAcross * F::kPanels * 8 + n + i / 4][i % 4];
        v[i] = fmaf(sum, g.alpha, i % 2 ? bias[n % kTogether + i / 4].y : bias[n % kTogether + i / 4].x);
      }
      unsigned char* const at = to + n / 8 * F::kPanelBytes + row * 128 + ((n % 8 + lane / 16) ^ (row & 7)) * 16;
      Words<T, 8> extra;
      extra.clear();
      // Matrices are rows 0-7 and 8-15 of the first eight columns, then of the second: as v is laid out.
      if constexpr (kExtra) load_matrices(extra.w, at);
      if constexpr (kAct == Act::kGeluErf && !kExtra) {
#pragma unroll
        for (int i = 0; i < 8; ++i) v[i] = quick_gelu(v[i]);
      } else {
        apply_epilogue(e, v, extra);
      }
      uint32_t packed[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Pack<T, 2> pair = {{from_float<T>(v[2 * i]), from_float<T>(v[2 * i + 1])}};
        packed[i] = *reinterpret_cast<const uint32_t*>(&pair);
      }
      store_matrices(at, packed);
    }
  }
};

template <class F, class T>
__global__ void __launch_bounds__(F::kThreads, 1) gemm_tma_kernel(const __grid_constant__ TmaArgs g) {
  __shared__ uint64_t barriers[2 * F::kStages + F::kGroups * F::kBuffers];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
  const TmaBlock<F> block{{g, aligned, barriers, barriers + F::kStages, blockIdx.z},
                          aligned + F::kStages * F::kStageBytes,
                          barriers + 2 * F::kStages};
  if (threadIdx.x == 0) {
    for (int s = 0; s < F::kStages; ++s) {
      init_barrier(block.full + s, 1);
      init_barrier(block.empty + s, (F::kAlternate ? 1 : F::kGroups) * g.cluster);
    }
    for (int i = 0; i < F::kGroups * F::kBuffers; ++i) init_barrier(block.extra_there + i, 1);
    publish_barriers();
  }
  __syncthreads();
  if (g.cluster > 1) meet_cluster();
  if (threadIdx.x < 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(F::kFewRegisters));
    if (threadIdx.x == 0)
      block.produce();
    else
      begin();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(F::kManyRegisters));
    block.template consume<T>(int(threadIdx.x) / 128 - 1);
  }
  if (g.cluster > 1) meet_cluster();
}

template <class F, class T>
cudaError_t launch_tma(const GemmArgs& a, Elem type, bool conv, int cluster, int blocks, cudaStream_t stream) {
  TmaArgs g;
  if (const cudaError_t code = make_tma_args(a, type, conv, F::kRows, F::kColumns, cluster, g); code != cudaSuccess)
    return code;
  const int clusters = g.tiles < blocks / cluster ? g.tiles : blocks / cluster;
  return launch_cluster(gemm_tma_kernel<F, T>, unsigned(cluster), dim3(unsigned(clusters), 1, unsigned(cluster)),
                        dim3(F::kThreads), F::kShared, stream, g);
}

}  // namespace
}  // namespace tenon::cuda
