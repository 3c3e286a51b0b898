// The products of gemm_tensor_core.h with Hopper's warpgroup instructions, for compute capability 9.0 alone.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

inline constexpr GemmTile kWgmmaTiles[] = {{128, 128}, {64, 64}, {64, 32}};
inline constexpr int kWgmma128x128 = 0;  ///< its number
inline constexpr int kWgmmaTileCount = int(sizeof kWgmmaTiles / sizeof *kWgmmaTiles);

/// As gemm_tensor_core_conv and gemm_tensor_core_by_rows.
cudaError_t gemm_wgmma_conv(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_wgmma_by_rows(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream);

}  // namespace tenon::cuda
