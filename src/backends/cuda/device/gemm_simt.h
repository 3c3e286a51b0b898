// Matrix products and convolutions of any strides, layout and floating-point type, in f32 on the vector units. Every
// result is one chain of additions over k, whatever the tile.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// y[row, column] = epilogue(alpha * sum over k of a[row, k] b[k, column]).
///
/// A row is a pixel of a convolution's result: image, depth, height, width; k runs through the taps of the window and
/// in each through the channels. A plain matrix has images of one pixel and one tap.
struct SimtGemmArgs {
  const void* a = nullptr;
  int64_t a_image = 0, a_axis[3] = {0, 0, 0}, a_channel = 1;  ///< elements between neighbours
  int in[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  Divisor out[3], kernel[3], channels;  ///< channels of one group
  int64_t a_group = 0;                  ///< elements between groups
  bool transposed = false;

  const void* b = nullptr;
  int64_t b_column = 0, b_k = 1;

  void* y = nullptr;  ///< of a's type, or f32 sums with the bias
  bool y_is_sums = false;
  int64_t y_image = 0, y_pixel = 0, y_column = 1;
  Divisor pixels;                        ///< rows of an image of y
  int rows = 0, columns = 0, depth = 0;  ///< of one matrix, of one group

  int groups = 1, batch = 1;
  Divisor batch_inner[2];
  int64_t a_step[3] = {0, 0, 0}, b_step[3] = {0, 0, 0};  ///< of the batch's axes, the last fastest
  float alpha = 1;
  Epilogue epilogue;  ///< an extra operand needs y_column == 1
};

struct SimtTile {
  int rows, columns;
};
inline constexpr SimtTile kSimtTiles[] = {{128, 128}, {64, 64}, {32, 32}};
inline constexpr int kSimtTileCount = int(sizeof kSimtTiles / sizeof *kSimtTiles);

cudaError_t gemm_simt(const SimtGemmArgs& a, Elem type, int tile, cudaStream_t stream);

}  // namespace tenon::cuda
