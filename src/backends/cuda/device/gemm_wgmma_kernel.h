// The kernel of gemm_wgmma.h: the ring of stages of gemm_tensor_core_tile.h, multiplied by warpgroups of 64 rows.
// While the products of a stage run, the threads start the copies of a later one.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_block.h"
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
  constexpr int kStages = Tiled::kRing;
  const GemmSteps mine = start_tile(t, steps, splits);
  float sums[1][Tiled::kN][4] = {};
  const int group_row = threadIdx.x / 128 * 64;
  for (int i = 0; i < mine.count; ++i) {
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
    load_ahead(t, i, mine.count);
  }
  wait_products();
  pin(sums[0]);
  wait_copies<0>();
  __syncthreads();
  end_tile(t, splits, mine.rank, sums);
}

template <class T, GemmForm kForm, int BM, int BN, int kStages, int kBlocks>
cudaError_t launch_wgmma(const GemmArgs& g, int splits, cudaStream_t stream) {
  using Tiled = GemmTiled<T, BM, BN, 16, BN, kStages, kForm>;
  return launch_tiles<Tiled>(gemm_wgmma<Tiled, T, kBlocks>, Tiled::kShared + 1024, g, splits, stream);
}

/// In the order of kWgmmaTiles.
template <class T, GemmForm kForm>
cudaError_t launch_wgmma_tile(const GemmArgs& g, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_wgmma<T, kForm, 128, 128, 3, 2>(g, splits, stream);
    case 1:
      return launch_wgmma<T, kForm, 64, 64, 4, 3>(g, splits, stream);
    case 2:
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
