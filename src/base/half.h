// Narrow floating-point types as storage: conversion to and from float, round to nearest even.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace tenon {

/// IEEE 754 binary16.
struct f16 {
  uint16_t bits = 0;
  f16() = default;
  explicit f16(float v) : bits(encode(v)) {}
  explicit operator float() const { return decode(bits); }
  static uint16_t encode(float v) {
    uint32_t x = std::bit_cast<uint32_t>(v), sign = (x >> 16) & 0x8000u;
    x &= 0x7fffffffu;
    if (x >= 0x7f800000u) return uint16_t(sign | (x > 0x7f800000u ? 0x7e00u | ((x >> 13) & 0x3ffu) : 0x7c00u));
    if (x >= 0x477ff000u) return uint16_t(sign | 0x7c00u);
    if (x < 0x38800000u) {  // result is subnormal or zero: let the FPU round by adding a power of two
      float r = std::bit_cast<float>(x) + std::bit_cast<float>(0x3f000000u);
      return uint16_t(sign | (std::bit_cast<uint32_t>(r) - 0x3f000000u));
    }
    uint32_t odd = (x >> 13) & 1u;
    return uint16_t(sign | ((x - 0x38000000u + 0xfffu + odd) >> 13));
  }
  static float decode(uint16_t h) {
    uint32_t sign = uint32_t(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
    if (rest < 0x400u) {
      float v = float(rest) * 0x1p-24f;
      return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(v));
    }
    return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
  }
};

/// bfloat16: the upper half of binary32.
struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  explicit bf16(float v) : bits(encode(v)) {}
  explicit operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
  static uint16_t encode(float v) {
    uint32_t x = std::bit_cast<uint32_t>(v);
    if ((x & 0x7fffffffu) > 0x7f800000u) return uint16_t((x >> 16) | 0x40u);
    return uint16_t((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
  }
};

/// An 8-bit or narrower float with `E` exponent and `M` mantissa bits, described by its value set (OCP 8-bit and
/// micro-scaling formats; the FNUZ variants have one NaN, 0x80, and no negative zero).
struct SmallFloat {
  int exponent_bits, mantissa_bits, bias;
  float max;     ///< largest finite magnitude
  bool has_inf;  ///< all-ones exponent means infinity or NaN (E5M2); otherwise only the all-ones code is NaN (E4M3FN)
  bool fnuz;     ///< NaN is the negative-zero code
  bool has_nan;  ///< false for 4-bit floats
  float decode(uint8_t code) const;
  /// Round to nearest even; values beyond `max` saturate when `saturate`, else become infinity or NaN.
  uint8_t encode(float v, bool saturate = true) const;
};
inline constexpr SmallFloat kF8E4M3FN{4, 3, 7, 448.f, false, false, true};
inline constexpr SmallFloat kF8E5M2{5, 2, 15, 57344.f, true, false, true};
inline constexpr SmallFloat kF8E4M3FNUZ{4, 3, 8, 240.f, false, true, true};
inline constexpr SmallFloat kF8E5M2FNUZ{5, 2, 16, 57344.f, false, true, true};
inline constexpr SmallFloat kF4E2M1{2, 1, 1, 6.f, false, false, false};

}  // namespace tenon
