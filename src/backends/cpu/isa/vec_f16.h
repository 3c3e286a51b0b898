// binary16 as storage: conversion of vectors, to nearest even.
#pragma once
#include "backends/cpu/isa/vec_math.h"

namespace tenon::isa::TENON_ISA {

TENON_INLINE Vf widen_f16(Vh h) {
#if defined(__AVX512F__)
  __m256i w;
  std::memcpy(&w, &h, sizeof w);
  return _mm512_cvtph_ps(w);
#elif defined(__F16C__)
  __m128i w;
  std::memcpy(&w, &h, sizeof w);
  return _mm256_cvtph_ps(w);
#else
  Vi x = __builtin_convertvector(h, Vi);
  Vi magnitude = x & 0x7fff, sign = (x & 0x8000) << 16;
  Vf scaled = floats(magnitude << 13) * splat(0x1p112f);  // moves the exponent, subnormals included
  Vf special = floats((magnitude << 13) | 0x7f800000);
  return floats(bits(magnitude >= 0x7c00 ? special : scaled) | sign);
#endif
}
TENON_INLINE Vh narrow_f16(Vf x) {
  Vh h;
#if defined(__AVX512F__)
  __m256i w = _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  std::memcpy(&h, &w, sizeof h);
#elif defined(__F16C__)
  __m128i w = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  std::memcpy(&h, &w, sizeof h);
#else
  Vi magnitude = bits(x) & 0x7fffffff, sign = (bits(x) >> 16) & 0x8000;
  Vi subnormal = bits(floats(magnitude) + splat(0.5f)) - bits(splat(0.5f));
  Vi normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  Vi special = magnitude > 0x7f800000 ? (((magnitude >> 13) & 0x3ff) | 0x7e00) : splat_int(0x7c00);
  Vi r = magnitude < 0x38800000 ? subnormal : normal;
  r = magnitude >= 0x477ff000 ? special : r;
  h = __builtin_convertvector(r | sign, Vh);
#endif
  return h;
}

/// An element of binary16, to tell it from bf16, which is its 16 bits.
struct Half {
  uint16_t bits;
};
TENON_INLINE Vf load(const Half* p) { return widen_f16(load_half(&p->bits)); }
TENON_INLINE void store(Half* p, Vf v) { store_half(&p->bits, narrow_f16(v)); }
TENON_INLINE Vf load_part(const Half* p, int64_t count) {
  Vh h{};
  std::memcpy(&h, p, size_t(count) * 2);
  return widen_f16(h);
}
TENON_INLINE void store_part(Half* p, Vf v, int64_t count) {
  const Vh h = narrow_f16(v);
  std::memcpy(p, &h, size_t(count) * 2);
}

}  // namespace tenon::isa::TENON_ISA
