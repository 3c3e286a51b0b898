#pragma once
#include <limits>

#include "ir/attrs.h"

namespace tenon::ops {

/// Shape: the dimensions [start, end) of its input as i64. Both count from the back where negative and are clamped.
struct ShapeAttrs {
  int64_t start = 0;
  int64_t end = std::numeric_limits<int64_t>::max();
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ShapeAttrs::start>("start"), ir::field<&ShapeAttrs::end>("end")};
    return f;
  }
};

}  // namespace tenon::ops
