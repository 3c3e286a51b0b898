// Elementary functions that activations do not need: log, sin, cos, erf, roundings.
#pragma once
#include "backends/cpu/isa/vec_math.h"

namespace tenon::isa::TENON_ISA {

TENON_INLINE Vf round_even(Vf x) {
#if defined(__AVX512F__)
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  Vf magic = with_sign(splat(8388608.f), x);  // 2^23: larger floats have no fraction
  return abs(x) < splat(8388608.f) ? with_sign((x + magic) - magic, x) : x;
#endif
}
TENON_INLINE Vf floor(Vf x) {
  Vf r = round_even(x);
  return r > x ? r - splat(1.f) : r;
}
TENON_INLINE Vf ceil(Vf x) {
  Vf r = round_even(x);
  return with_sign(abs(r < x ? r + splat(1.f) : r), x);
}

TENON_INLINE Vf sqrt(Vf x) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(x);
#else
  Vf y = x;
  for (int i = 0; i < kLanes; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

TENON_INLINE Vf log(Vf x) {
  Vi subnormal = x < splat(1.17549435e-38f);
  Vf v = subnormal ? x * splat(8388608.f) : x;
  // v = 2^e m with sqrt(1/2) <= m < sqrt(2)
  Vi i = Vi(Vu(bits(v)) - Vu(splat_int(0x3f3504f3)));
  Vi e = (i >> 23) + (subnormal & splat_int(-23));
  Vf m = floats((i & 0x007fffff) + splat_int(0x3f3504f3));
  Vf f = m - splat(1.f), k = __builtin_convertvector(e, Vf);
  Vf p = polynomial(f, {0.333333104f, -0.249999866f, 0.200022266f, -0.166692508f, 0.142186587f, -0.123843484f,
                        0.118729729f, -0.117898087f, 0.0691537593f});
  Vf f2 = f * f;
  Vf low = fma(k, splat(1.4286068203094173e-06f), f2 * f * p);  // ln 2 = 0.693145751953125 + 1.42…e-6
  low = fnma(splat(0.5f), f2, low);
  Vf y = fma(k, splat(0.693145751953125f), f + low);
  y = x == splat(__builtin_inff()) ? x : y;
  y = x == Vf{} ? splat(-__builtin_inff()) : y;
  return x >= Vf{} ? y : splat(__builtin_nanf(""));
}

/// Relative error within 2 ulp.
TENON_INLINE Vf erf(Vf x) {
  Vf a = abs(x);
  return a < splat(1.f) ? erf_small(x) : with_sign(splat(1.f) - erfc_large(a), x);
}

/// Beyond it the reduction modulo pi / 2 in four parts loses digits.
constexpr float kTrigMax = 8192.f;

/// sin(x + quarter * pi / 2), |x| <= kTrigMax.
TENON_INLINE Vf sin_reduced(Vf x, int32_t quarter) {
  const Vf magic = splat(12582912.f);
  Vf shifted = fma(x, splat(0.636619772f), magic), n = shifted - magic;
  Vi q = __builtin_convertvector(n, Vi) + quarter;
  Vf r = fnma(n, splat(1.5703125f), x);
  r = fnma(n, splat(0.0004837512969970703f), r);
  r = fnma(n, splat(7.549533620476723e-08f), r);
  r = fnma(n, splat(2.563344151594519e-12f), r);
  Vf u = r * r;
  Vf s = fma(r * u, polynomial(u, {-0.166666549f, 0.00833217813f, -0.000195172971f}), r);
  Vf c = fma(u * u, polynomial(u, {0.0416666469f, -0.00138873675f, 2.44384489e-05f}), fnma(u, splat(0.5f), splat(1.f)));
  Vf y = (q & 1) != 0 ? c : s;
  return floats(bits(y) ^ ((q & 2) << 30));
}
/// sin or cos, exactly reduced for large arguments by the C library.
template <int kQuarter>
TENON_INLINE Vf sin_or_cos(Vf x) {
  Vf y = sin_reduced(clip(x, splat(-kTrigMax), splat(kTrigMax)), kQuarter);
  Vi large = abs(x) <= splat(kTrigMax) ? splat_int(0) : splat_int(-1);
  bool any = false;
  for (int i = 0; i < kLanes; ++i) any |= large[i] != 0;
  if (any) [[unlikely]]
    for (int i = 0; i < kLanes; ++i)
      if (large[i]) y[i] = kQuarter ? __builtin_cosf(x[i]) : __builtin_sinf(x[i]);
  return y;
}

}  // namespace tenon::isa::TENON_ISA
