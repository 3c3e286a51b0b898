#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Col2Im: sums columns of sliding blocks back into an image. Inputs: columns [N, C * block, L], image sizes, block
/// sizes (integer vectors, one entry a spatial axis).
struct Col2ImAttrs {
  std::vector<int64_t> dilations, strides;  ///< one a spatial axis; empty for ones
  std::vector<int64_t> pads;                ///< begin of every spatial axis, then end; empty for zeros
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&Col2ImAttrs::dilations>("dilations"),
                                  ir::field<&Col2ImAttrs::pads>("pads"), ir::field<&Col2ImAttrs::strides>("strides")};
    return f;
  }
};

}  // namespace tenon::ops
