// Resize as a product of taps along up to three neighbouring axes.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "backends/kernel.h"

namespace tenon {

/// Taps of each output position of one axis: [begin[o], begin[o + 1]); none where the position lies outside the input
/// and is extrapolated.
struct AxisTaps {
  int64_t in = 1, out = 1;
  std::vector<int64_t> begin{0, 1}, index{0};
  std::vector<float> weight{1};
  bool outside = false;  ///< whether a position is extrapolated
  int64_t most() const;  ///< taps of one position
};

/// y[outer][o...][inner] = sum of weights times x[outer][index...][inner].
struct ResizePlan {
  static constexpr int kAxes = 3;
  int64_t outer = 1, inner = 1;
  std::array<AxisTaps, kAxes> axes;
  std::string reason;  ///< why there is none
};
ResizePlan resize_plan_of(const Problem& p);

}  // namespace tenon
