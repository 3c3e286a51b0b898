// The products of gemm_tensor_core.h on Hopper (compute capability 9.0 alone) where tiles are few: a block does one
// tile for a part of k. Blocks of a cluster share what they copy, and add up their parts. Constant weights are on their
// way before the kernel ahead has finished.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

/// Tiles of y, and how many times 64 of k a block has on its way: as many as leave room for the next kernel's block.
struct SmallTile {
  int rows, columns, stages;
};
inline constexpr SmallTile kSmallTiles[] = {{64, 48, 7},  {64, 64, 6},  {64, 96, 5}, {64, 128, 4},
                                            {128, 48, 4}, {128, 64, 4}, {128, 96, 3}};
inline constexpr int kSmallTileCount = int(sizeof kSmallTiles / sizeof *kSmallTiles);

/// Blocks of a cluster: neighbours along the columns, which share rows of a, along the rows, which share columns of b,
/// and parts of k. Their product is 8 at most, each a power of 2.
struct SmallCluster {
  int across, down, splits;
  constexpr int blocks() const { return across * down * splits; }
};

/// Whether the copy engine takes these operands. Looks at shapes, and at addresses that are set.
bool gemm_small_takes(const GemmArgs& a);
/// As gemm_tensor_core_by_rows; arguments are such that gemm_small_takes. Each part of k is 64 at least.
cudaError_t gemm_small(const GemmArgs& a, Elem type, int tile, SmallCluster cluster, cudaStream_t stream);
cudaError_t gemm_small_f16(const GemmArgs& a, int tile, SmallCluster cluster, cudaStream_t stream);
cudaError_t gemm_small_bf16(const GemmArgs& a, int tile, SmallCluster cluster, cudaStream_t stream);

}  // namespace tenon::cuda
