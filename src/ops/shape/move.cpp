#include "ops/shape/move.h"

#include <cstring>

#include "base/checked.h"

namespace tenon::ops {

ElementMover::ElementMover(const Tensor& from, Tensor& to) : from_(from), to_(to), width_(ir::bits(from.dtype())) {
  require(from.dtype() == to.dtype(), ErrorCode::kShapeMismatch, "elements of type ", from.dtype(),
          " cannot be moved to a tensor of type ", to.dtype());
}

void ElementMover::operator()(int64_t from, int64_t to, int64_t count) const {
  if (count <= 0) return;
  if (from_.dtype() == DType::kString) {
    for (int64_t i = 0; i < count; ++i) to_.mutable_strings()[size_t(to + i)] = from_.strings()[size_t(from + i)];
  } else if (width_ >= 8) {
    const int64_t size = width_ / 8;
    std::memcpy(to_.mutable_data() + to * size, from_.data().data() + from * size, size_t(count * size));
  } else {
    const int per_byte = 8 / width_, ones = (1 << width_) - 1;
    for (int64_t i = 0; i < count; ++i) {
      const int from_shift = int((from + i) % per_byte) * width_, to_shift = int((to + i) % per_byte) * width_;
      const int bits = (int(from_.data()[size_t((from + i) / per_byte)]) >> from_shift) & ones;
      std::byte& b = to_.mutable_data()[(to + i) / per_byte];
      b = std::byte((int(b) & ~(ones << to_shift)) | (bits << to_shift));
    }
  }
}

void advance(Dims& index, const Dims& dims) {
  for (size_t i = dims.size(); i-- > 0;) {
    if (++index[i] < dims[i]) return;
    index[i] = 0;
  }
}

int64_t offset_of(const Dims& index, const Dims& strides) {
  int64_t at = 0;
  for (size_t i = 0; i < index.size(); ++i) at += index[i] * strides[i];
  return at;
}

int64_t front_index(int64_t index, int64_t extent) {
  require(index >= -extent && index < extent, ErrorCode::kInvalidArgument, "index ", index, " lies outside [", -extent,
          ", ", extent - 1, "]");
  return index < 0 ? index + extent : index;
}

int64_t count_between(const Dims& dims, size_t first, size_t last) {
  int64_t n = 1;
  for (size_t i = first; i < last; ++i) n = checked_mul(n, dims[i]);
  return n;
}

}  // namespace tenon::ops
