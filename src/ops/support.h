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
      require(from[i] == 1 || from[i] == to[offset + i], ErrorCode::kShapeMismatch, "cannot broadcast ", from, " to ", to);
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

/// Numpy broadcasting of concrete dims; throws naming both on a mismatch.
Dims broadcast_dims(const Dims& a, const Dims& b);

}  // namespace tenon::ops
