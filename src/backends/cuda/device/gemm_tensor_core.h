// Matrix products and convolutions on tensor cores: sums in f32, K split over the blocks of a cluster. f32 operands are
// multiplied as pairs of TF32 numbers, to an f32 product's accuracy.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Packed weights have rows of k rounded up to a multiple of this.
inline constexpr int kGemmDepth = 64;

/// y[row, column] = epilogue(sum over k of a[row, k] b[k, column]), for every matrix of a batch and group.
///
/// Row r of a is a pixel of the result of a convolution: k runs through the taps of its window and, in each, through
/// `chunks` pieces of 16 bytes of channels. A plain matrix is an image of one pixel a row and a window of one tap,
/// where `depth` need not fill the last piece. Addresses and pitches of a and b are multiples of 16 bytes.
struct GemmArgs {
  const void* a = nullptr;
  int64_t a_pitch = 0;  ///< elements between pixels
  int depth = 0;        ///< k, without rounding, where there is one tap
  int chunks = 0;       ///< 16-byte pieces of channels a tap
  /// k runs through 8 chunks, then through the taps, then on to the next 8: neighbouring taps share most of their
  /// pixels, which the first-level cache then still has. Needs eights of chunks.
  bool taps_inside = false;
  int in[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  Divisor out[3];  ///< of pixels of the result

  const void* b = nullptr;
  int64_t b_pitch = 0;      ///< elements between columns if k runs fastest, else between k
  bool b_constant = false;  ///< b was written before any kernel ran: it may be read early

  void* y = nullptr;
  int64_t y_pitch = 0;
  float* sums = nullptr;  ///< if not null, receives f32 sums with the bias instead of y; rows of sums_pitch
  int64_t sums_pitch = 0;
  int rows = 0, columns = 0;  ///< of one matrix, of one group

  int groups = 1;  ///< columns g * columns … belong to the chunks g * chunks … of a pixel
  int batch = 1;   ///< matrices; those of y follow each other in its rows
  Divisor batch_inner[2];
  int64_t a_step[3] = {0, 0, 0}, b_step[3] = {0, 0, 0};  ///< elements, of the batch's three axes, the last fastest
  float alpha = 1;                                       ///< scales the sums before the bias
  Epilogue epilogue;
};

struct GemmTile {
  int rows, columns;
};
/// Tiles of y that a block does.
inline constexpr GemmTile kGemmTiles[] = {{128, 128}, {128, 64}, {64, 64}, {64, 32}, {32, 64}, {32, 32}, {16, 64}};
inline constexpr int kGemmTileCount = int(sizeof kGemmTiles / sizeof *kGemmTiles);
/// Stages of 128 bytes of k that a block of each tile keeps in shared memory, which its f32 sums take over at the end.
inline constexpr int kGemmStages[] = {4, 4, 4, 5, 5, 6, 5};
/// Bytes of shared memory that a block takes.
constexpr int64_t gemm_shared_bytes(GemmTile t, int stages) {
  const int64_t ring = int64_t(t.rows + t.columns) * 128 * stages, sums = int64_t(t.rows) * (t.columns + 8) * 4;
  return ring > sums ? ring : sums;
}

/// `splits` blocks of a cluster share k: 1, 2, 4 or 8; more than 1 needs compute capability 9.0.
/// conv: convolutions; b is packed, k fastest. by_rows: one tap, k fastest in b. by_columns: one tap, columns fastest.
cudaError_t gemm_tensor_core_conv(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_tensor_core_by_rows(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_tensor_core_by_columns(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream);

}  // namespace tenon::cuda
