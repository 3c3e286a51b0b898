// The f32 products of gemm_tensor_core.h with Hopper's warpgroup instructions, for compute capability 9.0 alone.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

inline constexpr GemmTile kWgmmaF32Tiles[] = {{128, 128}, {64, 128}, {64, 64}, {64, 32}};
inline constexpr int kWgmmaF32TileCount = int(sizeof kWgmmaF32Tiles / sizeof *kWgmmaF32Tiles);

/// As gemm_tensor_core_conv and gemm_tensor_core_by_rows.
cudaError_t gemm_wgmma_f32_conv(const GemmArgs& a, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_wgmma_f32_by_rows(const GemmArgs& a, int tile, int splits, cudaStream_t stream);

}  // namespace tenon::cuda
