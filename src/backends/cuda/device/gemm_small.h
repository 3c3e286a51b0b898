// The products of gemm_tensor_core.h on Hopper (compute capability 9.0 alone) where tiles are few: a block does one
// tile for a part of k, which the blocks of a cluster add up. Constant weights are on their way before the kernel ahead
// has finished.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

/// Tiles of y of 64 rows, and how many times 64 of k a block has on its way: as many as leave room for the block of the
/// next kernel.
struct SmallTile {
  int columns, stages;
};
inline constexpr SmallTile kSmallTiles[] = {{48, 7}, {64, 6}, {96, 4}};
inline constexpr int kSmallTileCount = int(sizeof kSmallTiles / sizeof *kSmallTiles);
inline constexpr int kSmallRows = 64, kSmallMostSplits = 4;

/// Whether the epilogue is one of those that gemm_small does.
bool gemm_small_does(const Epilogue& e);
/// Whether the copy engine takes these operands, of one matrix. Looks at shapes, and at addresses that are set.
bool gemm_small_takes(const GemmArgs& a);
/// As gemm_tensor_core_by_rows; arguments are such that gemm_small_does and gemm_small_takes. `splits` blocks of a
/// cluster share k: 1, 2 or 4, each with 64 of k at least.
cudaError_t gemm_small(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_small_f16(const GemmArgs& a, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_small_bf16(const GemmArgs& a, int tile, int splits, cudaStream_t stream);

}  // namespace tenon::cuda
