#pragma once
#include <limits>

#include "ir/attrs.h"

namespace tenon::ops {

/// Clip of floating-point numbers: y = min(max(x, low), high); NaN stays NaN.
struct ClipAttrs {
  float min = -std::numeric_limits<float>::infinity(), max = std::numeric_limits<float>::infinity();
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ClipAttrs::min>("min"), ir::field<&ClipAttrs::max>("max")};
    return f;
  }
};

}  // namespace tenon::ops
