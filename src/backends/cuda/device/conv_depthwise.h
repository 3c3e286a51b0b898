// Channels-last convolution of each channel with a square window of its own.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Channels that the packed weights have room for: a multiple of this.
inline constexpr int kDepthwiseChannels = 8;

struct DepthwiseArgs {
  const void* x;
  const void* w;  ///< [kernel * kernel][channels rounded up to kDepthwiseChannels], of x's type
  void* y;
  float* sums;  ///< if not null, receives f32 sums with the bias instead of y, pitch `channels`
  int channels, weights_pitch;
  int batch, in_h, in_w, out_h, out_w, pad_h, pad_w;
  int64_t x_pitch, y_pitch;  ///< elements between pixels
  Epilogue epilogue;
};

struct DepthwiseTile {
  int vector;   ///< channels a thread does
  int columns;  ///< neighbouring results of a row that a thread does
  int rows;     ///< results of a column that a thread does, one after the other
};

/// Windows of 3 or 5 and strides of 1 or 2 have kernels.
constexpr bool depthwise_has(int64_t kernel, int64_t stride) {
  return (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2);
}
/// Whether accesses of `vector` elements are possible for these operands.
bool depthwise_aligned(const DepthwiseArgs& a, Elem type, int vector);
cudaError_t conv_depthwise(const DepthwiseArgs& a, Elem type, int kernel, int stride, DepthwiseTile tile,
                           cudaStream_t stream);

}  // namespace tenon::cuda
