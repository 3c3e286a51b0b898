// Writing updates to places that an index tensor names. Several updates of one place are taken in their order, whatever
// order the hardware runs in. Indices outside [-extent, extent) are not written.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/gather.h"

namespace tenon::cuda {

enum class ScatterRule : int { kNone, kAdd, kMul, kMax, kMin };

/// Update u of `updates` goes to the place that its indices name, each of `inner` elements. With depth 0
/// (ScatterElements) update u has one index and goes to place(u) + index * axis_stride; else it has `depth` of them and
/// goes to the sum of index * strides. Places are counted in slices of `inner` elements.
struct ScatterParams {
  const void* data = nullptr;  ///< null: zeros
  IndexTensor index;
  const void* updates = nullptr;
  void* y = nullptr;
  int *head = nullptr, *next = nullptr;  ///< space: an int a place, and one an update
  ScatterRule rule = ScatterRule::kNone;
  Plain type = Plain::kF32;  ///< used where the rule is not kNone
  uint32_t update_count = 0, places = 0;
  Divisor inner;
  int depth = 0;
  int extents[kAxes] = {};
  int64_t strides[kAxes] = {};
  int64_t axis_stride = 1;
  Extents walk;
  Strides walk_strides;
  bool walk_index = false;  ///< with depth 0: an update goes to place(index) instead
};
/// Elements of `bytes` bytes; y becomes a copy of the data first.
cudaError_t scatter(const ScatterParams& params, int bytes, cudaStream_t stream);

/// TensorScatter: y = cache, then y[o][first[o / rows_a_batch] + s] = update[o][s], in slices of `inner` elements.
struct CacheWriteParams {
  const void *cache = nullptr, *update = nullptr;
  IndexTensor first;  ///< data may be null: zeros
  void* y = nullptr;
  int64_t y_bytes = 0;
  uint32_t count = 0;  ///< elements of the update
  Divisor inner, length, rows_a_batch;
  int room = 1;
  bool circular = false;
};
cudaError_t cache_write(const CacheWriteParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
