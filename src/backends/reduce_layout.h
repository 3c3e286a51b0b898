// The axes of Reduce with concrete sizes.
#pragma once
#include <vector>

#include "backends/strides.h"

namespace tenon {

struct ReduceAxis {
  int64_t size, stride;
};
/// Neighbouring axes that are all kept or all combined are one.
struct ReduceLayout {
  std::vector<ReduceAxis> kept, combined;  ///< outer axes; the kept ones in the order of the result
  ReduceAxis inner{1, 1};
  bool inner_combined = true;
  int64_t results = 1, repeats = 1, count = 1;  ///< products of kept and combined outer sizes; elements in a result
};
ReduceLayout reduce_layout_of(const Problem& p);

}  // namespace tenon
