// The products of gemm_tensor_core.h on Hopper (compute capability 9.0 alone), fed by the copy engine: blocks stay and
// go from tile to tile, one warp copies ahead while groups of four warps multiply and finish.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

/// A tile of y. Groups of warps do it together, 64 rows or 128 each, or, if they `alternate`, each of two does every
/// other tile: one finishes its tile while the other multiplies.
struct TmaTile {
  int rows, columns;
  bool alternate;
};
inline constexpr TmaTile kTmaTiles[] = {{128, 192, true},  {128, 192, false}, {192, 192, false}, {128, 256, false},
                                        {256, 128, false}, {192, 128, false}, {128, 128, true},  {192, 64, false},
                                        {128, 64, true},   {64, 128, true},   {192, 192, false}};
inline constexpr int kTmaTileCount = int(sizeof kTmaTiles / sizeof *kTmaTiles);

/// Whether the epilogue is one of those that gemm_tma does.
bool gemm_tma_does(const Epilogue& e);
/// Whether the copy engine takes these operands; conv as in gemm_tma. Looks at shapes, and at addresses that are set.
bool gemm_tma_takes(const GemmArgs& a, bool conv);
/// As gemm_tensor_core_conv, or as gemm_tensor_core_by_rows; arguments are such that gemm_tma_does and gemm_tma_takes,
/// and the batch has one axis at most. `cluster` blocks, 1 or 2, share what they read of a or b. `blocks` are how many
/// the GPU runs at a time.
cudaError_t gemm_tma(const GemmArgs& a, Elem type, bool conv, int tile, int cluster, int blocks, cudaStream_t stream);
cudaError_t gemm_tma_f16(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream);
cudaError_t gemm_tma_bf16(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream);

}  // namespace tenon::cuda
