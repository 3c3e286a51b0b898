#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// DeformConv on two spatial axes. Inputs: x [N, C, H, W], w [M, C / group, kh, kw], offset [N, groups * kh * kw * 2,
/// H', W'] (y then x of each tap), bias [M] (optional), mask [N, groups * kh * kw, H', W'] (optional).
struct DeformConvAttrs {
  std::vector<int64_t> strides, dilations, pads;  ///< pads: begin of both axes, then end
  int64_t group = 1, offset_group = 1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        ir::field<&DeformConvAttrs::strides>("strides"), ir::field<&DeformConvAttrs::pads>("pads"),
        ir::field<&DeformConvAttrs::dilations>("dilations"), ir::field<&DeformConvAttrs::group>("group"),
        ir::field<&DeformConvAttrs::offset_group>("offset_group")};
    return f;
  }
};

}  // namespace tenon::ops
