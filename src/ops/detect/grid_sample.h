#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

enum class GridMode : int64_t { kLinear, kNearest, kCubic };
inline std::span<const std::string_view> enum_names(GridMode) {
  static constexpr std::string_view names[] = {"linear", "nearest", "cubic"};
  return names;
}

enum class GridPadding : int64_t { kZeros, kBorder, kReflection };
inline std::span<const std::string_view> enum_names(GridPadding) {
  static constexpr std::string_view names[] = {"zeros", "border", "reflection"};
  return names;
}

/// GridSample. Inputs: x [N, C, spatial…], grid [N, out spatial…, r] of positions in [-1, 1], the last spatial axis
/// first. With `align_corners` -1 and 1 are the centres of the first and last elements, else their outer edges.
struct GridSampleAttrs {
  GridMode mode = GridMode::kLinear;
  GridPadding padding = GridPadding::kZeros;
  bool align_corners = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&GridSampleAttrs::mode>("mode"),
                                  ir::field<&GridSampleAttrs::padding>("padding"),
                                  ir::field<&GridSampleAttrs::align_corners>("align_corners")};
    return f;
  }
};

/// What a position in [-1, 1] reads on an axis of `extent` elements: elements, -1 for a zero, and their weights.
struct GridTaps {
  static constexpr int kMost = 4;
  int count = 0;
  int64_t index[kMost] = {};
  double weight[kMost] = {};
};
GridTaps grid_taps(const GridSampleAttrs& a, double normalized, int64_t extent);

/// AffineGrid. Inputs: theta [N, r, r + 1], size (N, C, spatial…). Output: [N, spatial…, r] for GridSample.
struct AffineGridAttrs {
  bool align_corners = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AffineGridAttrs::align_corners>("align_corners")};
    return f;
  }
};

}  // namespace tenon::ops
