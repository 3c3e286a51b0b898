#include "base/half.h"

#include <limits>

namespace tenon {

float SmallFloat::decode(uint8_t code) const {
  const int total = exponent_bits + mantissa_bits, exponent_mask = (1 << exponent_bits) - 1;
  const int sign = (code >> total) & 1, exponent = (code >> mantissa_bits) & exponent_mask;
  const int mantissa = code & ((1 << mantissa_bits) - 1), magnitude = code & ((1 << total) - 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  if (fnuz && sign && magnitude == 0) return nan;
  if (has_inf && exponent == exponent_mask)
    return mantissa ? nan : (sign ? -1 : 1) * std::numeric_limits<float>::infinity();
  if (has_nan && !has_inf && !fnuz && magnitude == (1 << total) - 1) return nan;
  float v = exponent == 0 ? std::ldexp(float(mantissa), 1 - bias - mantissa_bits)
                          : std::ldexp(float(mantissa + (1 << mantissa_bits)), exponent - bias - mantissa_bits);
  return sign ? -v : v;
}

uint8_t SmallFloat::encode(float v, bool saturate) const {
  const int total = exponent_bits + mantissa_bits, sign_bit = 1 << total;
  const uint8_t nan_code = uint8_t(fnuz ? sign_bit : sign_bit - 1), sign = std::signbit(v) ? uint8_t(sign_bit) : 0;
  if (std::isnan(v)) return has_nan ? nan_code : 0;
  const float a = std::fabs(v);
  const uint8_t inf_code = uint8_t(((1 << exponent_bits) - 1) << mantissa_bits);
  int exponent = a == 0 ? 1 - bias : std::max(std::ilogb(std::min(a, max * 4)), 1 - bias);
  float scaled = std::nearbyint(std::ldexp(std::min(a, max * 4), mantissa_bits - exponent));
  float rounded = std::ldexp(scaled, exponent - mantissa_bits);
  if (rounded > max || std::isinf(a)) {
    if (!saturate && has_nan) return has_inf ? uint8_t(sign | inf_code) : uint8_t(fnuz ? nan_code : sign | nan_code);
    rounded = max;
  }
  if (rounded == 0) return fnuz ? 0 : sign;
  exponent = std::max(std::ilogb(rounded), 1 - bias);
  int mantissa = int(std::ldexp(rounded, mantissa_bits - exponent));
  int code = mantissa >= (1 << mantissa_bits) ? ((exponent + bias) << mantissa_bits) + mantissa - (1 << mantissa_bits)
                                              : mantissa;
  return uint8_t(sign | code);
}

}  // namespace tenon
