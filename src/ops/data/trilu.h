#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Trilu: the upper or lower triangle of the last two axes, zeros elsewhere. Inputs: data, k (optional scalar: the
/// diagonal that bounds the triangle, 0 where absent).
struct TriluAttrs {
  bool upper = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&TriluAttrs::upper>("upper")};
    return f;
  }
};

/// EyeLike: ones on diagonal `k` of a matrix shaped as the input. `dtype` undefined means the input's.
struct EyeLikeAttrs {
  ir::DType dtype = ir::DType::kUndefined;
  int64_t k = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&EyeLikeAttrs::dtype>("dtype"), ir::field<&EyeLikeAttrs::k>("k")};
    return f;
  }
};

}  // namespace tenon::ops
