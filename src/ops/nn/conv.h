#pragma once
#include "ir/attrs.h"
#include "ir/dim.h"

namespace tenon::ops {

class ImportContext;

/// Convolution over any number of spatial axes.
///
/// Inputs: x, w, bias [M] (optional), then the extra operands of `epilogue`. With `channels_last` x and y are
/// [N, spatial…, C] and w is still [M, C / group, kernel…]; otherwise x and y are [N, C, spatial…]. With
/// `x_channels_first` beside `channels_last` only y is [N, spatial…, C].
/// y = epilogue(sum over the window + bias), where `i0` in the epilogue names the sum.
struct ConvAttrs {
  std::vector<int64_t> strides, dilations;  ///< one a spatial axis
  std::vector<int64_t> pads;                ///< begin of every spatial axis, then end of every spatial axis
  int64_t group = 1;
  bool channels_last = false;
  std::string epilogue = {};  ///< pointwise program (see ops/fused/pointwise_program.h), empty for none
  bool x_channels_first = false;
  bool x_channels_last() const { return channels_last && !x_channels_first; }
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ConvAttrs::strides>("strides"),
                                  ir::field<&ConvAttrs::pads>("pads"),
                                  ir::field<&ConvAttrs::dilations>("dilations"),
                                  ir::field<&ConvAttrs::group>("group"),
                                  ir::field<&ConvAttrs::channels_last>("channels_last"),
                                  ir::field<&ConvAttrs::epilogue>("epilogue"),
                                  ir::field<&ConvAttrs::x_channels_first>("x_channels_first")};
    return f;
  }
};

/// Attributes of an ONNX convolution whose input 0 is x and whose weights have the given shape.
ConvAttrs import_conv_attrs(ImportContext& c, const std::vector<ir::Dim>& weights);

}  // namespace tenon::ops
