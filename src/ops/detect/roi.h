#pragma once
#include <algorithm>
#include <limits>
#include <span>
#include <vector>

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

/// Where one sample on an axis reads: two neighbours, or nothing.
struct RoiSample {
  int64_t low = 0, high = 0;
  double high_weight = 0;
  bool inside = false;
};
/// The samples of one region on both axes; so many, one after the other, belong to each bin.
struct RoiRegion {
  std::vector<RoiSample> rows, columns;
  size_t rows_a_bin = 0, columns_a_bin = 0;
};
/// Of a region with the given x1, y1, x2, y2 on images of `height` x `width`. Throws where it is not finite or asks for
/// more samples than are accepted.
RoiRegion roi_region(const RoiAlignAttrs& a, const double (&corners)[4], int64_t height, int64_t width);

/// Bin (row, column) of a region on one plane of an image.
template <class T>
double roi_bin(const RoiAlignAttrs& a, const RoiRegion& region, size_t row, size_t column, const T* plane,
               int64_t width) {
  const std::span rows = std::span(region.rows).subspan(row * region.rows_a_bin, region.rows_a_bin);
  const std::span columns = std::span(region.columns).subspan(column * region.columns_a_bin, region.columns_a_bin);
  if (rows.empty() || columns.empty()) return 0;
  double sum = 0, best = -std::numeric_limits<double>::infinity();
  for (const RoiSample& v : rows)
    for (const RoiSample& u : columns) {
      double part[4] = {};
      if (v.inside && u.inside) {
        const T *low = plane + v.low * width, *high = plane + v.high * width;
        part[0] = (1 - v.high_weight) * (1 - u.high_weight) * double(low[u.low]);
        part[1] = (1 - v.high_weight) * u.high_weight * double(low[u.high]);
        part[2] = v.high_weight * (1 - u.high_weight) * double(high[u.low]);
        part[3] = v.high_weight * u.high_weight * double(high[u.high]);
      }
      for (double p : part) {
        sum += p;
        best = std::max(best, p);
      }
    }
  return a.max ? best : sum / double(rows.size() * columns.size());
}

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
