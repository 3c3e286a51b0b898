// Loops over strips of f32 for element-wise programs, and the conversions at a strip's edges.
#pragma once
#include <cstdint>

namespace tenon::isa {

/// Functions of one to three operands: those of element-wise programs with ops::PointwiseFn's values, and forms that
/// only the loops have.
enum class PwOp : uint8_t {
#define TENON_POINTWISE(name) k##name,
#include "ops/fused/pointwise_functions.inc"
#undef TENON_POINTWISE
  kFma,      ///< a * b + c
  kAddRelu,  ///< max(a + b, 0)
  kFmaRelu,  ///< max(a * b + c, 0)
  kCopy,     ///< a
};
inline constexpr int kPwOpCount = int(PwOp::kCopy) + 1;

/// Element types that strips are loaded from and stored to; bool is stored as whether the value differs from 0.
enum class PwType : uint8_t { kF32, kBf16, kF16, kBool, kI8, kU8, kI16, kU16 };
inline constexpr int kPwTypeCount = 8;

/// y[i] = f(a[i], b[i], c[i]), i < n. y may be one of the operands.
using PwLoop = void (*)(float* y, const float* a, const float* b, const float* c, int64_t n);

struct PointwiseLoops {
  /// By function and form: bit k of the form is set if operand k is one value for all i. Null where there is no such
  /// loop; form 0 is always there.
  PwLoop loops[kPwOpCount][8];
  void (*load[kPwTypeCount])(const void* x, float* y, int64_t n);
  /// Types bool and wider than a byte only where float: i8 … u16 are null.
  void (*store[kPwTypeCount])(const float* x, void* y, int64_t n);
};

}  // namespace tenon::isa
