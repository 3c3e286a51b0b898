#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// NonMaxSuppression. Inputs: boxes [N, B, 4], scores [N, C, B], then optional scalars: most boxes a class (0), IoU
/// threshold (0), score threshold (none). Output: [count, 3] of i64: batch, class, box; best score first within a
/// class. Boxes are (y1, x1, y2, x2) with any two opposite corners, or (x, y, width, height) with `center_point_box`.
struct NonMaxSuppressionAttrs {
  bool center_point_box = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&NonMaxSuppressionAttrs::center_point_box>("center_point_box")};
    return f;
  }
};

}  // namespace tenon::ops
