// Convolutions of few channels on Hopper's tensor cores, f16 and bf16: the first of a network. The result is channels
// last, x of any order.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Weights as 16-bit elements [column tile][step][2][columns / 8][8][8]: of a step's 16 k, which are four neighbouring
/// taps of four channels in a row of the window, the eights of k, the eights of columns, a column, k. Column q of a
/// tile is stem_column(q) of the result, so that a thread holds neighbouring columns. A row of the window starts with
/// `shift` taps of zero and is filled up with zeros to a multiple of four taps, as are channels to four.
struct StemWgmmaArgs {
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  int64_t x_image = 0, x_channel = 0, x_depth = 0;  ///< elements from one to the next
  int x_row = 0, x_column = 0;
  bool pairs = false;    ///< two neighbouring elements of a row may be read at once
  bool vectors = false;  ///< 16-byte accesses to y are aligned
  int c = 0, in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, pad[3] = {0, 0, 0}, kernel[3] = {1, 1, 1};
  int stride = 1;        ///< of rows and columns: 1, 2 or 4
  int stride_depth = 1;  ///< of depths
  int columns = 0;       ///< channels of the result, a multiple of 8
  int tile_columns = 0;  ///< 32 or 64
  int64_t y_pitch = 0;
  int images = 0;
  Epilogue epilogue;  ///< without another operand

  // Made by plan_stem().
  int shift = 0;      ///< 1 if the patch starts one pixel before the first window, so that pairs are aligned
  int row_steps = 0;  ///< of four taps a row of the window
  int blocks = 0;     ///< of 64 pixels, side by side, a tile
  int patch_rows = 0, patch_units = 0, row_bytes = 0, stages = 0;
  int shared = 0;         ///< bytes
  int blocks_per_sm = 1;  ///< that fit
};

inline constexpr int kStemMostStages = 4;
constexpr int stem_column(int q) { return q / 32 * 32 + q % 8 / 2 * 8 + q / 8 % 4 * 2 + q % 2; }
constexpr int stem_steps(const StemWgmmaArgs& a) { return a.kernel[0] * a.kernel[1] * a.row_steps; }
/// Rows and columns of the 64 pixels that a product does.
constexpr int stem_block_rows(int stride) { return stride == 1 ? 4 : 8; }
constexpr int stem_block_columns(int stride) { return stride == 1 ? 16 : 8; }
/// Pairs of pixels from one block to the next.
constexpr int stem_block_units(int stride) { return stride == 4 ? 16 : 8; }
/// Fills in the plan, with `blocks` a tile or, if that is 0, as many as should be fastest; false if it does not fit
/// into `shared_bytes` of shared memory.
bool plan_stem(StemWgmmaArgs& a, int multiprocessors, int64_t shared_bytes, int blocks = 0);
cudaError_t conv_stem_wgmma(const StemWgmmaArgs& a, Elem type, int multiprocessors, cudaStream_t stream);

}  // namespace tenon::cuda
