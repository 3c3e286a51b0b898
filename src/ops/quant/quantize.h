#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// QuantizeLinear: x, scale, zero point (optional) → y of type `to` with y = saturate(round_even(x / scale) + zero
/// point). DequantizeLinear: x, scale, zero point (optional) → y of type `to` with y = (x - zero point) * scale.
///
/// Scale and zero point have one element; or one a position of `axis`; or the shape of x with `axis` cut into blocks of
/// `block_size`, the last one possibly short. A floating-point target rounds to its nearest number, and values too
/// large for it become the largest with `saturate`, else NaN or infinity.
struct QuantizeAttrs {
  ir::DType to = ir::DType::kU8;
  int64_t axis = 1, block_size = 0;
  bool saturate = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&QuantizeAttrs::to>("to"), ir::field<&QuantizeAttrs::axis>("axis"),
                                  ir::field<&QuantizeAttrs::block_size>("block_size"),
                                  ir::field<&QuantizeAttrs::saturate>("saturate")};
    return f;
  }
};

}  // namespace tenon::ops
