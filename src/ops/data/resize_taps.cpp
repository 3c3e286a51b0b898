// The arithmetic of Resize along one axis.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "ops/data/resize.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

double source_position(const ResizeAttrs& a, const ResizeAxis& axis, double x) {
  const auto in = double(axis.in), out = double(axis.out);
  const double inverse = axis.scale_den / axis.scale_num;
  switch (a.coordinate) {
    case ResizeCoordinate::kHalfPixel:
      break;
    case ResizeCoordinate::kHalfPixelSymmetric: {
      const double adjustment = out / (in * axis.scale_num / axis.scale_den);
      return in / 2 * (1 - adjustment) + (x + 0.5) * inverse - 0.5;
    }
    case ResizeCoordinate::kPytorchHalfPixel:
      return axis.out > 1 ? (x + 0.5) * inverse - 0.5 : 0;
    case ResizeCoordinate::kAlignCorners: {
      const double length = in * axis.scale_num / axis.scale_den;
      return axis.out > 1 && length > 1 ? x * (in - 1) / (length - 1) : 0;
    }
    case ResizeCoordinate::kAsymmetric:
      return x * inverse;
    case ResizeCoordinate::kTfCropAndResize:
      if (axis.out > 1) return axis.roi_start * (in - 1) + x * (axis.roi_end - axis.roi_start) * (in - 1) / (out - 1);
      return 0.5 * (axis.roi_start + axis.roi_end) * (in - 1);
    case ResizeCoordinate::kTfHalfPixelForNn:
      return (x + 0.5) * inverse;
  }
  return (x + 0.5) * axis.scale_den / axis.scale_num - 0.5;
}

double nearest_position(ResizeNearest mode, double x) {
  const double low = std::floor(x), part = x - low;
  switch (mode) {
    case ResizeNearest::kRoundPreferFloor:
      return part <= 0.5 ? low : low + 1;
    case ResizeNearest::kRoundPreferCeil:
      return part < 0.5 ? low : low + 1;
    case ResizeNearest::kFloor:
      return low;
    case ResizeNearest::kCeil:
      return std::ceil(x);
  }
  return low;
}

/// Keys' cubic convolution kernel (1981).
double cubic_kernel(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

}  // namespace

ResizeTaps resize_taps(const ResizeAttrs& a, const ResizeAxis& axis, int64_t x) {
  const double at = source_position(a, axis, double(x)), last = double(axis.in - 1);
  ResizeTaps taps;
  if (a.coordinate == ResizeCoordinate::kTfCropAndResize && !(at >= 0 && at <= last)) {  // a region may be NaN
    taps.outside = true;
    return taps;
  }
  if (a.mode == ResizeMode::kNearest) {
    taps.index = {int64_t(std::clamp(nearest_position(a.nearest, at), 0.0, last))};
    taps.weight = {1.0};
    return taps;
  }
  const bool linear = a.mode == ResizeMode::kLinear;
  const double shrink = a.antialias ? std::min(axis.scale_num / axis.scale_den, 1.0) : 1.0;
  const double radius = (linear ? 1 : 2) / shrink, base = std::floor(at);
  double sum = 0;
  for (double i = base + std::floor(-radius) + 1; i <= base - std::floor(-radius); ++i) {
    const double d = (i - at) * shrink;
    double w = linear ? std::max(0.0, 1 - std::fabs(d)) : cubic_kernel(d, double(a.cubic_coeff_a));
    if (a.exclude_outside && (i < 0 || i > last)) w = 0;
    if (w == 0) continue;
    sum += w;
    taps.index.push_back(int64_t(std::clamp(i, 0.0, last)));
    taps.weight.push_back(w);
  }
  if (taps.index.empty()) {
    taps.index = {int64_t(std::clamp(base, 0.0, last))};
    taps.weight = {1.0};
  } else if (a.antialias || a.exclude_outside) {
    for (double& w : taps.weight) w /= sum;
  }
  return taps;
}

ResizeScale ResizeScale::of(double scale) {
  constexpr double kLimit = double(int64_t(1) << 30);
  require(scale >= 1 / kLimit && scale <= kLimit, ErrorCode::kInvalidArgument, "scale ", scale,
          " lies outside the accepted range of 2^-30 to 2^30");
  for (int64_t den = 1; den <= 1024; ++den) {
    const double num = std::nearbyint(scale * double(den));
    if (num >= 1 && float(num / double(den)) == float(scale)) return {int64_t(num), den};
  }
  int exponent;
  auto num = int64_t(std::ldexp(std::frexp(double(float(scale)), &exponent), 24));
  int shift = 24 - exponent;
  while (shift > 0 && num % 2 == 0) num /= 2, --shift;
  return shift >= 0 ? ResizeScale{num, int64_t(1) << shift} : ResizeScale{num << -shift, 1};
}

namespace {

void resolve_sizes(const ResizeAttrs& a, const std::vector<int64_t>& sizes, std::vector<ResizeAxis*>& axes) {
  double shared = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizeAxis& axis = *axes[i];
    require(sizes[i] >= 0, ErrorCode::kShapeMismatch, "size ", sizes[i], " is negative");
    require(axis.in > 0 || sizes[i] == 0, ErrorCode::kShapeMismatch, "an empty axis cannot be resized to ", sizes[i]);
    axis.out = sizes[i];
    const double scale = axis.in > 0 ? double(axis.out) / double(axis.in) : 1;
    if (i == 0) shared = scale;
    shared = a.policy == ResizePolicy::kNotLarger ? std::min(shared, scale) : std::max(shared, scale);
  }
  for (ResizeAxis* axis : axes) {
    axis->scale_num = axis->in > 0 ? double(axis->out) : 1;
    axis->scale_den = axis->in > 0 ? double(axis->in) : 1;
    if (a.policy == ResizePolicy::kStretch) continue;
    axis->out = int64_t(std::floor(shared * double(axis->in) + 0.5));
    axis->scale_num = shared;
    axis->scale_den = 1;
  }
}

}  // namespace

std::vector<ResizeAxis> resize_axes(const ResizeAttrs& a, const std::vector<int64_t>& dims,
                                    const std::vector<double>& roi, const std::vector<double>& scales,
                                    const std::vector<int64_t>& sizes) {
  std::vector<ResizeAxis> all(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) all[i].in = all[i].out = dims[i];
  std::vector<ResizeAxis*> chosen;
  const size_t n = a.axes.empty() ? dims.size() : a.axes.size();
  for (size_t i = 0; i < n; ++i) chosen.push_back(&all[a.axes.empty() ? i : normalized_axis(a.axes[i], dims.size())]);
  require(scales.empty() || sizes.empty(), ErrorCode::kShapeMismatch, "both scales and sizes are given");
  require(scales.size() + sizes.size() == n, ErrorCode::kShapeMismatch, scales.size() + sizes.size(),
          " scales or sizes are given for ", n, " axes");
  if (a.coordinate == ResizeCoordinate::kTfCropAndResize) {
    require(roi.size() == 2 * n, ErrorCode::kShapeMismatch, "roi has ", roi.size(), " entries for ", n, " axes");
    for (size_t i = 0; i < n; ++i) chosen[i]->roi_start = roi[i], chosen[i]->roi_end = roi[n + i];
  }
  if (!sizes.empty()) resolve_sizes(a, sizes, chosen);
  for (size_t i = 0; i < scales.size(); ++i) {
    const ResizeScale s = ResizeScale::of(scales[i]);
    chosen[i]->out = checked_mul(chosen[i]->in, s.num) / s.den;
    chosen[i]->scale_num = double(s.num);
    chosen[i]->scale_den = double(s.den);
  }
  return all;
}

}  // namespace tenon::ops
