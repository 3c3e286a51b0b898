#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// The attribute of operators that work along one axis. Negative values count from the last axis.
struct AxisAttrs {
  int64_t axis = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AxisAttrs::axis>("axis")};
    return f;
  }
};

/// Several axes; negative values count from the last axis.
struct AxesAttrs {
  std::vector<int64_t> axes;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AxesAttrs::axes>("axes")};
    return f;
  }
};

}  // namespace tenon::ops
