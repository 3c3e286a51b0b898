#pragma once
#include <string>

#include "ops/nn/conv.h"

namespace tenon::ops {

/// "ExpandDepthwise": a convolution without a window, then a depthwise one over two spatial axes, as inverted residual
/// blocks begin; the value between them, of M channels, is the larger by far and need not be kept.
///
/// Inputs: x [N, H, W, C], w1 [M, C, 1, 1], b1 [M] (optional), w2 [M, 1, kernel…], b2 [M] (optional). Output:
/// [N, height, width, M] = outer(depthwise(inner(w1 x + b1)) + b2), in x's type, as which the inner value is rounded.
struct ExpandDepthwiseAttrs {
  std::vector<int64_t> strides, pads;  ///< of the depthwise convolution; pads as in ConvAttrs
  std::string inner, outer;            ///< pointwise programs of one operand, empty for none
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        ir::field<&ExpandDepthwiseAttrs::strides>("strides"), ir::field<&ExpandDepthwiseAttrs::pads>("pads"),
        ir::field<&ExpandDepthwiseAttrs::inner>("inner"), ir::field<&ExpandDepthwiseAttrs::outer>("outer")};
    return f;
  }
};

/// The two convolutions that an ExpandDepthwise of so many inner channels stands for, by inputs 0 to 2 and by the
/// result and inputs 3 and 4.
ConvAttrs expansion_of(const ExpandDepthwiseAttrs& attrs);
ConvAttrs depthwise_of(const ExpandDepthwiseAttrs& attrs, int64_t channels);

}  // namespace tenon::ops
