#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Cast to another element type. Floating-point to integer rounds towards zero. With `saturate` a value too large for
/// an 8-bit float becomes its largest finite number, else NaN or infinity.
struct CastAttrs {
  ir::DType to = ir::DType::kF32;
  bool saturate = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&CastAttrs::to>("to"), ir::field<&CastAttrs::saturate>("saturate")};
    return f;
  }
};

}  // namespace tenon::ops
