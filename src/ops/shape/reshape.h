#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Reshape. Inputs: data, shape (integer vector). One entry of shape may be -1, the rest of the count; 0 takes the
/// input's dimension at that place unless `allowzero`.
struct ReshapeAttrs {
  bool allowzero = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ReshapeAttrs::allowzero>("allowzero")};
    return f;
  }
};

}  // namespace tenon::ops
