#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// TensorScatter: writes a run of entries along `axis` of a cache. Inputs: cache, update, first [batch] (optional, the
/// place of the first entry of each batch row; zeros where absent). `circular` wraps at the end of the axis.
struct TensorScatterAttrs {
  int64_t axis = -2;
  bool circular = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&TensorScatterAttrs::axis>("axis"),
                                  ir::field<&TensorScatterAttrs::circular>("circular")};
    return f;
  }
};

}  // namespace tenon::ops
