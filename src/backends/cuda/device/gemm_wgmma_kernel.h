// The kernel of gemm_wgmma.h: the ring of stages of gemm_tensor_core_tile.h, multiplied by warpgroups of 64 rows.
// While the products of a stage run, the threads start the copies of a later one.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_kernel.h"
#include "backends/cuda/device/gemm_wgmma.h"
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {
namespace {

template <class Tiled, class T, int kBlocks>
__global__ void __launch_bounds__(Tiled::kThreads, kBlocks)
    gemm_wgmma(const __grid_constant__ GemmArgs g, int steps, int splits) {
  unsigned char* const memory = dynamic_shared<unsigned char>();
  const uint32_t start = static_cast<uint32_t>(__cvta_generic_to_shared(memory));
  Tiled t(g, reinterpret_cast<T*>(memory + (1024 - start % 1024) % 1024));
  t.column0 = blockIdx.x * Tiled::kTileColumns;
  t.row0 = blockIdx.y * Tiled::kTileRows;
  const int rank = splits > 1 ? int(blockIdx.z) % splits : 0;
  const int matrix = splits > 1 ? int(blockIdx.z) / splits : int(blockIdx.z);
  t.group = matrix % g.groups;
  t.z = matrix / g.groups;
  const int first = steps * rank / splits, count = steps * (rank + 1) / splits - first;
  t.place(first);

  constexpr int kStages = Tiled::kRing;
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
  float sums[1][Tiled::kN][4] = {};
  const int group_row = threadIdx.x / 128 * 64;
  for (int i = 0; i < count; ++i) {
    wait_copies<kStages - 2>();
    wait_products();
    pin(sums[0]);
    publish_to_products();
    __syncthreads();
    const T* const a = t.shared + i % kStages * Tiled::kStage + group_row * Tiled::kDepth;
    const T* const b = t.shared + i % kStages * Tiled::kStage + Tiled::kTileRows * Tiled::kDepth;
    fence_products();
#pragma unroll
    for (int k = 0; k < Tiled::kDepth / 16; ++k)
      multiply_rows<T>(sums[0], describe_rows(a + k * 16), describe_rows(b + k * 16));
    commit_products();
    const int ahead = i + kStages - 1;
    if (ahead < count) {
      t.load_b(ahead % kStages);
      t.load_a(ahead % kStages);
    }
    commit_copies();
  }
  wait_products();
  pin(sums[0]);
  wait_copies<0>();
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

template <class T, GemmForm kForm, int BM, int BN, int kStages, int kBlocks>
cudaError_t launch_wgmma(const GemmArgs& g, int splits, cudaStream_t stream) {
  using Tiled = GemmTiled<T, BM, BN, 16, BN, kStages, kForm>;
  const int taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
  const int depth = kForm == GemmForm::kConv ? taps * g.chunks * 8 : g.depth;
  const int steps = (depth + Tiled::kDepth - 1) / Tiled::kDepth;
  const dim3 grid((g.columns + BN - 1) / BN, (g.rows + BM - 1) / BM, unsigned(g.batch * g.groups * splits));
  return launch_cluster(gemm_wgmma<Tiled, T, kBlocks>, unsigned(splits), grid, dim3(Tiled::kThreads),
                        Tiled::kShared + 1024, stream, g, steps, splits);
}

/// In the order of kWgmmaTiles.
template <class T, GemmForm kForm>
cudaError_t launch_wgmma_tile(const GemmArgs& g, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_wgmma<T, kForm, 128, 256, 4, 1>(g, splits, stream);
    case 1:
      return launch_wgmma<T, kForm, 256, 128, 3, 1>(g, splits, stream);
    case 2:
      return launch_wgmma<T, kForm, 128, 128, 3, 2>(g, splits, stream);
    case 3:
      return launch_wgmma<T, kForm, 128, 64, 4, 2>(g, splits, stream);
    case 4:
      return launch_wgmma<T, kForm, 64, 128, 4, 2>(g, splits, stream);
    case 5:
      return launch_wgmma<T, kForm, 64, 64, 4, 3>(g, splits, stream);
    case 6:
      return launch_wgmma<T, kForm, 64, 32, 6, 3>(g, splits, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

template <GemmForm kForm>
cudaError_t launch_wgmma_type(const GemmArgs& g, Elem type, int tile, int splits, cudaStream_t stream) {
  if (type == Elem::kF16) return launch_wgmma_tile<__half, kForm>(g, tile, splits, stream);
  if (type == Elem::kBF16) return launch_wgmma_tile<__nv_bfloat16, kForm>(g, tile, splits, stream);
  return cudaErrorInvalidValue;
}

}  // namespace
}  // namespace tenon::cuda
