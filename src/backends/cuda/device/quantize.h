// QuantizeLinear and DequantizeLinear between floating-point numbers and integers of 8 and 16 bits.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

/// Parameter of element i: 0 if there is one; else position k of the axis, cut into blocks; of blocks there is one for
/// each place around the axis.
struct QuantizeParams {
  const void *x = nullptr, *scale = nullptr, *zero = nullptr;  ///< zero may be null
  void* y = nullptr;
  Plain from = Plain::kF32, to = Plain::kI8, scale_type = Plain::kF32;
  uint32_t count = 0;
  bool one = true, blocked = false;
  Divisor inner, size, block;
  int blocks = 1;
};
/// y = saturate(round_even(x / scale) + zero)
cudaError_t quantize(const QuantizeParams& params, cudaStream_t stream);
/// y = (x - zero) * scale
cudaError_t dequantize(const QuantizeParams& params, cudaStream_t stream);

}  // namespace tenon::cuda
