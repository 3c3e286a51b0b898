// Element types of tensors. The numbers are stored in plans: they only grow.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::ir {

enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kF16 = 2,
  kBF16 = 3,
  kF64 = 4,
  kI8 = 5,
  kU8 = 6,
  kI16 = 7,
  kU16 = 8,
  kI32 = 9,
  kU32 = 10,
  kI64 = 11,
  kU64 = 12,
  kBool = 13,
  kF8E4M3FN = 14,
  kF8E5M2 = 15,
  kF8E4M3FNUZ = 16,
  kF8E5M2FNUZ = 17,
  kF8E8M0 = 18,
  kI4 = 19,
  kU4 = 20,
  kF4E2M1 = 21,
  kI2 = 22,
  kU2 = 23,
  kC64 = 24,
  kC128 = 25,
  kString = 26,
};
inline constexpr int kDTypeCount = 27;

/// Short name: "f32", "i64", "bool", …
std::string_view name(DType type);
std::optional<DType> parse_dtype(std::string_view name);
/// Storage bits of one element: 4 for i4, 32 for f32, 0 for kString and kUndefined.
int bits(DType type);
bool is_float(DType type);    ///< real floating-point types, the 8- and 4-bit ones included
bool is_integer(DType type);  ///< signed and unsigned integers, bool excluded
/// Bytes of `count` elements, packed types rounded up to whole bytes. Throws on overflow.
int64_t storage_bytes(DType type, int64_t count);

inline void append(std::string& out, DType type) { out += name(type); }

}  // namespace tenon::ir
