#pragma once
#include <string>
#include <vector>

#include "ir/attrs.h"

namespace tenon::ops {

/// "ConvExcite": a convolution of each channel by itself and the factors that SqueezeExcite computes from its result.
///
/// Inputs: x [N, H, W, C], w [C, 1, kernel…], bias [C], then w1, b1, w2, b2 as SqueezeExcite's inputs 1 to 4. Outputs:
/// y as of Conv with these attributes, C groups, no dilation and the channels last, and SqueezeExcite's of y.
struct ConvExciteAttrs {
  std::vector<int64_t> strides, pads;  ///< as ConvAttrs'
  std::string epilogue;                ///< of the convolution, a program of i0
  std::string inner, outer;            ///< as SqueezeExciteAttrs'
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        ir::field<&ConvExciteAttrs::strides>("strides"), ir::field<&ConvExciteAttrs::pads>("pads"),
        ir::field<&ConvExciteAttrs::epilogue>("epilogue"), ir::field<&ConvExciteAttrs::inner>("inner"),
        ir::field<&ConvExciteAttrs::outer>("outer")};
    return f;
  }
};

}  // namespace tenon::ops
