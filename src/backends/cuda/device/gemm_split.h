// The products of gemm_tensor_core.h on Hopper (compute capability 9.0 alone), fed by the copy engine, for few tiles:
// the blocks of a cluster share k, and every block finishes some columns of the tile.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

/// Tiles of y that a cluster does, that of 128 columns only of several blocks.
inline constexpr GemmTile kSplitTiles[] = {{64, 32}, {64, 64}, {64, 128}};
inline constexpr int kSplitTileCount = int(sizeof kSplitTiles / sizeof *kSplitTiles);
/// The first of those tiles: what gemm_split_scaled does.
inline constexpr int kScaledTileCount = 2;
/// Factors of a's elements: values[row / pixels][k], dense, of a's type. The products are rounded to it.
struct RowFactors {
  const void* values = nullptr;
  Divisor pixels;
  int depth = 0;
};
/// Stages of a block, at most.
inline constexpr int kMostSplitStages = 24;
/// Blocks that share k, at most.
inline constexpr int kMostSplits = 8;

/// Whether the epilogue is one of those that gemm_split, or gemm_split_scaled, does.
bool gemm_split_does(const Epilogue& e, bool scaled);
/// Stages of 64 of k that a block keeps, and its shared memory.
struct SplitMemory {
  int stages;
  int64_t bytes;
};
/// For `steps` times 64 of k, where a block may have `most` bytes. Blocks of this kernel and of the next share a
/// multiprocessor if they can. No stages if there is no room.
SplitMemory gemm_split_memory(int tile, int splits, int64_t steps, int64_t most);
/// As gemm_tma, for a batch of one: arguments are such that gemm_split_does and gemm_tma_takes, there are at least
/// `splits` times 64 of k, and there is room in the `most` bytes of shared memory that a block may have.
cudaError_t gemm_split(const GemmArgs& a, Elem type, bool conv, int tile, int splits, int64_t most,
                       cudaStream_t stream);
/// The same for a plain matrix whose elements are multiplied by factors.
cudaError_t gemm_split_scaled(const GemmArgs& a, const RowFactors& factors, Elem type, int tile, int splits,
                              int64_t most, cudaStream_t stream);
cudaError_t gemm_split_f16(const GemmArgs& a, bool conv, int tile, int splits, int64_t most, cudaStream_t stream);
cudaError_t gemm_split_bf16(const GemmArgs& a, bool conv, int tile, int splits, int64_t most, cudaStream_t stream);
cudaError_t gemm_split_scaled_f16(const GemmArgs& a, const RowFactors& factors, int tile, int splits, int64_t most,
                                  cudaStream_t stream);
cudaError_t gemm_split_scaled_bf16(const GemmArgs& a, const RowFactors& factors, int tile, int splits, int64_t most,
                                   cudaStream_t stream);

}  // namespace tenon::cuda
