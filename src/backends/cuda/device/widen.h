// Images whose channels are copied into pieces of four: what tensor cores read of f32 images with other numbers of
// them.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/fast_divide.h"

namespace tenon::cuda {

struct WidenParams {
  const float* x = nullptr;
  float* y = nullptr;  ///< [image, row, column, pieces * 4], of whose channels those beyond `channels` are 0
  int channels = 0;
  Divisor pieces, columns, rows;                        ///< pieces of four channels, columns of a row, rows of an image
  uint32_t count = 0;                                   ///< pieces in all
  int64_t channel = 0, column = 0, row = 0, image = 0;  ///< elements between neighbours in x
};
cudaError_t widen(const WidenParams& params, cudaStream_t stream);

}  // namespace tenon::cuda
