// The products of gemm_tensor_core.h for f32 operands that are rounded to TF32.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

/// Those of kGemmTiles that products of operands rounded to TF32 have.
inline constexpr int kGemmTf32Tiles[] = {0, 2, 5};
inline constexpr int kGemmTf32TileCount = int(sizeof kGemmTf32Tiles / sizeof *kGemmTf32Tiles);
/// As gemm_tensor_core_conv and so on; `tile` is a number of kGemmTf32Tiles.
cudaError_t gemm_tensor_core_conv_tf32(const GemmArgs& a, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_tensor_core_by_rows_tf32(const GemmArgs& a, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_tensor_core_by_columns_tf32(const GemmArgs& a, int tile, int splits, cudaStream_t stream);

}  // namespace tenon::cuda
