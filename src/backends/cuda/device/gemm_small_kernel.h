// The kernel of gemm_small.h. One warp copies, four multiply; their sums meet in shared memory, where each block of the
// cluster finishes its share of the rows. Most instructions run once and are waited for: there are few of them.
#pragma once
#include <type_traits>

#include "backends/cuda/device/cluster.h"
#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/gemm_small.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/tensor_maps.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {

struct SmallArgs {
  struct {
    CUtensorMap a, b;
  } maps;
  int steps = 0;  ///< of 64 of k in all
  int rows = 0, columns = 0;
  bool b_constant = false;
  void* y = nullptr;
  int64_t y_pitch = 0;
  float alpha = 1;
  Epilogue epilogue;
};

namespace {

template <int kTile, int kSplits_>
struct SmallForm {
  static constexpr int kColumns = kSmallTiles[kTile].columns, kStages = kSmallTiles[kTile].stages, kSplits = kSplits_;
  static constexpr int kConsumers = 128, kThreads = kConsumers + 32;
  static constexpr int kBytesA = kSmallRows * 128, kBytesB = kColumns * 128, kStageBytes = kBytesA + kBytesB;
  /// Floats between rows of sums: 8 more than a multiple of 32, so that four rows fill the banks.
  static constexpr int kPitch = (kColumns + 23) / 32 * 32 + 8;
  static constexpr int kShare = kSmallRows / kSplits, kPieces = kColumns / 8, kCount = kShare * kPieces;
  static constexpr int kExtraBytes = kShare * kColumns * 2, kBiasBytes = kColumns * 4;
  static constexpr int kShared = kStages * kStageBytes + kExtraBytes + kBiasBytes + 1024;
  static_assert(kSmallRows * kPitch * 4 <= kStages * kStageBytes && kShared <= 113 * 1024);
};

template <class F, class T>
struct SmallBlock {
  const SmallArgs& g;
  unsigned char *stages, *extra;  ///< the ring, and the other operand's share
  float* bias;
  uint64_t *full, *empty;
  int row, column, above, first, steps;  ///< above: rows of the tile before this block's share

  __device__ __forceinline__ void copy_a(int step, int stage) const {
    copy_box(stages + stage * F::kStageBytes, g.maps.a, full + stage, (first + step) * kGemmDepth, row, 0);
  }
  __device__ __forceinline__ void copy_b(int step, int stage) const {
    expect_bytes(full + stage, F::kStageBytes);
    copy_box(stages + stage * F::kStageBytes + F::kBytesA, g.maps.b, full + stage, (first + step) * kGemmDepth, column,
             0);
  }

  /// One thread.
  __device__ __forceinline__ void produce() const {
    const int ahead = min(F::kStages, steps);
    if (g.b_constant)
      for (int i = 0; i < ahead; ++i) copy_b(i, i);
    finish_early();
    prefetch_map(g.maps.a);
    begin();
    int stage = 0;
    uint32_t parity = 1;
    for (int i = 0; i < steps; ++i) {
      if (i >= ahead) wait_barrier(empty + stage, parity);
      if (i >= ahead || !g.b_constant) copy_b(i, stage);
      copy_a(i, stage);
      if (++stage == F::kStages) stage = 0, parity ^= 1;
    }
  }

  /// What the epilogue reads comes while products are computed.
  __device__ __forceinline__ void fetch_operands() const {
    const int thread = int(threadIdx.x);
    const Epilogue& e = g.epilogue;
    if (thread < F::kColumns / 4) {
      const int at = column + thread * 4;
      const bool there = e.bias && at < g.columns;
      copy_async(bias + thread * 4, there ? static_cast<const void*>(e.bias + at) : g.y, there);
    }
    if (e.join != Join::kNone) {
#pragma unroll 1
      for (int piece = thread; piece < F::kCount; piece += F::kConsumers) {
        const int r = row + above + piece / F::kPieces, at = column + piece % F::kPieces * 8;
        const bool there = r < g.rows && at < g.columns;
        const T* const from = static_cast<const T*>(e.extra) + (there ? int64_t(r) * e.extra_pitch + at : 0);
        copy_async(extra + piece * 16, from, there);
      }
    }
    commit_copies();
  }

  __device__ __forceinline__ void multiply(float (&sums)[F::kColumns / 8][4]) const {
    int stage = 0, before = 0;
    uint32_t parity = 0;
    for (int i = 0; i < steps; ++i) {
      wait_barrier(full + stage, parity);
      const unsigned char* const at = stages + stage * F::kStageBytes;
      const uint64_t at_a = describe_rows(at), at_b = describe_rows(at + F::kBytesA);
      fence_products();
#pragma unroll
      for (int k = 0; k < kGemmDepth / 16; ++k)
        multiply_rows<T>(sums, at_a + uint64_t(k * 2), at_b + uint64_t(k * 2), i + k > 0);
      commit_products();
      wait_products<1>();
      if (i > 0 && threadIdx.x == 0) arrive_barrier(empty + before);
      before = stage;
      if (++stage == F::kStages) stage = 0, parity ^= 1;
    }
    wait_products();
    pin(sums);
  }

  /// All threads that multiply, and of the cluster at its barrier.
  __device__ __forceinline__ void consume() const {
    const int thread = int(threadIdx.x), lane = thread % 32;
    begin();
    fetch_operands();
    float sums[F::kColumns / 8][4];
    multiply(sums);
    sync_consumers();  // other warps may still read what sums overwrite
    float* const kept = reinterpret_cast<float*>(stages);
    float* const mine = kept + (thread / 32 * 16 + lane / 4) * F::kPitch + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < F::kColumns / 8; ++n) {
      *reinterpret_cast<float2*>(mine + n * 8) = make_float2(sums[n][0], sums[n][1]);
      *reinterpret_cast<float2*>(mine + 8 * F::kPitch + n * 8) = make_float2(sums[n][2], sums[n][3]);
    }
    wait_copies<0>();
    sync_consumers();
    if constexpr (F::kSplits > 1) sync_cluster();
    const bool join = g.epilogue.join != Join::kNone;
    switch (g.epilogue.act) {
      case Act::kRelu:
        return join ? finish<Act::kRelu, true>(kept) : finish<Act::kRelu, false>(kept);
      case Act::kGeluErf:
        return finish<Act::kGeluErf, false>(kept);
      default:
        return join ? finish<Act::kNone, true>(kept) : finish<Act::kNone, false>(kept);
    }
  }

 private:
  static __device__ __forceinline__ void sync_consumers() {
    asm volatile("bar.sync 1, %0;" ::"n"(F::kConsumers) : "memory");
  }
  template <Act kAct, bool kJoin>
  __device__ __forceinline__ void finish(const float* kept) const {
#pragma unroll 1
    for (int piece = int(threadIdx.x); piece < F::kCount; piece += F::kConsumers) {
      const int r = above + piece / F::kPieces, at = piece % F::kPieces * 8;
      float4 parts[F::kSplits][2];
#pragma unroll
      for (int z = 0; z < F::kSplits; ++z)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const float* const from = kept + r * F::kPitch + at + 4 * i;
          parts[z][i] = F::kSplits == 1 ? *reinterpret_cast<const float4*>(from) : load_from_cluster(from, uint32_t(z));
        }
      Words<T, 8> other;
      if constexpr (kJoin) other.read(reinterpret_cast<const T*>(extra + piece * 16));
      float v[8];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float4 b = *reinterpret_cast<const float4*>(bias + at + 4 * i);
        float4 sum = parts[0][i];
#pragma unroll
        for (int z = 1; z < F::kSplits; ++z)
          sum.x += parts[z][i].x, sum.y += parts[z][i].y, sum.z += parts[z][i].z, sum.w += parts[z][i].w;
        v[4 * i] = fmaf(sum.x, g.alpha, b.x), v[4 * i + 1] = fmaf(sum.y, g.alpha, b.y);
        v[4 * i + 2] = fmaf(sum.z, g.alpha, b.z), v[4 * i + 3] = fmaf(sum.w, g.alpha, b.w);
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        if constexpr (kJoin) v[i] += other.at(i);
        if constexpr (kAct == Act::kRelu) v[i] = v[i] < 0.f ? 0.f : v[i];  // keeps what is no number
        if constexpr (kAct == Act::kGeluErf) v[i] = quick_gelu(v[i]);
      }
      if (row + r < g.rows && column + at < g.columns)
        store_floats<T, 8>(static_cast<T*>(g.y) + int64_t(row + r) * g.y_pitch + column + at, v);
    }
  }
};

template <class F, class T>
__global__ void __launch_bounds__(F::kThreads) gemm_small_kernel(const __grid_constant__ SmallArgs g) {
  __shared__ uint64_t barriers[2 * F::kStages];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
  unsigned char* const extra = aligned + F::kStages * F::kStageBytes;
  const int rank = int(blockIdx.z), first = g.steps * rank / F::kSplits, last = g.steps * (rank + 1) / F::kSplits;
  const SmallBlock<F, T> block{g,
                               aligned,
                               extra,
                               reinterpret_cast<float*>(extra + F::kExtraBytes),
                               barriers,
                               barriers + F::kStages,
                               int(blockIdx.y) * kSmallRows,
                               int(blockIdx.x) * F::kColumns,
                               rank * F::kShare,
                               first,
                               last - first};
  if (threadIdx.x == F::kConsumers) {
    prefetch_map(g.maps.b);
#pragma unroll 1
    for (int s = 0; s < 2 * F::kStages; ++s) init_barrier(barriers + s, 1);
    publish_barriers();
  }
  __syncthreads();
  if (threadIdx.x < F::kConsumers) {
    block.consume();
  } else {
    if (threadIdx.x == F::kConsumers)
      block.produce();
    else
      begin();
    __syncwarp();
    if constexpr (F::kSplits > 1) sync_cluster();
  }
  if constexpr (F::kSplits > 1) leave_cluster();  // no block goes while others read its sums
}

template <class F, class T>
cudaError_t launch_small(const GemmArgs& a, cudaStream_t stream) {
  constexpr Elem kType = std::is_same_v<T, __half> ? Elem::kF16 : Elem::kBF16;
  TmaArgs maps;
  const cudaError_t code = make_tma_args(a, kType, false, kSmallRows, F::kColumns, 1, maps);
  if (code != cudaSuccess) return code;
  SmallArgs g;
  g.maps.a = maps.maps.a;
  g.maps.b = maps.maps.b;
  g.steps = maps.steps;
  g.rows = a.rows;
  g.columns = a.columns;
  g.b_constant = a.b_constant;
  g.y = a.y;
  g.y_pitch = a.y_pitch;
  g.alpha = a.alpha;
  g.epilogue = a.epilogue;
  const auto divided = [](int n, int by) { return unsigned((n + by - 1) / by); };
  const dim3 grid(divided(a.columns, F::kColumns), divided(a.rows, kSmallRows), F::kSplits);
  return launch_cluster(gemm_small_kernel<F, T>, F::kSplits, grid, dim3(F::kThreads), F::kShared, stream, g);
}

template <int kTile, class T>
cudaError_t launch_small_splits(const GemmArgs& a, int splits, cudaStream_t stream) {
  switch (splits) {
    case 1:
      return launch_small<SmallForm<kTile, 1>, T>(a, stream);
    case 2:
      return launch_small<SmallForm<kTile, 2>, T>(a, stream);
    case 4:
      return launch_small<SmallForm<kTile, 4>, T>(a, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

/// In the order of kSmallTiles.
template <class T>
cudaError_t launch_small_tile(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_small_splits<0, T>(a, splits, stream);
    case 1:
      return launch_small_splits<1, T>(a, splits, stream);
    case 2:
      return launch_small_splits<2, T>(a, splits, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace tenon::cuda
