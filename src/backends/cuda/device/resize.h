// Resize as weighted sums of taps along three axes.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// The taps of an output position that has at most two; one alone has `second_weight` 0.
struct TapPair {
  int first = 0, second = 0;
  float first_weight = 1, second_weight = 0;
};
/// Taps [begin[o], begin[o + 1]) of each output position of an axis, in device memory; none: the position is
/// extrapolated.
struct ResizeAxisParams {
  const int* begin = nullptr;
  const int* index = nullptr;
  const float* weight = nullptr;
  const TapPair* pairs = nullptr;  ///< of each position, 16-byte aligned; null if one of any axis has other taps
  int in = 1;
  Divisor out;
};
/// x is [outer, in…, inner], y is [outer, out…, inner].
struct ResizeParams {
  const void* x = nullptr;
  void* y = nullptr;
  uint32_t count = 0;  ///< elements of y
  Divisor inner;
  ResizeAxisParams axes[3];
  float outside = 0;  ///< value of extrapolated positions
};
cudaError_t resize(const ResizeParams& params, Elem type, cudaStream_t stream);
/// One tap a position, elements of 1, 2, 4, 8 or 16 bytes, nothing extrapolated.
cudaError_t resize_nearest(const ResizeParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
