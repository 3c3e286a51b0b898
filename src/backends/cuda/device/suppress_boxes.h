// How much boxes overlap: in f32 where that decides, else as the reference computes it.
#pragma once
#include "backends/cuda/device/plain.h"
#include "backends/cuda/device/suppress.h"

namespace tenon::cuda {

/// A box as most comparisons see it.
struct Outline {
  float4 corner;  ///< low y, low x, high y, high x, rounded
  float area;
  float slack;  ///< no less than what rounding adds to differences of corners, or NaN
};
struct Box {
  double corner[4];
};

__device__ __forceinline__ double read(const Number& n) {
  return n.data ? load_plain<double>(n.data, n.type, 0) : n.value;
}

// As the reference computes it, in double precision and without fused operations.
__device__ __forceinline__ double less_of(double a, double b) { return b < a ? b : a; }
__device__ __forceinline__ double greater_of(double a, double b) { return a < b ? b : a; }

__device__ __forceinline__ Box read_box(const SuppressParams& p, int64_t at) {
  double v[4];
  for (int i = 0; i < 4; ++i) v[i] = load_plain<double>(p.boxes, p.box_type, at * 4 + i);
  if (p.center) {
    const double h = v[3] * 0.5, w = v[2] * 0.5;
    return {{__dsub_rn(v[1], h), __dsub_rn(v[0], w), __dadd_rn(v[1], h), __dadd_rn(v[0], w)}};
  }
  return {{less_of(v[0], v[2]), less_of(v[1], v[3]), greater_of(v[0], v[2]), greater_of(v[1], v[3])}};
}
__device__ __forceinline__ double area_of(const Box& b) {
  return __dmul_rn(__dsub_rn(b.corner[2], b.corner[0]), __dsub_rn(b.corner[3], b.corner[1]));
}

inline __device__ __noinline__ bool exactly_overlap(const SuppressParams& p, int64_t first, int64_t second,
                                                    double overlap) {
  const Box a = read_box(p, first), b = read_box(p, second);
  const double h = __dsub_rn(less_of(a.corner[2], b.corner[2]), greater_of(a.corner[0], b.corner[0]));
  const double w = __dsub_rn(less_of(a.corner[3], b.corner[3]), greater_of(a.corner[1], b.corner[1]));
  double ratio = 0;
  if (h > 0 && w > 0) {
    const double both = __dsub_rn(__dadd_rn(area_of(a), area_of(b)), __dmul_rn(h, w));
    if (both > 0) ratio = __ddiv_rn(__dmul_rn(h, w), both);
  }
  return ratio > overlap;
}

__device__ __forceinline__ Outline outline_of(const Box& b) {
  Outline o;
  o.corner = {float(b.corner[0]), float(b.corner[1]), float(b.corner[2]), float(b.corner[3])};
  o.area = float(area_of(b));
  o.slack = 1.2e-7f * (fabsf(o.corner.x) + fabsf(o.corner.y) + fabsf(o.corner.z) + fabsf(o.corner.w));
  return o;
}

enum class Verdict : int { kNo, kYes, kUnsure };

/// Whether the intersection of two boxes is more than `overlap` times their union, unless rounding may decide.
__device__ __forceinline__ Verdict overlaps(const Outline& a, const Outline& b, float overlap) {
  constexpr float kMargin = 4e-6f;
  const float slack = a.slack + b.slack;
  const float h = fminf(a.corner.z, b.corner.z) - fmaxf(a.corner.x, b.corner.x);
  const float w = fminf(a.corner.w, b.corner.w) - fmaxf(a.corner.y, b.corner.y);
  if (h + slack < 0 || w + slack < 0) return Verdict::kNo;
  const float areas = a.area + b.area;
  if (!(areas > 1e-20f && areas < 1e30f)) return Verdict::kUnsure;
  const float needed = overlap * areas;  // of the intersection times 1 + overlap
  if ((h + slack) * (w + slack) * (1 + overlap) < needed * (1 - kMargin)) return Verdict::kNo;
  if (h > slack && w > slack && (h - slack) * (w - slack) * (1 + overlap) > needed * (1 + kMargin))
    return Verdict::kYes;
  return Verdict::kUnsure;
}

}  // namespace tenon::cuda
