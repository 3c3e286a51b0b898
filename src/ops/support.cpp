#include "ops/support.h"

#include <algorithm>

#include "base/checked.h"

namespace tenon::ops {

size_t normalized_axis(int64_t axis, size_t rank) {
  const int64_t r = int64_t(rank);
  require(axis >= -r && axis < r, ErrorCode::kShapeMismatch, "axis ", axis, " lies outside a tensor of rank ", rank);
  return size_t(axis < 0 ? axis + r : axis);
}

std::vector<size_t> normalized_axes(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> out;
  for (int64_t a : axes) out.push_back(normalized_axis(a, rank));
  std::sort(out.begin(), out.end());
  require(std::adjacent_find(out.begin(), out.end()) == out.end(), ErrorCode::kShapeMismatch, "axes ", axes,
          " name one axis of a tensor of rank ", rank, " twice");
  return out;
}

AxisView::AxisView(const Dims& dims, size_t axis) : size(dims.at(axis)) {
  outer = checked_product(std::span(dims).first(axis));
  inner = checked_product(std::span(dims).subspan(axis + 1));
}

Tensor scalar(DType dtype, double value) {
  Tensor t(dtype, {});
  t.set(0, value);
  return t;
}

Dims broadcast_dims(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < out.size() - a.size() ? 1 : a[i - (out.size() - a.size())];
    const int64_t y = i < out.size() - b.size() ? 1 : b[i - (out.size() - b.size())];
    require(x == y || x == 1 || y == 1, ErrorCode::kShapeMismatch, "shapes ", a, " and ", b, " do not broadcast");
    out[i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace tenon::ops
