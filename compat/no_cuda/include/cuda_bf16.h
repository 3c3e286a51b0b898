/* bfloat16 numbers with arithmetic on the host: each operation in float, rounded to nearest, ties to even. */
#ifndef TENON_NO_CUDA_CUDA_BF16_H
#define TENON_NO_CUDA_CUDA_BF16_H

#include "cuda_fp16.h"

typedef struct {
  unsigned short x;
} __nv_bfloat16_raw;

#if defined(__cplusplus)

namespace tenon_no_cuda {

inline unsigned short to_bfloat16(float value) {
  unsigned const bits = bits_of(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0x7fffu;
  }
  return static_cast<unsigned short>(round_shift(bits, 16u));
}

}  // namespace tenon_no_cuda

struct __nv_bfloat16 {
  __nv_bfloat16() = default;
  __nv_bfloat16(__nv_bfloat16_raw raw) : __x(raw.x) {}
  __nv_bfloat16(float value) : __x(tenon_no_cuda::to_bfloat16(value)) {}
  __nv_bfloat16(double value) : __x(tenon_no_cuda::to_bfloat16(static_cast<float>(value))) {}
  __nv_bfloat16(int value) : __x(tenon_no_cuda::to_bfloat16(static_cast<float>(value))) {}
  operator float() const { return tenon_no_cuda::float_of(static_cast<unsigned>(__x) << 16); }
  operator __nv_bfloat16_raw() const {
    __nv_bfloat16_raw raw = {__x};
    return raw;
  }

 protected:
  unsigned short __x;
};

struct __nv_bfloat162 {
  __nv_bfloat162() = default;
  __nv_bfloat162(__nv_bfloat16 low, __nv_bfloat16 high) : x(low), y(high) {}
  __nv_bfloat16 x, y;
};

typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

inline float __bfloat162float(__nv_bfloat16 a) { return static_cast<float>(a); }
inline __nv_bfloat16 __float2bfloat16(float a) { return __nv_bfloat16(a); }
inline __nv_bfloat16 __float2bfloat16_rn(float a) { return __nv_bfloat16(a); }
inline __nv_bfloat16 __double2bfloat16(double a) { return __nv_bfloat16(a); }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  __nv_bfloat16_raw raw = {bits};
  return __nv_bfloat16(raw);
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) { return static_cast<__nv_bfloat16_raw>(a).x; }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return __nv_bfloat162(__nv_bfloat16(a), __nv_bfloat16(b));
}
inline float __low2float(__nv_bfloat162 a) { return __bfloat162float(a.x); }
inline float __high2float(__nv_bfloat162 a) { return __bfloat162float(a.y); }

#define TENON_BFLOAT16_OPERATION(symbol, name)                                                           \
  inline __nv_bfloat16 operator symbol(__nv_bfloat16 a, __nv_bfloat16 b) {                               \
    return __nv_bfloat16(__bfloat162float(a) symbol __bfloat162float(b));                                \
  }                                                                                                      \
  inline __nv_bfloat16& operator symbol##=(__nv_bfloat16& a, __nv_bfloat16 b) { return a = a symbol b; } \
  inline __nv_bfloat16 name(__nv_bfloat16 a, __nv_bfloat16 b) { return a symbol b; }
TENON_BFLOAT16_OPERATION(+, __hadd)
TENON_BFLOAT16_OPERATION(-, __hsub)
TENON_BFLOAT16_OPERATION(*, __hmul)
TENON_BFLOAT16_OPERATION(/, __hdiv)
#undef TENON_BFLOAT16_OPERATION

#define TENON_BFLOAT16_COMPARISON(symbol, name)                   \
  inline bool operator symbol(__nv_bfloat16 a, __nv_bfloat16 b) { \
    return __bfloat162float(a) symbol __bfloat162float(b);        \
  }                                                               \
  inline bool name(__nv_bfloat16 a, __nv_bfloat16 b) { return a symbol b; }
TENON_BFLOAT16_COMPARISON(==, __heq)
TENON_BFLOAT16_COMPARISON(!=, __hne)
TENON_BFLOAT16_COMPARISON(<, __hlt)
TENON_BFLOAT16_COMPARISON(<=, __hle)
TENON_BFLOAT16_COMPARISON(>, __hgt)
TENON_BFLOAT16_COMPARISON(>=, __hge)
#undef TENON_BFLOAT16_COMPARISON

#endif

#endif
