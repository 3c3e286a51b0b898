// What the tables of operators share.
#pragma once
#include "sketch.h"

namespace tenon::random_graphs {

inline bool is_static(const Dims& dims) {
  for (int64_t d : dims)
    if (d < 0) return false;
  return true;
}

/// A dimension of `shape` that is the same for every binding. Throws Rejected.
inline int64_t fixed(const Dims& shape, size_t axis) {
  if (axis >= shape.size() || shape[axis] <= 0) throw Rejected{"the dimension is open or empty"};
  return shape[axis];
}

/// An axis of `rank`, counted from the front or the back.
inline int64_t draw_axis(Sketch& s, int64_t rank) {
  if (rank == 0) throw Rejected{"a scalar has no axis"};
  return s.draw.between(-rank, rank - 1);
}
inline size_t from_front(int64_t axis, int64_t rank) { return size_t(axis < 0 ? axis + rank : axis); }

/// Some axes of `rank`, at least one, in ascending order.
inline Dims draw_axes(Sketch& s, int64_t rank) {
  if (rank == 0) throw Rejected{"a scalar has no axis"};
  Dims axes;
  for (int64_t a = 0; a < rank; ++a)
    if (s.draw.one_in(2)) axes.push_back(s.draw.one_in(4) ? a - rank : a);
  if (axes.empty()) axes.push_back(s.draw.below(rank));
  return axes;
}

inline Dims draw_order(Sketch& s, int64_t rank) {
  Dims order(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) order[size_t(i)] = i;
  for (int64_t i = rank - 1; i > 0; --i) std::swap(order[size_t(i)], order[size_t(s.draw.below(i + 1))]);
  return order;
}

inline int64_t draw_divisor(Sketch& s, int64_t n) {
  std::vector<int64_t> divisors;
  for (int64_t d = 1; d <= n; ++d)
    if (n % d == 0) divisors.push_back(d);
  return s.draw.pick(divisors);
}

/// A convolution of `x` [n, c, ...] with weights of its own.
std::string add_conv(Sketch& s, const std::string& x, int64_t out, int64_t kernel, int64_t group = 1,
                     int64_t stride = 1, bool bias = true);
/// x times a matrix of [last axis, out], plus a bias.
std::string add_linear(Sketch& s, const std::string& x, int64_t out, bool bias = true);
std::string add_reduce(Sketch& s, const std::string& op, const std::string& x, const Dims& axes, bool keep);
std::string add_activation(Sketch& s, const std::string& x);

}  // namespace tenon::random_graphs
