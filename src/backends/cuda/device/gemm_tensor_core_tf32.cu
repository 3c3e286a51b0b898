#include "backends/cuda/device/gemm_tensor_core_tf32.h"

#include "backends/cuda/device/gemm_tensor_core_block.h"
#include "backends/cuda/device/round_tf32.h"

namespace tenon::cuda {
namespace {

template <GemmForm kForm, int BM, int BN, int WM, int WN, int kStages>
struct GemmTiledTf32 : GemmTiled<float, BM, BN, WM, WN, kStages, kForm> {
  using Base = GemmTiled<float, BM, BN, WM, WN, kStages, kForm>;
  using Base::Base;

  __device__ __forceinline__ void multiply(int stage, float (&sums)[Base::kM][Base::kN][4]) const {
    const float* const tile_a = Base::shared + stage * Base::kStage;
    const float* const tile_b = tile_a + BM * Base::kDepth;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int m0 = warp % Base::kWarpsM * WM, n0 = warp / Base::kWarpsM * WN;
#pragma unroll
    for (int k = 0; k < Base::kDepth / 8; ++k) {
      uint32_t a[Base::kM][4];
#pragma unroll
      for (int m = 0; m < Base::kM; ++m) {
        load_matrices(a[m], tile_a + swizzled<float, kChunks>(m0 + m * 16 + lane % 16, k * 2 + lane / 16));
        round_to_tf32(a[m]);
      }
#pragma unroll
      for (int n = 0; n < Base::kN; n += 2) {
        uint32_t b[4];
        load_columns(b, tile_b, k, n0 + n * 8);
        round_to_tf32(b);
#pragma unroll
        for (int m = 0; m < Base::kM; ++m) {
          mma_16x8x8(sums[m][n], a[m], b[0], b[1], sums[m][n]);
          mma_16x8x8(sums[m][n + 1], a[m], b[2], b[3], sums[m][n + 1]);
        }
      }
    }
  }

 private:
  /// Elements (k, column) and (k + 4, column) of b for 16 columns, as two fragments of mma_16x8x8.
  __device__ __forceinline__ void load_columns(uint32_t (&r)[4], const float* tile, int k, int column) const {
    const int lane = threadIdx.x % 32;
    if constexpr (kForm == GemmForm::kColumns) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = column + i / 2 * 8 + lane / 4;
        r[i] = __float_as_uint(tile[Base::place_b(k * 8 + i % 2 * 4 + lane % 4, at / 4) + at % 4]);
      }
    } else {
      load_matrices(r, tile + Base::place_b(column + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
    }
  }
};

template <class Tiled>
__global__ void __launch_bounds__(Tiled::kThreads)
    gemm_tf32(const __grid_constant__ GemmArgs g, int steps, int splits) {
  Tiled t(g, dynamic_shared<float>());
  const GemmSteps mine = start_tile(t, steps, splits);
  float sums[Tiled::kM][Tiled::kN][4] = {};
  multiply_steps(t, mine.count, sums);
  __syncthreads();
  end_tile(t, splits, mine.rank, sums);
}

template <class Tiled>
cudaError_t launch_tf32(const GemmArgs& g, int splits, cudaStream_t stream) {
  return launch_tiles<Tiled>(gemm_tf32<Tiled>, Tiled::kShared, g, splits, stream);
}

/// Of kGemmTf32Tiles[kNumber], with warps of WM rows and WN columns.
template <GemmForm kForm, int kNumber, int WM, int WN>
cudaError_t launch_tf32_number(const GemmArgs& g, int splits, cudaStream_t stream) {
  constexpr int kTile = kGemmTf32Tiles[kNumber];
  constexpr GemmTile kSize = kGemmTiles[kTile];
  return launch_tf32<GemmTiledTf32<kForm, kSize.rows, kSize.columns, WM, WN, kGemmStages[kTile]>>(g, splits, stream);
}

template <GemmForm kForm>
cudaError_t launch_tf32_tile(const GemmArgs& g, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_tf32_number<kForm, 0, 64, 32>(g, splits, stream);
    case 1:
      return launch_tf32_number<kForm, 1, 32, 32>(g, splits, stream);
    case 2:
      return launch_tf32_number<kForm, 2, 16, 16>(g, splits, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t gemm_tensor_core_conv_tf32(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  return launch_tf32_tile<GemmForm::kConv>(a, tile, splits, stream);
}
cudaError_t gemm_tensor_core_by_rows_tf32(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  return launch_tf32_tile<GemmForm::kRows>(a, tile, splits, stream);
}
cudaError_t gemm_tensor_core_by_columns_tf32(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  return launch_tf32_tile<GemmForm::kColumns>(a, tile, splits, stream);
}

}  // namespace tenon::cuda
