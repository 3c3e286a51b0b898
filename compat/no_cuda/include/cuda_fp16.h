/* Half-precision numbers with arithmetic on the host: each operation in float, rounded to nearest, ties to even. */
#ifndef TENON_NO_CUDA_CUDA_FP16_H
#define TENON_NO_CUDA_CUDA_FP16_H

#include "cuda_runtime_api.h"
#include "vector_types.h"

typedef struct {
  unsigned short x;
} __half_raw;
typedef struct {
  unsigned short x, y;
} __half2_raw;

#if defined(__cplusplus)
#include <cmath>
#include <cstring>

namespace tenon_no_cuda {

inline unsigned bits_of(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float float_of(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// `value` / 2^shift, rounded to nearest, ties to even; shift from 1 to 31.
inline unsigned round_shift(unsigned value, unsigned shift) {
  unsigned const kept = value >> shift, rest = value & ((1u << shift) - 1u), half = 1u << (shift - 1u);
  return kept + (rest > half || (rest == half && (kept & 1u)) ? 1u : 0u);
}

inline unsigned short to_half(float value) {
  unsigned const bits = bits_of(value), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  unsigned result;
  if (magnitude > 0x7f800000u) {
    result = 0x7fffu;
  } else if (magnitude >= 0x477ff000u) {
    result = 0x7c00u;  // rounds past the greatest finite number
  } else if (magnitude >= 0x38800000u) {
    result = round_shift(magnitude - 0x38000000u, 13u);
  } else if (magnitude > 0x33000000u) {
    unsigned const exponent = magnitude >> 23, mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    result = round_shift(mantissa, 126u - exponent);  // subnormal: units of 2^-24
  } else {
    result = 0u;
  }
  return static_cast<unsigned short>(sign | result);
}

inline float to_float(unsigned short half) {
  unsigned const sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31u, mantissa = half & 0x3ffu;
  if (exponent == 31u) {
    return float_of(sign | 0x7f800000u | (mantissa << 13));
  }
  if (exponent == 0u) {
    float const magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return sign ? -magnitude : magnitude;
  }
  return float_of(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace tenon_no_cuda

struct __half {
  __half() = default;
  __half(__half_raw raw) : __x(raw.x) {}
  __half(float value) : __x(tenon_no_cuda::to_half(value)) {}
  __half(double value) : __x(tenon_no_cuda::to_half(static_cast<float>(value))) {}
  __half(int value) : __x(tenon_no_cuda::to_half(static_cast<float>(value))) {}
  __half(unsigned value) : __x(tenon_no_cuda::to_half(static_cast<float>(value))) {}
  __half(long value) : __x(tenon_no_cuda::to_half(static_cast<float>(value))) {}
  __half(unsigned long value) : __x(tenon_no_cuda::to_half(static_cast<float>(value))) {}
  operator float() const { return tenon_no_cuda::to_float(__x); }
  operator __half_raw() const {
    __half_raw raw = {__x};
    return raw;
  }

 protected:
  unsigned short __x;
};

struct __half2 {
  __half2() = default;
  __half2(__half low, __half high) : x(low), y(high) {}
  __half x, y;
};

typedef __half half;
typedef __half2 half2;

inline float __half2float(__half a) { return static_cast<float>(a); }
inline __half __float2half(float a) { return __half(a); }
inline __half __float2half_rn(float a) { return __half(a); }
inline __half __double2half(double a) { return __half(a); }
inline __half __int2half_rn(int a) { return __half(a); }
inline __half __uint2half_rn(unsigned a) { return __half(a); }
inline int __half2int_rn(__half a) { return static_cast<int>(std::nearbyint(__half2float(a))); }
inline int __half2int_rz(__half a) { return static_cast<int>(__half2float(a)); }
inline __half __ushort_as_half(unsigned short bits) {
  __half_raw raw = {bits};
  return __half(raw);
}
inline unsigned short __half_as_ushort(__half a) { return static_cast<__half_raw>(a).x; }
inline __half __short_as_half(short bits) { return __ushort_as_half(static_cast<unsigned short>(bits)); }
inline short __half_as_short(__half a) { return static_cast<short>(__half_as_ushort(a)); }

#define TENON_HALF_OPERATION(symbol, name)                                                                     \
  inline __half operator symbol(__half a, __half b) { return __half(__half2float(a) symbol __half2float(b)); } \
  inline __half& operator symbol##=(__half& a, __half b) { return a = a symbol b; }                            \
  inline __half name(__half a, __half b) { return a symbol b; }                                                \
  inline __half2 operator symbol(__half2 a, __half2 b) { return __half2(a.x symbol b.x, a.y symbol b.y); }     \
  inline __half2& operator symbol##=(__half2& a, __half2 b) { return a = a symbol b; }                         \
  inline __half2 name##2(__half2 a, __half2 b) { return a symbol b; }
TENON_HALF_OPERATION(+, __hadd)
TENON_HALF_OPERATION(-, __hsub)
TENON_HALF_OPERATION(*, __hmul)
TENON_HALF_OPERATION(/, __hdiv)
#undef TENON_HALF_OPERATION
inline __half2 __h2div(__half2 a, __half2 b) { return a / b; }

#define TENON_HALF_COMPARISON(symbol, name)                                                          \
  inline bool operator symbol(__half a, __half b) { return __half2float(a) symbol __half2float(b); } \
  inline bool name(__half a, __half b) { return a symbol b; }
TENON_HALF_COMPARISON(==, __heq)
TENON_HALF_COMPARISON(!=, __hne)
TENON_HALF_COMPARISON(<, __hlt)
TENON_HALF_COMPARISON(<=, __hle)
TENON_HALF_COMPARISON(>, __hgt)
TENON_HALF_COMPARISON(>=, __hge)
#undef TENON_HALF_COMPARISON

inline __half operator+(__half a) { return a; }
inline __half operator-(__half a) {
  return __ushort_as_half(static_cast<unsigned short>(__half_as_ushort(a) ^ 0x8000u));
}
inline __half __hneg(__half a) { return -a; }
inline __half __habs(__half a) { return __ushort_as_half(static_cast<unsigned short>(__half_as_ushort(a) & 0x7fffu)); }
inline bool __hisnan(__half a) { return (__half_as_ushort(a) & 0x7fffu) > 0x7c00u; }
/// 1 for infinity, -1 for minus infinity, else 0.
inline int __hisinf(__half a) { return __half_as_ushort(a) == 0x7c00u ? 1 : __half_as_ushort(a) == 0xfc00u ? -1 : 0; }
/// Rounded through double and float.
inline __half __hfma(__half a, __half b, __half c) {
  return __half(static_cast<float>(std::fma(static_cast<double>(__half2float(a)), static_cast<double>(__half2float(b)),
                                            static_cast<double>(__half2float(c)))));
}
inline __half __hmax(__half a, __half b) { return __half(std::fmax(__half2float(a), __half2float(b))); }
inline __half __hmin(__half a, __half b) { return __half(std::fmin(__half2float(a), __half2float(b))); }

#define TENON_HALF_FUNCTION(name, function) \
  inline __half name(__half a) { return __half(std::function(__half2float(a))); }
TENON_HALF_FUNCTION(hsqrt, sqrt)
TENON_HALF_FUNCTION(hexp, exp)
TENON_HALF_FUNCTION(hlog, log)
TENON_HALF_FUNCTION(hsin, sin)
TENON_HALF_FUNCTION(hcos, cos)
TENON_HALF_FUNCTION(hceil, ceil)
TENON_HALF_FUNCTION(hfloor, floor)
TENON_HALF_FUNCTION(hrint, nearbyint)
TENON_HALF_FUNCTION(htrunc, trunc)
#undef TENON_HALF_FUNCTION
inline __half hrcp(__half a) { return __half(1.0f / __half2float(a)); }
inline __half hrsqrt(__half a) { return __half(1.0f / std::sqrt(__half2float(a))); }

inline __half2 __floats2half2_rn(float a, float b) { return __half2(__half(a), __half(b)); }
inline __half2 __float22half2_rn(float2 a) { return __floats2half2_rn(a.x, a.y); }
inline __half2 __float2half2_rn(float a) { return __floats2half2_rn(a, a); }
inline __half2 __halves2half2(__half a, __half b) { return __half2(a, b); }
inline __half2 __half2half2(__half a) { return __half2(a, a); }
inline float2 __half22float2(__half2 a) { return make_float2(__half2float(a.x), __half2float(a.y)); }
inline __half __low2half(__half2 a) { return a.x; }
inline __half __high2half(__half2 a) { return a.y; }
inline float __low2float(__half2 a) { return __half2float(a.x); }
inline float __high2float(__half2 a) { return __half2float(a.y); }
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) {
  return __half2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));
}
inline __half2 make_half2(__half a, __half b) { return __half2(a, b); }

#endif

#endif
