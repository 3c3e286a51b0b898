// Convolutions without a window of x times a factor a channel, one result a thread: for what faster kernels refuse.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

struct ScaledConvArgs {
  const void* x;      ///< [rows][depth], x_pitch apart
  const void* w;      ///< [columns][depth], w_pitch apart
  const void* scale;  ///< [rows / pixels][depth]
  void* y;
  float* sums;  ///< if not null, receives f32 sums with the bias instead of y, dense
  uint32_t results;
  int depth;
  Divisor columns, pixels;
  int64_t x_pitch, w_pitch, y_pitch;
  Epilogue epilogue;
};
cudaError_t scaled_conv(const ScaledConvArgs& args, Elem type, cudaStream_t stream);
/// y[row][k] = x[row][k] * scale[row / pixels][k] for `results` elements, x and y as in ScaledConvArgs, `columns`
/// unused.
cudaError_t scale_rows(const ScaledConvArgs& args, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
