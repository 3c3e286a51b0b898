// Operators that divide the elements along one axis by what they have in common: Softmax, LogSoftmax, LpNormalization.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

enum class AxisRule : int {
  kSoftmax,     ///< exp(x - max) / sum
  kLogSoftmax,  ///< x - max - log(sum)
  kL1,          ///< x / sum of |x|; zeros stay
  kL2,          ///< x / sqrt(sum of squares); zeros stay
};

/// x and y are [outer, size, inner], dense.
struct AxisRuleParams {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t outer = 1;
  int size = 1;
  int64_t inner = 1;
  AxisRule rule = AxisRule::kSoftmax;
};
cudaError_t axis_rule(const AxisRuleParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
