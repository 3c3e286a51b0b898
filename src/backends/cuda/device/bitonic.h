// Sorting keys in shared memory.
#pragma once
#include <cstdint>

namespace tenon::cuda {

/// A key whose order is that of the results: by value, equal ones by position; NaN counts as largest.
__device__ __forceinline__ uint64_t ordered_key(float v, bool largest, uint32_t at) {
  if (v == 0) v = 0;  // both zeros are equal
  uint32_t bits = v != v ? 0x7fffffffu : __float_as_uint(v);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;  // in the order of values
  return uint64_t(largest ? ~bits : bits) << 32 | at;
}

/// Batcher's bitonic sort of `width` keys, a power of two, by all threads of a block. Synchronizes before and after.
template <int kThreads>
__device__ __forceinline__ void sort_shared(uint64_t* key, int width) {
  for (int size = 2; size <= width; size *= 2)
    for (int stride = size / 2; stride > 0; stride /= 2) {
      __syncthreads();
      for (int j = threadIdx.x; j < width / 2; j += kThreads) {
        const int a = 2 * j - (j & (stride - 1)), b = a + stride;
        const bool up = (a & size) == 0;
        const uint64_t u = key[a], v = key[b];
        if ((u > v) == up) {
          key[a] = v;
          key[b] = u;
        }
      }
    }
  __syncthreads();
}

}  // namespace tenon::cuda
