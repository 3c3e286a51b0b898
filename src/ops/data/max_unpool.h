#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// MaxUnpool, a partial inverse of MaxPool. Inputs: x [N, C, spatial…], indices of the same shape into the flattened
/// unpooled tensor, output shape (optional, integer vector; it may be larger than the unpooled tensor).
struct MaxUnpoolAttrs {
  std::vector<int64_t> kernel_shape, strides;  ///< one a spatial axis
  std::vector<int64_t> pads;                   ///< begin of every spatial axis, then end
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&MaxUnpoolAttrs::kernel_shape>("kernel_shape"),
                                  ir::field<&MaxUnpoolAttrs::strides>("strides"),
                                  ir::field<&MaxUnpoolAttrs::pads>("pads")};
    return f;
  }
};

}  // namespace tenon::ops
