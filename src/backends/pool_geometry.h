// Windows of Pool with concrete sizes.
#pragma once
#include <algorithm>
#include <array>

#include "backends/kernel.h"
#include "ops/nn/pool.h"

namespace tenon {

/// One spatial axis: for each output position, its taps and how many the average counts.
struct PoolAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;
  int64_t first_tap(int64_t o) const {
    const int64_t at = o * stride - begin;
    return at >= 0 ? 0 : (-at + dilation - 1) / dilation;
  }
  int64_t last_tap(int64_t o) const {  // one past
    const int64_t at = o * stride - begin;
    return at >= in ? 0 : std::min(kernel, (in - 1 - at) / dilation + 1);
  }
  int64_t counted(int64_t o, bool with_pads) const {
    if (!with_pads) return last_tap(o) - first_tap(o);
    const int64_t room = in + end - 1 - (o * stride - begin);
    return room < 0 ? 0 : std::min(kernel, room / dilation + 1);
  }
};

/// Up to three spatial axes; missing ones in front have one entry.
struct PoolGeometry {
  static constexpr int kAxes = 3;
  int64_t batch = 1, channels = 1;
  std::array<PoolAxis, kAxes> axes;  ///< depth, height, width
  int64_t positions_in() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t positions_out() const { return axes[0].out * axes[1].out * axes[2].out; }
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
};

PoolGeometry pool_geometry_of(const Problem& p);

}  // namespace tenon
