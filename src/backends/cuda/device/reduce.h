// Combining elements along any axes.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

enum class ReduceRule : int { kSum, kMean, kMax, kMin, kProd, kL1, kL2, kLogSum, kLogSumExp, kSumSquare };

/// Result i combines the elements at place(kept, i) + place(combined, k) for all k < count; where the innermost kept
/// axis is contiguous (`columns` > 1), result i is column i % columns of place(kept, i / columns), and `kept` leaves
/// that axis out. y is dense.
struct ReduceParams {
  const void* x = nullptr;
  void* y = nullptr;
  float* partial = nullptr;  ///< reduce_splits() x results x 2 floats, if there is more than one split
  ReduceRule rule = ReduceRule::kSum;
  uint32_t results = 0, count = 1;
  uint32_t columns = 1;
  Extents kept, combined;
  Strides kept_strides, combined_strides;
};
/// Parts that the combined elements are cut into; depends on their number alone.
int reduce_splits(const ReduceParams& params);
cudaError_t reduce(const ReduceParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
