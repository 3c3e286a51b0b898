#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Mod: with `fmod` the result has the sign of the dividend (C), else that of the divisor (Python).
struct ModAttrs {
  bool fmod = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ModAttrs::fmod>("fmod")};
    return f;
  }
};

/// BitShift of unsigned integers.
struct BitShiftAttrs {
  bool left = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&BitShiftAttrs::left>("left")};
    return f;
  }
};

}  // namespace tenon::ops
