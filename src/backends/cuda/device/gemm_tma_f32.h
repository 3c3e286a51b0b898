// The f32 products of gemm_tensor_core.h on Hopper (compute capability 9.0 alone), fed by the copy engine: blocks stay
// and go from tile to tile, one warp copies ahead while groups of four warps multiply and finish.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

/// Tiles of y, of products to f32's accuracy and of operands rounded to TF32.
inline constexpr GemmTile kTmaF32Tiles[] = {{128, 128}, {128, 64}};
inline constexpr GemmTile kTmaTf32Tiles[] = {{128, 256}, {256, 128}, {128, 128}, {128, 64}};
inline constexpr int kTmaF32TileCount = int(sizeof kTmaF32Tiles / sizeof *kTmaF32Tiles);
inline constexpr int kTmaTf32TileCount = int(sizeof kTmaTf32Tiles / sizeof *kTmaTf32Tiles);

/// Whether the copy engine takes these operands; conv as in gemm_tma_f32. Looks at shapes, and at addresses that are
/// set.
bool gemm_tma_f32_takes(const GemmArgs& a, bool conv);
/// As gemm_tensor_core_conv, or as gemm_tensor_core_by_rows; arguments are such that gemm_tma_f32_takes, b is finite,
/// and the batch has one axis at most. `cluster` blocks, 1 or 2, share what they read of a or b. `blocks` are how many
/// the GPU runs at a time.
cudaError_t gemm_tma_f32(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream);
/// The same of operands rounded to TF32; those of b are rounded already, else they are cut off.
cudaError_t gemm_tma_tf32(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream);

}  // namespace tenon::cuda
