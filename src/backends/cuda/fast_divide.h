// Division by a number that is known before a kernel is launched, as a multiplication (Granlund and Montgomery, 1994).
#pragma once
#include <cstdint>

namespace tenon::cuda {

/// n / d == (high 32 bits of n * magic + n) >> shift for n < 2^31 and 1 <= d < 2^31.
struct Divisor {
  uint32_t magic = 1, shift = 0, value = 1;
  Divisor() = default;
  explicit Divisor(int64_t d) : value(uint32_t(d)) {
    while ((int64_t(1) << shift) < d) ++shift;
    magic = uint32_t((((uint64_t(1) << shift) - value) << 32) / value + 1);
  }
#ifdef __CUDACC__
  __device__ __forceinline__ uint32_t divide(uint32_t n) const { return (__umulhi(n, magic) + n) >> shift; }
  /// Leaves the remainder in `n`.
  __device__ __forceinline__ uint32_t split(uint32_t& n) const {
    const uint32_t q = divide(n);
    n -= q * value;
    return q;
  }
  /// Leaves the quotient in `n` and returns the remainder.
  __device__ __forceinline__ uint32_t take(uint32_t& n) const {
    const uint32_t q = divide(n), r = n - q * value;
    n = q;
    return r;
  }
#endif
};

}  // namespace tenon::cuda
