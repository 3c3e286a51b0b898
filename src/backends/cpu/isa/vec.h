// Vectors of floats for the instruction set of the translation unit that includes this. TENON_ISA, the namespace, is
// another one in each compilation, because the same names mean other code there.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tenon::isa::TENON_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vf __attribute__((vector_size(kLanes * 4)));
typedef int32_t Vi __attribute__((vector_size(kLanes * 4)));
typedef uint32_t Vu __attribute__((vector_size(kLanes * 4)));
typedef uint16_t Vh __attribute__((vector_size(kLanes * 2)));
typedef float VfLoose __attribute__((vector_size(kLanes * 4), aligned(1), may_alias));
typedef uint16_t VhLoose __attribute__((vector_size(kLanes * 2), aligned(1), may_alias));

#define TENON_INLINE [[gnu::always_inline]] inline

TENON_INLINE Vf load(const float* p) { return *reinterpret_cast<const VfLoose*>(p); }
TENON_INLINE void store(float* p, Vf v) { *reinterpret_cast<VfLoose*>(p) = v; }
TENON_INLINE Vh load_half(const uint16_t* p) { return *reinterpret_cast<const VhLoose*>(p); }
TENON_INLINE void store_half(uint16_t* p, Vh v) { *reinterpret_cast<VhLoose*>(p) = v; }

TENON_INLINE Vf splat(float x) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(x);
#elif defined(__AVX2__)
  return _mm256_set1_ps(x);
#else
  return Vf{x, x, x, x};
#endif
}
TENON_INLINE Vi splat_int(int32_t x) { return Vi{} + x; }
TENON_INLINE Vi bits(Vf v) { return reinterpret_cast<Vi>(v); }
TENON_INLINE Vf floats(Vi v) { return reinterpret_cast<Vf>(v); }

/// a * b + c, rounded once where the processor can.
TENON_INLINE Vf fma(Vf a, Vf b, Vf c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
/// c - a * b.
TENON_INLINE Vf fnma(Vf a, Vf b, Vf c) {
#if defined(__AVX512F__)
  return _mm512_fnmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fnmadd_ps(a, b, c);
#else
  return c - a * b;
#endif
}
/// The larger; a NaN in x comes through.
TENON_INLINE Vf max_to(Vf bound, Vf x) {
#if defined(__AVX512F__)
  return _mm512_max_ps(bound, x);
#elif defined(__AVX2__)
  return _mm256_max_ps(bound, x);
#else
  return bound > x ? bound : x;
#endif
}
TENON_INLINE Vf min_to(Vf bound, Vf x) {
#if defined(__AVX512F__)
  return _mm512_min_ps(bound, x);
#elif defined(__AVX2__)
  return _mm256_min_ps(bound, x);
#else
  return bound < x ? bound : x;
#endif
}
TENON_INLINE Vf clip(Vf x, Vf lo, Vf hi) { return min_to(hi, max_to(lo, x)); }
TENON_INLINE Vf abs(Vf x) { return floats(bits(x) & 0x7fffffff); }

TENON_INLINE Vf widen(Vh h) { return floats(reinterpret_cast<Vi>(__builtin_convertvector(h, Vu) << 16)); }
/// bf16 of x, to nearest even, NaN kept a NaN.
TENON_INLINE Vh narrow(Vf x) {
#if defined(__AVX512BF16__)
  __m256bh h = _mm512_cvtneps_pbh(x);
  Vh r;
  std::memcpy(&r, &h, sizeof r);
  return r;
#else
  Vu u = reinterpret_cast<Vu>(x);
  Vu rounded = u + 0x7fffu + ((u >> 16) & 1u);
  Vu nan = u | 0x400000u;
  Vu r = reinterpret_cast<Vu>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded) >> 16;
  return __builtin_convertvector(r, Vh);
#endif
}

TENON_INLINE Vf load(const uint16_t* p) { return widen(load_half(p)); }
TENON_INLINE void store(uint16_t* p, Vf v) { store_half(p, narrow(v)); }

/// Two neighbouring vectors.
TENON_INLINE void store_two(float* p, Vf a, Vf b) {
  store(p, a);
  store(p + kLanes, b);
}
TENON_INLINE void store_two(uint16_t* p, Vf a, Vf b) {
#if defined(__AVX512BF16__)
  const __m512bh h = _mm512_cvtne2ps_pbh(b, a);
  std::memcpy(p, &h, sizeof h);
#else
  store(p, a);
  store(p + kLanes, b);
#endif
}

#if defined(__AVX512BF16__)
/// The even and the odd ones of 2 * kLanes neighbours.
struct Pair {
  Vf even, odd;
};
TENON_INLINE Pair load_pair(const uint16_t* p) {
  const Vi v = bits(load(reinterpret_cast<const float*>(p)));
  return {floats(v << 16), floats(v & splat_int(int32_t(0xffff0000u)))};
}
TENON_INLINE Pair load_pair(const float* p) {
  Vi even{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) even[i] = 2 * i;
  const __m512 a = load(p), b = load(p + kLanes);
  return {_mm512_permutex2var_ps(a, __m512i(even), b), _mm512_permutex2var_ps(a, __m512i(even + 1), b)};
}
TENON_INLINE void store_pair(uint16_t* p, const Pair& v) {
  Vi places{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) places[i] = i | (kLanes + i) << 16;
  const __m512bh h = _mm512_cvtne2ps_pbh(v.odd, v.even);
  __m512i words;
  std::memcpy(&words, &h, sizeof words);
  words = _mm512_permutexvar_epi16(__m512i(places), words);
  std::memcpy(p, &words, sizeof words);
}
#endif

/// The first `count` lanes, 0 <= count <= kLanes, the others zero.
TENON_INLINE Vf load_part(const float* p, int64_t count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(__mmask16((1u << count) - 1u), p);
#else
  Vf v{};
  std::memcpy(&v, p, size_t(count) * 4);
  return v;
#endif
}
TENON_INLINE void store_part(float* p, Vf v, int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, __mmask16((1u << count) - 1u), v);
#else
  std::memcpy(p, &v, size_t(count) * 4);
#endif
}
TENON_INLINE Vf load_part(const uint16_t* p, int64_t count) {
  Vh h{};
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  __m256i v = _mm256_maskz_loadu_epi16(__mmask16((1u << count) - 1u), p);
  std::memcpy(&h, &v, sizeof h);
#else
  std::memcpy(&h, p, size_t(count) * 2);
#endif
  return widen(h);
}
TENON_INLINE void store_part(uint16_t* p, Vf v, int64_t count) {
  Vh h = narrow(v);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  __m256i w;
  std::memcpy(&w, &h, sizeof w);
  _mm256_mask_storeu_epi16(p, __mmask16((1u << count) - 1u), w);
#else
  std::memcpy(p, &h, size_t(count) * 2);
#endif
}

template <int... I>
TENON_INLINE Vf interleave_low(Vf a, Vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kLanes + I / 2)...);
}
template <int... I>
TENON_INLINE Vf interleave_high(Vf a, Vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kLanes + kLanes / 2 + I / 2)...);
}
/// Rows become columns, by as many perfect shuffles of the whole matrix as a lane's number has bits.
TENON_INLINE void transpose(Vf (&a)[kLanes]) {
  constexpr std::make_integer_sequence<int, kLanes> kAll;
#pragma GCC unroll 4
  for (int n = 1; n < kLanes; n *= 2) {
    Vf b[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; ++i) {
      b[2 * i] = interleave_low(a[i], a[i + kLanes / 2], kAll);
      b[2 * i + 1] = interleave_high(a[i], a[i + kLanes / 2], kAll);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) a[i] = b[i];
  }
}

}  // namespace tenon::isa::TENON_ISA
