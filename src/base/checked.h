// Size arithmetic that cannot wrap: sizes and offsets that come from a file or a user go through these.
#pragma once
#include <cstdint>
#include <span>

#include "base/error.h"

namespace tenon {

inline int64_t checked_add(int64_t a, int64_t b) {
  int64_t r;
  require(!__builtin_add_overflow(a, b, &r), ErrorCode::kInvalidArgument, "size overflow: ", a, " + ", b);
  return r;
}
inline int64_t checked_sub(int64_t a, int64_t b) {
  int64_t r;
  require(!__builtin_sub_overflow(a, b, &r), ErrorCode::kInvalidArgument, "size overflow: ", a, " - ", b);
  return r;
}
inline int64_t checked_mul(int64_t a, int64_t b) {
  int64_t r;
  require(!__builtin_mul_overflow(a, b, &r), ErrorCode::kInvalidArgument, "size overflow: ", a, " * ", b);
  return r;
}
/// Product of non-negative dimensions; an empty list gives 1.
inline int64_t checked_product(std::span<const int64_t> dims) {
  int64_t n = 1;
  for (int64_t d : dims) {
    require(d >= 0, ErrorCode::kInvalidArgument, "negative dimension ", d);
    n = checked_mul(n, d);
  }
  return n;
}

}  // namespace tenon
