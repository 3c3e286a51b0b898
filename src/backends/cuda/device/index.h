// Positions in strided tensors.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backends/cuda/fast_divide.h"

namespace tenon::cuda {

/// Most axes that device code walks, after neighbouring ones have been merged.
constexpr int kAxes = 8;
/// Elements of one tensor are counted in 31 bits, with room for what the last block counts beyond.
constexpr int64_t kMaxElements = (int64_t(1) << 31) - (1 << 16);

/// Sizes of up to kAxes axes, the innermost one first; unused ones are 1.
struct Extents {
  int rank = 0;
  Divisor size[kAxes];
};
/// Strides that belong to Extents, in elements.
struct Strides {
  int64_t of[kAxes] = {};
};

#ifdef __CUDACC__
/// The place of row-major index `i`.
__device__ __forceinline__ int64_t place(const Extents& e, const Strides& s, uint32_t i) {
  int64_t at = 0;
  for (int d = 0; d + 1 < e.rank; ++d) at += int64_t(e.size[d].take(i)) * s.of[d];
  return e.rank ? at + int64_t(i) * s.of[e.rank - 1] : at;
}
#endif

}  // namespace tenon::cuda
