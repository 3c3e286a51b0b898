// Convolutions of few channels on tensor cores, f16 and bf16: the first of a network. The result is channels last, x of
// either order.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Pixels of the result that a block does: rows and columns of an image.
inline constexpr int kStemRows = 8, kStemColumns = 16;
/// Most channels of the result that a block does.
inline constexpr int kStemChannels = 64;

/// k runs through the lines (depth and height) of the window and in each through `segment` neighbouring elements of a
/// row of the input, rounded up to pairs.
struct StemArgs {
  const void* x = nullptr;
  int64_t x_image = 0, x_channel = 0, x_depth = 0;  ///< elements from one to the next
  int x_row = 0, x_column = 0;
  const void* w = nullptr;      ///< fragments of 16 k by 8 columns: [step][columns / 8][lane] of four elements
  const int2* pairs = nullptr;  ///< of each pair of k: its place in the patch, and a mask of what exists
  void* y = nullptr;
  float* sums = nullptr;  ///< if not null, receives f32 sums with the bias instead of y, dense
  int c = 0, in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {0, 0, 0}, kernel[3] = {1, 1, 1};
  int columns = 0;      ///< channels of the result
  int patch_pitch = 0;  ///< elements between rows of the patch, even
  int steps = 0;        ///< of 16 k
  int64_t y_pitch = 0;
  int images = 0;
  Epilogue epilogue;
};

/// Rows of the input that a block's patch has for each depth of the window, and elements of a row that are read.
constexpr int stem_patch_rows(int stride, int kernel) { return (kStemRows - 1) * stride + kernel; }
constexpr int stem_patch_row(int stride, int kernel, int channels) {
  return ((kStemColumns - 1) * stride + kernel) * channels;
}
/// Bytes of shared memory.
size_t stem_shared_bytes(const StemArgs& a);
cudaError_t conv_stem(const StemArgs& a, Elem type, int multiprocessors, cudaStream_t stream);

}  // namespace tenon::cuda
