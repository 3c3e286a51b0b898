// Maximum, average and p-norm pooling over up to three spatial axes.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

enum class PoolRule : int { kMax, kAverage, kNorm };

struct PoolAxisParams {
  int in = 1, kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;
  Divisor out;
};
struct PoolParams {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t* indices = nullptr;  ///< of maxima: row-major positions in x; or null
  bool column_major = false;   ///< the spatial part of an index counts column by column
  bool channels_last = false;  ///< x and y are [N, spatial…, C], positions x_pitch and y_pitch apart; else [N, C, …]
  PoolRule rule = PoolRule::kMax;
  bool count_pads = false;
  float p = 2;
  uint32_t results = 0;  ///< elements of y
  Divisor channels;
  int64_t x_pitch = 1, y_pitch = 1;
  PoolAxisParams axes[3];  ///< depth, height, width
};
cudaError_t pool(const PoolParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
