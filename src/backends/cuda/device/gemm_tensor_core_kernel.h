// The kernel of gemm_tensor_core.h: the steps of k through a block's tile, shares of them joined within a cluster.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_tile.h"

namespace tenon::cuda {
namespace {

/// A block's place in the result.
struct GemmPlace {
  int row0, column0, group, z;
};

/// The sums of steps [first, first + count) by vector units. All threads call it; copies are through.
template <class Tiled, class T>
__device__ __noinline__ void multiply_plainly(const GemmArgs& g, const GemmPlace& at, int first, int count,
                                              float (&sums)[Tiled::kM][Tiled::kN][4]) {
  Tiled t(g, dynamic_shared<T>());
  t.row0 = at.row0, t.column0 = at.column0, t.group = at.group, t.z = at.z;
  t.place(first);
  float plain[Tiled::kM][Tiled::kN][4] = {};
  for (int i = 0; i < count; ++i) {
    t.load_b(0);
    t.load_a(0);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
    t.multiply_plain(plain);
    __syncthreads();
  }
  Tiled::for_each_sum([&](int m, int n, int e) { sums[m][n][e] = plain[m][n][e]; });
}

/// Repeats sums of f32 operands that are infinite or no numbers. All threads call it; copies are through.
template <class Tiled>
__device__ __forceinline__ void repeat_special(const Tiled& t, int first, int count,
                                               float (&sums)[Tiled::kM][Tiled::kN][4]) {
  if (!__syncthreads_or(Tiled::any_special(sums))) return;
  float plain[Tiled::kM][Tiled::kN][4];
  multiply_plainly<Tiled, float>(t.g, {t.row0, t.column0, t.group, t.z}, first, count, plain);
  Tiled::for_each_sum([&](int m, int n, int e) {
    if (Tiled::is_special(sums[m][n][e])) sums[m][n][e] = plain[m][n][e];
  });
}

template <class Tiled, class T>
__global__ void __launch_bounds__(Tiled::kThreads) gemm(const __grid_constant__ GemmArgs g, int steps, int splits) {
  Tiled t(g, dynamic_shared<T>());
  t.column0 = blockIdx.x * Tiled::kTileColumns;
  t.row0 = blockIdx.y * Tiled::kTileRows;
  const int rank = splits > 1 ? int(blockIdx.z) % splits : 0;
  const int matrix = splits > 1 ? int(blockIdx.z) / splits : int(blockIdx.z);
  t.group = matrix % g.groups;
  t.z = matrix / g.groups;
  const int first = steps * rank / splits, count = steps * (rank + 1) / splits - first;
  t.place(first);

  constexpr int kStages = Tiled::kRing;
  float sums[Tiled::kM][Tiled::kN][4] = {};
  // Constant weights do not depend on the kernel before this one.
  if (g.b_constant) {
#pragma unroll
    for (int s = 0; s < kStages - 1; ++s)
      if (s < count) t.load_b(s);
  }
  begin();
  finish_early();
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < count) {
      if (!g.b_constant) t.load_b(s);
      t.load_a(s);
    }
    commit_copies();
  }
  for (int i = 0; i < count; ++i) {
    wait_copies<kStages - 2>();
    __syncthreads();
    const int ahead = i + kStages - 1;
    if (ahead < count) {
      t.load_b(ahead % kStages);
      t.load_a(ahead % kStages);
    }
    commit_copies();
    t.multiply(i % kStages, sums);
  }
  wait_copies<0>();
  if constexpr (sizeof(T) == 4)
    repeat_special(t, first, count, sums);
  else
    __syncthreads();
  t.keep(sums);
  if (splits == 1) {
    __syncthreads();
    t.finish(1, 0);
  } else {
    sync_cluster();
    t.finish(splits, rank);
    sync_cluster();
  }
}

template <class T, GemmForm kForm, int BM, int BN, int WM, int WN, int kStages>
cudaError_t launch_gemm(const GemmArgs& g, int splits, cudaStream_t stream) {
  using Tiled = GemmTiled<T, BM, BN, WM, WN, kStages, kForm>;
  const int taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
  const int depth = kForm == GemmForm::kConv ? taps * g.chunks * kEach<T> : g.depth;
  const int steps = (depth + Tiled::kDepth - 1) / Tiled::kDepth;
  const dim3 grid((g.columns + BN - 1) / BN, (g.rows + BM - 1) / BM, unsigned(g.batch * g.groups * splits));
  return launch_cluster(gemm<Tiled, T>, unsigned(splits), grid, dim3(Tiled::kThreads), Tiled::kShared, stream, g, steps,
                        splits);
}

/// In the order of kGemmTiles.
template <class T, GemmForm kForm>
cudaError_t launch_tile(const GemmArgs& g, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_gemm<T, kForm, 128, 128, 64, 32, 4>(g, splits, stream);
    case 1:
      return launch_gemm<T, kForm, 128, 64, 64, 32, 4>(g, splits, stream);
    case 2:
      return launch_gemm<T, kForm, 64, 64, 32, 32, 4>(g, splits, stream);
    case 3:
      return launch_gemm<T, kForm, 64, 32, 32, 16, 5>(g, splits, stream);
    case 4:
      return launch_gemm<T, kForm, 32, 64, 16, 32, 5>(g, splits, stream);
    case 5:
      return launch_gemm<T, kForm, 32, 32, 16, 16, 6>(g, splits, stream);
    case 6:
      return launch_gemm<T, kForm, 16, 64, 16, 16, 5>(g, splits, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

template <GemmForm kForm>
cudaError_t launch_type(const GemmArgs& g, Elem type, int tile, int splits, cudaStream_t stream) {
  if (type == Elem::kF16) return launch_tile<__half, kForm>(g, tile, splits, stream);
  if (type == Elem::kBF16) return launch_tile<__nv_bfloat16, kForm>(g, tile, splits, stream);
  return cudaErrorInvalidValue;
}

}  // namespace
}  // namespace tenon::cuda
