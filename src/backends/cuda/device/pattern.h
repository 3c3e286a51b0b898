// Results whose elements follow from their positions: triangles, one-hot vectors, ranges, reversed sequences.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

/// y = x within the triangle column - row >= k (upper) or <= k, zeros elsewhere; x is [outer, rows, columns].
struct TriangleParams {
  const void* x = nullptr;
  void* y = nullptr;
  const int64_t* diagonal = nullptr;  ///< k in device memory, or null: `k`
  int64_t k = 0;
  bool upper = true;
  uint32_t count = 0;
  Divisor rows, columns;
};
cudaError_t triangle(const TriangleParams& params, int bytes, cudaStream_t stream);

/// y [rows, columns] is 1 on diagonal k, else 0.
struct EyeParams {
  void* y = nullptr;
  Plain type = Plain::kF32;
  int64_t k = 0;
  uint32_t count = 0;
  Divisor columns;
};
cudaError_t eye(const EyeParams& params, cudaStream_t stream);

/// y[o][d][i] = values[1] where d is index[o][i] counted from the front, else values[0].
struct OneHotParams {
  const void *indices = nullptr, *values = nullptr;
  void* y = nullptr;
  Plain index_type = Plain::kI64;
  uint32_t count = 0;
  Divisor depth, inner;
};
cudaError_t one_hot(const OneHotParams& params, int bytes, cudaStream_t stream);

/// y[i] = start + i * delta.
struct RangeParams {
  const void *start = nullptr, *delta = nullptr;
  void* y = nullptr;
  Plain type = Plain::kI64;
  uint32_t count = 0;
};
cudaError_t range(const RangeParams& params, cudaStream_t stream);

/// The first lengths[b] entries along the time axis reversed, of each entry b of the batch axis.
struct ReverseParams {
  const void *x = nullptr, *lengths = nullptr;
  void* y = nullptr;
  Plain length_type = Plain::kI64;
  uint32_t count = 0;
  Divisor batch_stride, batch, time_stride, time;
};
cudaError_t reverse_sequence(const ReverseParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
