#pragma once
#include <string>

#include "ir/attrs.h"

namespace tenon::ops {

/// "ScaledConv": a convolution without a window whose input is multiplied by a factor a channel.
///
/// Inputs: x [N, spatial…, C], w [M, C, 1…], bias [M] (optional), scale [N, 1…, C] of x's type or f32, then the extra
/// operands of `epilogue`. Output: [N, spatial…, M], of x's type: epilogue(w (x scale) + bias), where `i0` in the
/// epilogue names the sum and `i1` input 4. x scale is rounded to x's type.
struct ScaledConvAttrs {
  std::string epilogue;  ///< pointwise program (see pointwise_program.h), empty for none
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ScaledConvAttrs::epilogue>("epilogue")};
    return f;
  }
};

}  // namespace tenon::ops
