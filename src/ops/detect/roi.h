#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// RoiAlign. Inputs: x [N, C, H, W], rois [R, 4] (x1, y1, x2, y2), batch index [R]. Output: [R, C, height, width].
/// `half_pixel` shifts positions by -0.5; `sampling_ratio` 0 takes ceil(region / output) samples a bin.
struct RoiAlignAttrs {
  int64_t height = 1, width = 1, sampling_ratio = 0;
  float spatial_scale = 1;
  bool half_pixel = true;
  bool max = false;  ///< the largest weighted neighbour of a bin instead of the mean
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&RoiAlignAttrs::height>("height"),
                                  ir::field<&RoiAlignAttrs::width>("width"),
                                  ir::field<&RoiAlignAttrs::sampling_ratio>("sampling_ratio"),
                                  ir::field<&RoiAlignAttrs::spatial_scale>("spatial_scale"),
                                  ir::field<&RoiAlignAttrs::half_pixel>("half_pixel"),
                                  ir::field<&RoiAlignAttrs::max>("max")};
    return f;
  }
};

/// MaxRoiPool. Inputs: x [N, C, H, W], rois [R, 5] (batch, x1, y1, x2, y2). Output: [R, C, height, width].
struct MaxRoiPoolAttrs {
  int64_t height = 1, width = 1;
  float spatial_scale = 1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&MaxRoiPoolAttrs::height>("height"),
                                  ir::field<&MaxRoiPoolAttrs::width>("width"),
                                  ir::field<&MaxRoiPoolAttrs::spatial_scale>("spatial_scale")};
    return f;
  }
};

}  // namespace tenon::ops
