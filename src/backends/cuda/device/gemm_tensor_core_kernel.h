// The kernel of gemm_tensor_core.h: the steps of k through a block's tile, shares of them joined within a cluster.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_special.h"

namespace tenon::cuda {
namespace {

template <class Tiled, class T>
__global__ void __launch_bounds__(Tiled::kThreads) gemm(const __grid_constant__ GemmArgs g, int steps, int splits) {
  Tiled t(g, dynamic_shared<T>());
  const GemmSteps mine = start_tile(t, steps, splits);
  float sums[Tiled::kM][Tiled::kN][4] = {};
  multiply_steps(t, mine.count, sums);
  if constexpr (sizeof(T) == 4)
    repeat_special(t, mine, sums);
  else
    __syncthreads();
  end_tile(t, splits, mine.rank, sums);
}

template <class T, GemmForm kForm, int kTile, int WM, int WN>
cudaError_t launch_gemm(const GemmArgs& g, int splits, cudaStream_t stream) {
  constexpr GemmTile kSize = kGemmTiles[kTile];
  using Tiled = GemmTiled<T, kSize.rows, kSize.columns, WM, WN, kGemmStages[kTile], kForm>;
  return launch_tiles<Tiled>(gemm<Tiled, T>, Tiled::kShared, g, splits, stream);
}

/// By the number of kGemmTiles.
template <class T, GemmForm kForm>
cudaError_t launch_tile(const GemmArgs& g, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_gemm<T, kForm, 0, 64, 32>(g, splits, stream);
    case 1:
      return launch_gemm<T, kForm, 1, 64, 32>(g, splits, stream);
    case 2:
      return launch_gemm<T, kForm, 2, 32, 32>(g, splits, stream);
    case 3:
      return launch_gemm<T, kForm, 3, 32, 16>(g, splits, stream);
    case 4:
      return launch_gemm<T, kForm, 4, 16, 32>(g, splits, stream);
    case 5:
      return launch_gemm<T, kForm, 5, 16, 16>(g, splits, stream);
    case 6:
      return launch_gemm<T, kForm, 6, 16, 16>(g, splits, stream);
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
