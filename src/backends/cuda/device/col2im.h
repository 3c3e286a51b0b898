// Col2Im: columns of sliding blocks added up to an image.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// As ColumnAxis of backends/col2im_geometry.h.
struct Col2ImAxis {
  Divisor image, stride;
  int block = 1, positions = 1, dilation = 1, begin = 0;
};
/// y [planes, image] from x [planes, taps of a block, positions]; taps are added in their order.
struct Col2ImParams {
  const void* x = nullptr;
  void* y = nullptr;
  uint32_t count = 0;  ///< elements of y
  Col2ImAxis axes[3];
};
cudaError_t col2im(const Col2ImParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
