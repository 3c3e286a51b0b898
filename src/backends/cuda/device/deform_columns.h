// What the taps of a deformable convolution read: columns for a matrix product.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// columns [images, channels, taps, pixels] from x [images, channels, height, width] at the places of the taps, moved
/// by offset [images, groups, taps, 2 (down, right), pixels], times mask [images, groups, taps, pixels].
struct DeformParams {
  const void *x = nullptr, *offset = nullptr;
  const void* mask = nullptr;  ///< or null: ones
  void* columns = nullptr;
  int images = 0, groups = 1, channels = 1;  ///< channels of a group that is moved alike
  int height = 1, width = 1;
  Divisor out_width, pixels, kernel_width, taps;
  int stride[2] = {1, 1}, dilation[2] = {1, 1}, pad[2] = {0, 0};  ///< down, right
};
cudaError_t deform_columns(const DeformParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
