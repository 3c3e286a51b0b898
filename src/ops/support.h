// Helpers that references of several operators share.
#pragma once
#include "ops/op.h"

namespace tenon::ops {

/// Maps an index into a tensor of `to` dims to the index of the element that broadcasting reads from `from` dims.
class BroadcastIndex {
 public:
  BroadcastIndex(const Dims& from, const Dims& to) : to_(to), strides_(to.size(), 0), same_(from == to) {
    require(from.size() <= to.size(), ErrorCode::kShapeMismatch, "cannot broadcast ", from, " to ", to);
    const Dims s = ir::strides_of(from);
    const size_t offset = to.size() - from.size();
    for (size_t i = 0; i < from.size(); ++i) {
      require(from[i] == 1 || from[i] == to[offset + i], ErrorCode::kShapeMismatch, "cannot broadcast ", from, " to ",
              to);
      strides_[offset + i] = from[i] == 1 ? 0 : s[i];
    }
  }
  int64_t operator()(int64_t index) const {
    if (same_) return index;
    int64_t at = 0;
    for (size_t i = to_.size(); i-- > 0; index /= to_[i]) at += index % to_[i] * strides_[i];
    return at;
  }

 private:
  Dims to_, strides_;
  bool same_;
};

/// `axis` counted from the front. Throws if it lies outside [-rank, rank).
size_t normalized_axis(int64_t axis, size_t rank);
/// The same for a list; throws if an axis is named twice. The result is ascending.
std::vector<size_t> normalized_axes(const std::vector<int64_t>& axes, size_t rank);

/// A tensor seen as [outer, size, inner] around one axis.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
  AxisView(const Dims& dims, size_t axis);
  int64_t at(int64_t o, int64_t k, int64_t i) const { return (o * size + k) * inner + i; }
};

/// A scalar constant of any numeric type.
Tensor scalar(DType dtype, double value);

/// Numpy broadcasting of concrete dims; throws naming both on a mismatch.
Dims broadcast_dims(const Dims& a, const Dims& b);

}  // namespace tenon::ops
