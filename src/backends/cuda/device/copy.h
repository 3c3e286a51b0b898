// Copies between strided views.
#pragma once
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

/// to[place(i)] = from[place(i)] for i < count.
struct CopySegment {
  const void* from = nullptr;
  void* to = nullptr;
  uint32_t count = 0;
  Extents extents;
  Strides from_strides, to_strides;
};
constexpr int kCopySegments = 8;

/// Up to kCopySegments independent copies of elements of `bytes` bytes (1, 2, 4, 8, 16), to which all addresses are
/// aligned, in one launch.
cudaError_t copy_strided(const CopySegment* segments, int count, int bytes, cudaStream_t stream);

/// to[place(outer) + c * to_column + r] = from[place(outer) + r * from_row + c]: rows become columns.
struct TransposeParams {
  const void* from = nullptr;
  void* to = nullptr;
  int rows = 1, columns = 1;
  int64_t from_row = 1, to_column = 1;
  uint32_t outer = 1;
  Extents extents;  ///< of the outer index
  Strides from_strides, to_strides;
};
cudaError_t transpose(const TransposeParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
