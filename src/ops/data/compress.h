#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// The attributes of Compress and Unique: the axis whose entries are chosen, or the flattened input.
struct AxisOrFlatAttrs {
  int64_t axis = 0;
  bool flatten = true;  ///< `axis` is not used
  bool sorted = true;   ///< Unique only: ascending, else in order of first occurrence
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AxisOrFlatAttrs::axis>("axis"),
                                  ir::field<&AxisOrFlatAttrs::flatten>("flatten"),
                                  ir::field<&AxisOrFlatAttrs::sorted>("sorted")};
    return f;
  }
};

}  // namespace tenon::ops
