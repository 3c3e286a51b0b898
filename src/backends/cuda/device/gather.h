// Moving elements to or from places that an index tensor names. Indices from -extent to extent - 1 are accepted; what
// an index outside that names reads as zeros and is not written.
#pragma once
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

/// An i32 or i64 tensor of positions.
struct IndexTensor {
  const void* data = nullptr;
  bool wide = true;  ///< i64
};
#ifdef __CUDACC__
/// Index `i` counted from the front, or -1 if it lies outside.
__device__ __forceinline__ int64_t front_index(const IndexTensor& t, int64_t i, int64_t extent) {
  int64_t v = t.wide ? static_cast<const int64_t*>(t.data)[i] : static_cast<const int32_t*>(t.data)[i];
  if (v < 0) v += extent;
  return v >= 0 && v < extent ? v : -1;
}
#endif

/// y[o][i] = x[o][index[i]], rows of `inner` elements; x is [outer, extent, inner].
struct GatherParams {
  const void* x = nullptr;
  IndexTensor index;
  void* y = nullptr;
  uint32_t count = 0;  ///< elements of y
  int extent = 1;
  Divisor inner, indices;
};
/// Elements of 1, 2, 4, 8 or 16 bytes.
cudaError_t gather(const GatherParams& params, int bytes, cudaStream_t stream);

/// y[i] = x[place(i) + index[i] * axis_stride], where the strides leave the gathered axis out.
struct GatherElementsParams {
  const void* x = nullptr;
  IndexTensor index;
  void* y = nullptr;
  uint32_t count = 0;
  int extent = 1;
  int64_t axis_stride = 1;
  Extents extents;  ///< of the indices
  Strides strides;  ///< in x, 0 along the axis
};
cudaError_t gather_elements(const GatherElementsParams& params, int bytes, cudaStream_t stream);

/// Rows of `depth` indices name slices of `inner` elements in x, which is batches of extents.
struct SliceParams {
  const void* x = nullptr;
  IndexTensor index;
  void* y = nullptr;
  uint32_t count = 0;  ///< elements of y
  Divisor inner, rows_a_batch;
  int depth = 1;
  int64_t batch_stride = 0;
  int extents[kAxes] = {};
  int64_t strides[kAxes] = {};
};
cudaError_t gather_slices(const SliceParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
