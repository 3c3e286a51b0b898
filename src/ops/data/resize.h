#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

enum class ResizeMode : int64_t { kNearest, kLinear, kCubic };
inline std::span<const std::string_view> enum_names(ResizeMode) {
  static constexpr std::string_view names[] = {"nearest", "linear", "cubic"};
  return names;
}

/// How a position of the output maps to a position of the input.
enum class ResizeCoordinate : int64_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfCropAndResize,
  kTfHalfPixelForNn,
};
inline std::span<const std::string_view> enum_names(ResizeCoordinate) {
  static constexpr std::string_view names[] = {"half_pixel",          "half_pixel_symmetric", "pytorch_half_pixel",
                                               "align_corners",       "asymmetric",           "tf_crop_and_resize",
                                               "tf_half_pixel_for_nn"};
  return names;
}

enum class ResizeNearest : int64_t { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };
inline std::span<const std::string_view> enum_names(ResizeNearest) {
  static constexpr std::string_view names[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  return names;
}

/// What sizes mean: the output's, or bounds within which the aspect ratio is kept.
enum class ResizePolicy : int64_t { kStretch, kNotLarger, kNotSmaller };
inline std::span<const std::string_view> enum_names(ResizePolicy) {
  static constexpr std::string_view names[] = {"stretch", "not_larger", "not_smaller"};
  return names;
}

/// Resize. Inputs: data, roi (optional, starts then ends, for tf_crop_and_resize), scales (optional), sizes (optional);
/// one entry an axis of `axes`, or of the whole rank where `axes` is empty. Exactly one of scales and sizes is given.
struct ResizeAttrs {
  ResizeMode mode = ResizeMode::kNearest;
  ResizeCoordinate coordinate = ResizeCoordinate::kHalfPixel;
  ResizeNearest nearest = ResizeNearest::kRoundPreferFloor;
  ResizePolicy policy = ResizePolicy::kStretch;
  std::vector<int64_t> axes = {};
  bool antialias = false;
  bool exclude_outside = false;
  float cubic_coeff_a = -0.75F;
  float extrapolation_value = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ResizeAttrs::mode>("mode"),
                                  ir::field<&ResizeAttrs::coordinate>("coordinate"),
                                  ir::field<&ResizeAttrs::nearest>("nearest"),
                                  ir::field<&ResizeAttrs::policy>("policy"),
                                  ir::field<&ResizeAttrs::axes>("axes"),
                                  ir::field<&ResizeAttrs::antialias>("antialias"),
                                  ir::field<&ResizeAttrs::exclude_outside>("exclude_outside"),
                                  ir::field<&ResizeAttrs::cubic_coeff_a>("cubic_coeff_a"),
                                  ir::field<&ResizeAttrs::extrapolation_value>("extrapolation_value")};
    return f;
  }
};

/// A scale as the fraction that it stands for: 0.7F is 7 / 10. Throws unless it is positive and within 2^±30.
struct ResizeScale {
  int64_t num = 1, den = 1;
  static ResizeScale of(double scale);
};

/// How one axis is resized.
struct ResizeAxis {
  int64_t in = 0, out = 0;
  double scale_num = 1, scale_den = 1;  ///< scale = scale_num / scale_den; out is floor(in * scale) or given
  double roi_start = 0, roi_end = 1;    ///< tf_crop_and_resize: fractions of the axis
};

/// The input elements that one output position of an axis reads. Indices are within the axis; `outside` stands for
/// the extrapolation value.
struct ResizeTaps {
  std::vector<int64_t> index;
  std::vector<double> weight;
  bool outside = false;
};

/// Taps of output position `x` on an axis. Nearest has one tap of weight 1; an axis that keeps its size may have more.
ResizeTaps resize_taps(const ResizeAttrs& attrs, const ResizeAxis& axis, int64_t x);
/// All axes of a tensor of `dims`; those not resized have equal in and out and scale 1. `roi`, `scales` and `sizes` are
/// empty where absent.
std::vector<ResizeAxis> resize_axes(const ResizeAttrs& attrs, const std::vector<int64_t>& dims,
                                    const std::vector<double>& roi, const std::vector<double>& scales,
                                    const std::vector<int64_t>& sizes);

}  // namespace tenon::ops
