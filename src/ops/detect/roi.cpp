// RoiAlign (He et al., Mask R-CNN, 2017) and MaxRoiPool (Girshick, Fast R-CNN, 2015).
#include "ops/detect/roi.h"

#include <algorithm>
#include <cmath>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void infer_regions(InferContext& c, int64_t columns, int64_t height, int64_t width) {
  const Shape &x = c.shape(0), &rois = c.shape(1);
  c.expect(x.size() == 4, "the input ", c.text(x), " must have rank 4");
  c.expect(rois.size() == 2 && (!rois[1].is_const() || rois[1] == columns), "rois ", c.text(rois), " must be [count, ",
           columns, "]");
  c.expect(height >= 1 && width >= 1, "the output size ", height, " x ", width, " must be positive");
  c.output(0, c.dtype(0), {rois[0], x[1], height, width});
}

void infer_roi_align(InferContext& c) {
  const auto& a = c.attrs<RoiAlignAttrs>();
  infer_regions(c, 4, a.height, a.width);
}

RoiSample sample_at(double p, int64_t extent) {
  if (!(p >= -1.0 && p <= double(extent)) || extent == 0) return {};
  p = std::max(p, 0.0);
  const auto low = int64_t(p);
  if (low >= extent - 1) return {extent - 1, extent - 1, 0, true};
  return {low, low + 1, p - double(low), true};
}

/// The samples of one axis of one region, `grid` a bin.
std::vector<RoiSample> axis_samples(double start, double length, int64_t bins, int64_t grid, int64_t extent) {
  std::vector<RoiSample> s;
  const double bin = length / double(bins);
  for (int64_t b = 0; b < bins; ++b)
    for (int64_t g = 0; g < grid; ++g)
      s.push_back(sample_at(start + double(b) * bin + (double(g) + 0.5) * bin / double(grid), extent));
  return s;
}

int64_t sample_count(const RoiAlignAttrs& a, double length, int64_t bins) {
  constexpr int64_t kMost = 4096;
  require(a.sampling_ratio <= kMost, ErrorCode::kInvalidArgument, "sampling_ratio is ", a.sampling_ratio,
          ", accepted are 0 to ", kMost);
  if (a.sampling_ratio > 0) return a.sampling_ratio;
  const double n = std::ceil(length / double(bins));
  require(n <= double(kMost), ErrorCode::kInvalidArgument, "a region spans ", length, " elements, accepted are up to ",
          kMost, " a bin");
  return n > 0 ? int64_t(n) : 0;
}

}  // namespace

RoiRegion roi_region(const RoiAlignAttrs& a, const double (&corners)[4], int64_t height, int64_t width) {
  const double offset = a.half_pixel ? 0.5 : 0, scale = double(a.spatial_scale), least = a.half_pixel ? -1e300 : 1;
  const double x = corners[0] * scale - offset, y = corners[1] * scale - offset;
  const double w = std::max(corners[2] * scale - offset - x, least);
  const double h = std::max(corners[3] * scale - offset - y, least);
  require(std::isfinite(x + y + w + h), ErrorCode::kInvalidArgument, "a region from ", corners[0], ", ", corners[1],
          " to ", corners[2], ", ", corners[3], " is not finite");
  RoiRegion region;
  region.rows_a_bin = size_t(sample_count(a, h, a.height));
  region.columns_a_bin = size_t(sample_count(a, w, a.width));
  region.rows = axis_samples(y, h, a.height, int64_t(region.rows_a_bin), height);
  region.columns = axis_samples(x, w, a.width, int64_t(region.columns_a_bin), width);
  return region;
}

namespace {

void eval_roi_align(EvalContext& c) {
  const auto& a = c.attrs<RoiAlignAttrs>();
  const Tensor &x = c.input(0), &rois = c.input(1), &batch = c.input(2);
  const Dims& xd = x.dims();
  const int64_t count = rois.dims()[0];
  require(batch.count() == count && rois.dims()[1] == 4, ErrorCode::kShapeMismatch, "rois ", rois.dims(),
          " and batch indices ", batch.dims(), " do not fit");
  Tensor& y = c.output(0, {count, xd[1], a.height, a.width});
  const std::vector<double> values = x.to_doubles();
  const int64_t plane = xd[2] * xd[3];
  for (int64_t r = 0, at = 0; r < count; ++r) {
    const double corners[4] = {rois.get(r * 4), rois.get(r * 4 + 1), rois.get(r * 4 + 2), rois.get(r * 4 + 3)};
    const RoiRegion region = roi_region(a, corners, xd[2], xd[3]);
    const double* from = values.data() + front_index(batch.get_int(r), xd[0]) * xd[1] * plane;
    for (int64_t ch = 0; ch < xd[1]; ++ch)
      for (size_t v = 0; v < size_t(a.height); ++v)
        for (size_t u = 0; u < size_t(a.width); ++u) y.set(at++, roi_bin(a, region, v, u, from + ch * plane, xd[3]));
  }
}

void import_roi_align(ImportContext& c) {
  RoiAlignAttrs a;
  a.height = c.attr_int("output_height", 1);
  a.width = c.attr_int("output_width", 1);
  a.sampling_ratio = c.attr_int("sampling_ratio", 0);
  a.spatial_scale = c.attr_float("spatial_scale", 1);
  const std::string mode = c.attr_string("mode", "avg");
  if (mode != "avg" && mode != "max") c.fail("mode is '", mode, "', accepted are avg, max");
  a.max = mode == "max";
  const std::string where =
      c.attr_string("coordinate_transformation_mode", c.opset() >= 16 ? "half_pixel" : "output_half_pixel");
  if (where != "half_pixel" && where != "output_half_pixel")
    c.fail("coordinate_transformation_mode is '", where, "', accepted are half_pixel, output_half_pixel");
  a.half_pixel = where == "half_pixel";
  c.output(0, c.add("RoiAlign", {c.required(0), c.required(1), c.required(2)}, a));
}

void infer_max_roi_pool(InferContext& c) {
  const auto& a = c.attrs<MaxRoiPoolAttrs>();
  infer_regions(c, 5, a.height, a.width);
}

/// First and last + 1 elements of bin `b` on an axis of `extent`, for a region from `start` of `length` elements.
std::pair<int64_t, int64_t> bin_range(int64_t b, int64_t bins, int64_t start, int64_t length, int64_t extent) {
  const double size = double(length) / double(bins);
  auto clip = [&](double at) { return std::clamp<int64_t>(start + int64_t(at), 0, extent); };
  return {clip(std::floor(double(b) * size)), clip(std::ceil(double(b + 1) * size))};
}

void eval_max_roi_pool(EvalContext& c) {
  const auto& a = c.attrs<MaxRoiPoolAttrs>();
  const Tensor &x = c.input(0), &rois = c.input(1);
  const Dims& xd = x.dims();
  const int64_t count = rois.dims()[0], bins = a.height * a.width;
  Tensor& y = c.output(0, {count, xd[1], a.height, a.width});
  auto corner = [&](int64_t r, int64_t k) {
    const double v = std::round(rois.get(r * 5 + k) * double(a.spatial_scale));
    require(std::fabs(v) < 1e9, ErrorCode::kInvalidArgument, "region ", r, " reaches position ", v);
    return int64_t(v);
  };
  for (int64_t r = 0; r < count; ++r) {
    const int64_t image = front_index(rois.get_int(r * 5), xd[0]), x1 = corner(r, 1), y1 = corner(r, 2);
    const int64_t h = std::max<int64_t>(corner(r, 4) - y1 + 1, 1), w = std::max<int64_t>(corner(r, 3) - x1 + 1, 1);
    for (int64_t i = 0; i < xd[1] * bins; ++i) {
      const auto [top, bottom] = bin_range(i % bins / a.width, a.height, y1, h, xd[2]);
      const auto [left, right] = bin_range(i % a.width, a.width, x1, w, xd[3]);
      double best = bottom > top && right > left ? -INFINITY : 0;
      for (int64_t v = top; v < bottom; ++v)
        for (int64_t u = left; u < right; ++u)
          best = std::max(best, x.get(((image * xd[1] + i / bins) * xd[2] + v) * xd[3] + u));
      y.set(r * xd[1] * bins + i, best);
    }
  }
}

void import_max_roi_pool(ImportContext& c) {
  const std::vector<int64_t> shape = c.attr_ints("pooled_shape");
  if (shape.size() != 2) c.fail("pooled_shape has ", shape.size(), " entries, accepted are 2");
  c.output(0, c.add("MaxRoiPool", {c.required(0), c.required(1)},
                    MaxRoiPoolAttrs{shape[0], shape[1], c.attr_float("spatial_scale", 1)}));
}

}  // namespace

OpSet roi() {
  return {{{.name = "RoiAlign",
            .attrs = ir::schema_of<RoiAlignAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_roi_align,
            .eval = eval_roi_align},
           {.name = "MaxRoiPool",
            .attrs = ir::schema_of<MaxRoiPoolAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_max_roi_pool,
            .eval = eval_max_roi_pool}},
          {{"", "RoiAlign", 10, import_roi_align}, {"", "MaxRoiPool", 1, import_max_roi_pool}}};
}

}  // namespace tenon::ops
