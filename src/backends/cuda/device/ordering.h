// Operators that compare or accumulate along one axis. x is [outer, size, inner], dense.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Position of the largest or smallest element; NaN is more extreme than any number.
struct ArgParams {
  const void* x = nullptr;
  int64_t* y = nullptr;
  int64_t outer = 1;
  int size = 1;
  int64_t inner = 1;
  bool max = true, last = false;  ///< last: of equal ones the last
  bool numbers = false;           ///< NaN counts only where it stands first
};
cudaError_t arg_extreme(const ArgParams& params, Elem type, cudaStream_t stream);

/// The first k elements in order of value, equal ones in order of position; NaN counts as largest.
struct TopKParams {
  const void* x = nullptr;
  void* values = nullptr;
  int64_t* indices = nullptr;  ///< or null
  void* space = nullptr;       ///< top_k_space() bytes
  int64_t outer = 1;
  int size = 1, k = 1;
  int64_t inner = 1;
  bool largest = true;
};
/// Most elements of a line that are ordered at once; longer lines take k of at most half as many.
constexpr int kTopKLine = 4096;
int64_t top_k_space(const TopKParams& params);
cudaError_t top_k(const TopKParams& params, Elem type, cudaStream_t stream);

/// Sums or products of all elements up to each.
struct CumulativeParams {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t outer = 1;
  int size = 1;
  int64_t inner = 1;
  bool product = false, exclusive = false, reverse = false;
  Plain type = Plain::kF32;
};
cudaError_t cumulative(const CumulativeParams& params, cudaStream_t stream);

}  // namespace tenon::cuda
