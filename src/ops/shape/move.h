// Helpers of operators that move elements without computing on them.
#pragma once
#include "ops/op.h"

namespace tenon::ops {

/// Copies elements between two tensors of one type, strings and packed types included. The tensors must outlive it.
class ElementMover {
 public:
  ElementMover(const Tensor& from, Tensor& to);
  /// Copies `count` consecutive elements. Indices must be in range.
  void operator()(int64_t from, int64_t to, int64_t count = 1) const;

 private:
  const Tensor& from_;
  Tensor& to_;
  int width_;
};

/// Steps `index` to the next position within `dims` in row-major order; wraps to zeros after the last.
void advance(Dims& index, const Dims& dims);
/// The dot product of an index and strides.
int64_t offset_of(const Dims& index, const Dims& strides);
/// `index` counted from the front of `extent` entries. Throws naming index and accepted range.
int64_t front_index(int64_t index, int64_t extent);
/// Product of dims [first, last).
int64_t count_between(const Dims& dims, size_t first, size_t last);

}  // namespace tenon::ops
