// Padding: every element of the result is one of the data or the padding value.
#pragma once
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

enum class PadRule : int { kConstant, kReflect, kEdge, kWrap };

/// Axes innermost first, as Extents. Position c of y is position c - begin of x, which has `in` entries.
struct PadParams {
  const void* x = nullptr;
  void* y = nullptr;
  const void* value = nullptr;  ///< one element in device memory, or null: `pattern`
  alignas(16) unsigned char pattern[16] = {};
  uint32_t count = 0;
  PadRule rule = PadRule::kConstant;
  Extents out;
  Strides x_strides, y_strides;
  int begin[kAxes] = {}, in[kAxes] = {};
};
/// Elements of `bytes` bytes: 1, 2, 4, 8, 16.
cudaError_t pad(const PadParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
