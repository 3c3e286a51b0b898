// Elements of memory kept as they were read, and unpacked where they are used. A value that is either read or zero
// would otherwise be unpacked, and so waited for, right after each read.
#pragma once
#include "backends/cuda/device/types.h"

namespace tenon::cuda {

template <class T, int N>
struct Words {
  static constexpr int kBytes = int(sizeof(T)) * N, kCount = kBytes > 4 ? kBytes / 4 : 1;
  uint32_t w[kCount];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) w[i] = 0;
  }
  /// All of them, at an address that is a multiple of 16 or of their size.
  __device__ __forceinline__ void read(const T* from) {
    if constexpr (kBytes >= 16) {
#pragma unroll
      for (int i = 0; i < kBytes / 16; ++i) {
        const uint4 v = reinterpret_cast<const uint4*>(from)[i];
        w[4 * i] = v.x, w[4 * i + 1] = v.y, w[4 * i + 2] = v.z, w[4 * i + 3] = v.w;
      }
    } else if constexpr (kBytes == 8) {
      const uint2 v = *reinterpret_cast<const uint2*>(from);
      w[0] = v.x, w[1] = v.y;
    } else if constexpr (kBytes == 4) {
      w[0] = *reinterpret_cast<const uint32_t*>(from);
    } else {
      w[0] = bits(*from);
    }
  }
  __device__ __forceinline__ void put(int i, T v) {
    if constexpr (sizeof(T) == 4)
      w[i] = bits(v);
    else
      w[i / 2] = i % 2 ? (w[i / 2] & 0xffffu) | bits(v) << 16 : (w[i / 2] & 0xffff0000u) | bits(v);
  }
  __device__ __forceinline__ float at(int i) const { return element(w[sizeof(T) == 4 ? i : i / 2], i % 2 != 0, T()); }

 private:
  static __device__ __forceinline__ uint32_t bits(float v) { return __float_as_uint(v); }
  static __device__ __forceinline__ uint32_t bits(__half v) { return __half_as_ushort(v); }
  static __device__ __forceinline__ uint32_t bits(__nv_bfloat16 v) { return __bfloat16_as_ushort(v); }
  static __device__ __forceinline__ float element(uint32_t word, bool, float) { return __uint_as_float(word); }
  static __device__ __forceinline__ float element(uint32_t word, bool high, __nv_bfloat16) {
    return __uint_as_float(high ? word & 0xffff0000u : word << 16);
  }
  static __device__ __forceinline__ float element(uint32_t word, bool high, __half) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(high ? word >> 16 : word & 0xffffu)));
  }
};

}  // namespace tenon::cuda
