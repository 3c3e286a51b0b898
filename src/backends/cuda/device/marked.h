// Elements other than zero: where they are, and the entries of an axis that they choose. How many there are stays on
// the device; results are as dense as that makes them, in memory for the most.
#pragma once
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

/// Elements in row-major order.
struct MarkedParams {
  const void* x = nullptr;
  int bytes = 1;                 ///< of an element: 1, 2, 4 or 8
  uint64_t bits = ~uint64_t(0);  ///< those that make an element other than zero; without the sign of a number
  uint32_t count = 0;
  uint32_t* before = nullptr;      ///< scratch: marked_tiles(count) + 1 numbers; the last is how many were found
  int64_t* found = nullptr;        ///< gets that number too, unless null
  uint32_t* positions = nullptr;   ///< gets the indices of what is found; or, if null,
  int64_t* coordinates = nullptr;  ///< gets them along each axis of `extents`, the outermost first: [rank, found]
  Extents extents;
};
int marked_tiles(int64_t count);
cudaError_t find_marked(const MarkedParams& params, cudaStream_t stream);

/// y[o][j][u] = x[o][positions[j]][u] for j below *found, in units of memory.
struct TakeParams {
  const void* x = nullptr;
  void* y = nullptr;
  const uint32_t* positions = nullptr;
  const uint32_t* chosen = nullptr;  ///< how many positions
  int64_t* found = nullptr;          ///< gets that number, or -1 if a position is beyond the axis
  uint32_t outer = 1, entries = 1;   ///< of x: [outer, entries, units]
  Divisor units;
  int unit_bytes = 1;  ///< 1, 2, 4, 8 or 16
  int64_t most = 0;    ///< units of y
};
cudaError_t take_marked(const TakeParams& params, cudaStream_t stream);

}  // namespace tenon::cuda
