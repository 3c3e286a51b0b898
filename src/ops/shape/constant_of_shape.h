#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// ConstantOfShape: a tensor of the dims that its input lists, every element `value` (one element; its type is the
/// output's).
struct ConstantOfShapeAttrs {
  ir::Tensor value = ir::Tensor(ir::DType::kF32, {1});
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ConstantOfShapeAttrs::value>("value")};
    return f;
  }
};

}  // namespace tenon::ops
