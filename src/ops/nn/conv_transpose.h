#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Transposed convolution over any number of spatial axes.
///
/// Inputs: x, w [C, M / group, kernel…], bias [M] (optional), then the extra operands of `epilogue`. Layouts of x and y
/// and the epilogue are as in ConvAttrs. An output axis has
/// (input - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - pads elements.
struct ConvTransposeAttrs {
  std::vector<int64_t> strides, dilations;  ///< one a spatial axis
  std::vector<int64_t> pads;                ///< begin of every spatial axis, then end of every spatial axis
  std::vector<int64_t> output_padding;      ///< one a spatial axis
  int64_t group = 1;
  bool channels_last = false;
  std::string epilogue = {};  ///< pointwise program (see ops/fused/pointwise_program.h), empty for none
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ConvTransposeAttrs::strides>("strides"),
                                  ir::field<&ConvTransposeAttrs::pads>("pads"),
                                  ir::field<&ConvTransposeAttrs::dilations>("dilations"),
                                  ir::field<&ConvTransposeAttrs::output_padding>("output_padding"),
                                  ir::field<&ConvTransposeAttrs::group>("group"),
                                  ir::field<&ConvTransposeAttrs::channels_last>("channels_last"),
                                  ir::field<&ConvTransposeAttrs::epilogue>("epilogue")};
    return f;
  }
};

}  // namespace tenon::ops
