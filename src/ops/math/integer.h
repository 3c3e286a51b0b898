// Integer arithmetic on user data: every result is defined. Sums and products wrap; a division by zero yields 0.
#pragma once
#include <cstdint>

namespace tenon::ops::integer {

// `u` says that the operands are 64-bit unsigned numbers; narrower unsigned ones fit into int64_t.
constexpr int64_t add(int64_t a, int64_t b, bool = false) { return int64_t(uint64_t(a) + uint64_t(b)); }
constexpr int64_t sub(int64_t a, int64_t b, bool = false) { return int64_t(uint64_t(a) - uint64_t(b)); }
constexpr int64_t mul(int64_t a, int64_t b, bool = false) { return int64_t(uint64_t(a) * uint64_t(b)); }
constexpr bool less(int64_t a, int64_t b, bool u) { return u ? uint64_t(a) < uint64_t(b) : a < b; }
/// Rounds towards zero.
constexpr int64_t div(int64_t a, int64_t b, bool u) {
  if (b == 0) return 0;
  if (u) return int64_t(uint64_t(a) / uint64_t(b));
  return b == -1 ? sub(0, a) : a / b;
}
/// Sign of the dividend.
constexpr int64_t fmod(int64_t a, int64_t b, bool u) {
  if (b == 0 || (!u && b == -1)) return 0;
  return u ? int64_t(uint64_t(a) % uint64_t(b)) : a % b;
}
/// Sign of the divisor.
constexpr int64_t mod(int64_t a, int64_t b, bool u) {
  const int64_t r = fmod(a, b, u);
  return !u && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
/// Wraps. A negative exponent gives the reciprocal rounded towards zero, and 0 for base 0.
constexpr int64_t pow(int64_t a, int64_t b, bool u) {
  if (!u && b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  uint64_t result = 1, base = uint64_t(a);
  for (uint64_t e = uint64_t(b); e != 0; e >>= 1, base *= base)
    if (e & 1) result *= base;
  return int64_t(result);
}
constexpr int64_t min(int64_t a, int64_t b, bool u) { return less(b, a, u) ? b : a; }
constexpr int64_t max(int64_t a, int64_t b, bool u) { return less(a, b, u) ? b : a; }
constexpr int64_t bit_and(int64_t a, int64_t b, bool = false) { return a & b; }
constexpr int64_t bit_or(int64_t a, int64_t b, bool = false) { return a | b; }
constexpr int64_t bit_xor(int64_t a, int64_t b, bool = false) { return a ^ b; }
/// Shifts by 64 and more, or by a negative count, push every bit out. Right shifts of signed numbers keep the sign.
constexpr int64_t shift_left(int64_t a, int64_t b, bool = false) {
  return uint64_t(b) > 63 ? 0 : int64_t(uint64_t(a) << b);
}
constexpr int64_t shift_right(int64_t a, int64_t b, bool u) {
  if (u) return uint64_t(b) > 63 ? 0 : int64_t(uint64_t(a) >> b);
  return uint64_t(b) > 63 ? (a < 0 ? -1 : 0) : a >> b;
}

}  // namespace tenon::ops::integer
