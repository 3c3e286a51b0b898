// Products of few rows by constant weights on Hopper (compute capability 9.0 alone), f16 and bf16: weights are the left
// operand, so that tiles have any eights of rows, 136 of them: what fills the GPU once with images of 65 or 130 pixels.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// y[row, column] = epilogue(sum over k of x[row, k] w[column, k]); the epilogue is one that turned_does(). Pitches are
/// multiples of 8, addresses of 16 bytes; w has rows of `w_pitch`, zeros behind `depth`.
struct TurnedArgs {
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  int64_t x_pitch = 0, w_pitch = 0, y_pitch = 0;
  int rows = 0, columns = 0, depth = 0;
  Epilogue epilogue;
};
inline constexpr int kTurnedRows = 136;
/// Columns of a tile.
inline constexpr int kTurnedColumns[] = {128, 256};
inline constexpr int kTurnedCount = int(sizeof kTurnedColumns / sizeof *kTurnedColumns);
/// `columns` is one of kTurnedColumns. `blocks` are how many the GPU runs at a time.
cudaError_t gemm_turned(const TurnedArgs& a, Elem type, int columns, int blocks, cudaStream_t stream);

}  // namespace tenon::cuda
