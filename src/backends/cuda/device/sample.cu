#include "backends/cuda/device/sample.h"

#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256, kChannels = 8;

// Places are computed in double precision: an image may be thousands of elements wide.
__device__ double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double folded = fmod(fabs(x - low), 2 * range);
  return low + (folded <= range ? folded : 2 * range - folded);
}
__device__ double clamped(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/// The element on an axis that position `x` reads, or -1 for zero.
__device__ int element_at(const GridSampleParams& p, double x, int extent) {
  const double last = extent - 1;
  if (x >= 0 && x <= last) return int(x);
  if (p.edge == SampleEdge::kZeros || extent == 0) return -1;
  if (p.edge == SampleEdge::kReflection) x = p.align_corners ? reflect(x, 0, last) : reflect(x, -0.5, last + 0.5);
  return int(clamped(x, 0, last));
}

/// Keys' cubic convolution kernel with a = -0.75.
__device__ double cubic_weight(double x) {
  constexpr double a = -0.75;
  x = fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// The elements of one axis that a place reads.
struct Taps {
  int count = 1;
  int index[4] = {};
  float weight[4] = {1, 0, 0, 0};
};
__device__ Taps taps_at(const GridSampleParams& p, double normalized, int extent) {
  const double n = extent;
  double x = p.align_corners ? (normalized + 1) / 2 * (n - 1) : ((normalized + 1) * n - 1) / 2;
  if (!(fabs(x) < 1e300)) x = x > 0 ? 1e9 : -1e9;
  if (p.rule == SampleRule::kNearest) x = rint(x);
  if (p.edge == SampleEdge::kBorder) x = clamped(x, 0, n > 1 ? n - 1 : 0);
  if (p.edge == SampleEdge::kReflection) x = p.align_corners ? reflect(x, 0, n - 1) : reflect(x, -0.5, n - 0.5);
  Taps t;
  if (p.rule == SampleRule::kNearest) {
    t.index[0] = element_at(p, rint(x), extent);
    return t;
  }
  const double base = floor(x);
  const int reach = p.rule == SampleRule::kLinear ? 0 : 1;
  t.count = 2 + 2 * reach;
  for (int i = 0; i < t.count; ++i) {
    const double at = base + (i - reach), d = at - x;
    t.index[i] = element_at(p, at, extent);
    t.weight[i] = float(reach == 0 ? 1 - fabs(d) : cubic_weight(d));
  }
  return t;
}

/// A place and up to kChannels channels a thread.
template <class T>
__global__ void __launch_bounds__(kThreads) grid_kernel(const __grid_constant__ GridSampleParams p) {
  begin();
  finish_early();
  const uint32_t point = blockIdx.x * kThreads + threadIdx.x;
  if (point >= p.points) return;
  Taps taps[3];
  for (int d = 0; d < p.axes; ++d) {
    const float at = to_float(static_cast<const T*>(p.grid)[int64_t(point) * p.axes + p.axes - 1 - d]);
    taps[3 - p.axes + d] = taps_at(p, at, p.extent[3 - p.axes + d]);
  }
  uint32_t image = point;
  const uint32_t position = p.positions.take(image);
  const int64_t plane = int64_t(p.extent[0]) * p.extent[1] * p.extent[2];
  const int first = blockIdx.y * kChannels, last = min(first + kChannels, p.channels);
  for (int c = first; c < last; ++c) {
    const int64_t map = int64_t(image) * p.channels + c;
    const T* x = static_cast<const T*>(p.x) + map * plane;
    float sum = 0;
    for (int a = 0; a < taps[0].count; ++a)
      for (int b = 0; b < taps[1].count; ++b)
        for (int k = 0; k < taps[2].count; ++k) {
          const int i = taps[0].index[a], j = taps[1].index[b], l = taps[2].index[k];
          if (i < 0 || j < 0 || l < 0) continue;
          const float v = to_float(x[(int64_t(i) * p.extent[1] + j) * p.extent[2] + l]);
          sum += v * (taps[0].weight[a] * taps[1].weight[b] * taps[2].weight[k]);
        }
    static_cast<T*>(p.y)[map * p.positions.value + position] = from_float<T>(sum);
  }
}

/// A sample on one axis: two neighbours, or none.
struct Neighbours {
  int low = 0, high = 0;
  float high_weight = 0;
  bool inside = false;
};
__device__ Neighbours neighbours_at(double x, int extent) {
  Neighbours n;
  if (!(x >= -1.0 && x <= double(extent)) || extent == 0) return n;
  x = x > 0 ? x : 0;
  n.inside = true;
  n.low = n.high = int(x);
  if (n.low >= extent - 1) {
    n.low = n.high = extent - 1;
  } else {
    n.high = n.low + 1;
    n.high_weight = float(x - n.low);
  }
  return n;
}

/// One axis of a region.
struct Span {
  double start, bin;
  int samples;
};
__device__ Span span_of(const RoiParams& p, double first, double last, int bins) {
  constexpr int kMostSamples = 4096;
  const double offset = p.half_pixel ? 0.5 : 0, start = first * p.spatial_scale - offset;
  double length = last * p.spatial_scale - offset - start;
  if (!p.half_pixel && length < 1) length = 1;
  Span s{start, length / bins, p.sampling_ratio};
  if (s.samples <= 0) {
    const double n = ceil(length / bins);
    s.samples = n > 0 ? (n < kMostSamples ? int(n) : kMostSamples) : 0;
  }
  return s;
}

template <class T>
__global__ void __launch_bounds__(kThreads) roi_align_kernel(const __grid_constant__ RoiParams p) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  uint32_t r = i;
  const int column = int(p.width.take(r)), row = int(p.height.take(r)), c = int(p.channels.take(r));
  const T* roi = static_cast<const T*>(p.rois) + int64_t(r) * 4;
  const Span w = span_of(p, to_float(roi[0]), to_float(roi[2]), int(p.width.value));
  const Span h = span_of(p, to_float(roi[1]), to_float(roi[3]), int(p.height.value));
  const int64_t image = front_index(p.image, r, p.images);
  float sum = 0, best = -INFINITY;
  const T* x = static_cast<const T*>(p.x) + (image * int64_t(p.channels.value) + c) * p.in_height * p.in_width;
  for (int a = 0; a < h.samples; ++a) {
    const Neighbours v = neighbours_at(h.start + row * h.bin + (a + 0.5) * h.bin / h.samples, p.in_height);
    for (int b = 0; b < w.samples; ++b) {
      const Neighbours u = neighbours_at(w.start + column * w.bin + (b + 0.5) * w.bin / w.samples, p.in_width);
      const bool inside = v.inside && u.inside && image >= 0;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        float part = 0;
        if (inside)
          part = (k / 2 ? v.high_weight : 1 - v.high_weight) * (k % 2 ? u.high_weight : 1 - u.high_weight) *
                 to_float(x[int64_t(k / 2 ? v.high : v.low) * p.in_width + (k % 2 ? u.high : u.low)]);
        sum += part;
        best = fmaxf(best, part);
      }
    }
  }
  const int samples = h.samples * w.samples;
  static_cast<T*>(p.y)[i] = from_float<T>(samples == 0 ? 0 : p.max ? best : sum / float(samples));
}

/// First and last + 1 elements of bin `b` on an axis.
struct Bin {
  int first, last;
};
__device__ Bin bin_of(int b, int bins, double start, double length, int extent) {
  const double size = length / bins;
  return {int(clamped(start + floor(b * size), 0, extent)), int(clamped(start + ceil((b + 1) * size), 0, extent))};
}

template <class T>
__global__ void __launch_bounds__(kThreads) max_roi_kernel(const __grid_constant__ RoiParams p) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  uint32_t r = i;
  const int column = int(p.width.take(r)), row = int(p.height.take(r)), c = int(p.channels.take(r));
  const T* roi = static_cast<const T*>(p.rois) + int64_t(r) * 5;
  double corner[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) corner[k] = round(double(to_float(roi[k + 1])) * p.spatial_scale);
  const double wide = corner[2] - corner[0] + 1, high = corner[3] - corner[1] + 1;
  const Bin h = bin_of(row, int(p.height.value), corner[1], high > 1 ? high : 1, p.in_height);
  const Bin w = bin_of(column, int(p.width.value), corner[0], wide > 1 ? wide : 1, p.in_width);
  int64_t image = int64_t(to_float(roi[0]));
  if (image < 0) image += p.images;
  float best = h.last > h.first && w.last > w.first ? -INFINITY : 0;
  if (image >= 0 && image < p.images) {
    const T* x = static_cast<const T*>(p.x) + (image * int64_t(p.channels.value) + c) * p.in_height * p.in_width;
    for (int a = h.first; a < h.last; ++a)
      for (int b = w.first; b < w.last; ++b) best = fmaxf(best, to_float(x[int64_t(a) * p.in_width + b]));
  }
  static_cast<T*>(p.y)[i] = from_float<T>(best);
}

dim3 blocks_for(uint32_t count) { return dim3((count + kThreads - 1) / kThreads); }

/// A place a thread.
template <class T>
__global__ void __launch_bounds__(kThreads) affine_kernel(const __grid_constant__ AffineGridParams p) {
  begin();
  finish_early();
  const uint32_t point = blockIdx.x * kThreads + threadIdx.x;
  if (point >= p.points) return;
  uint32_t image = point;
  double at[3];
  for (int d = 0; d < p.axes; ++d) {
    const double i = p.extent[d].take(image), n = p.extent[d].value;
    at[d] = !p.align_corners ? (2 * i + 1) / n - 1 : n > 1 ? 2 * i / (n - 1) - 1 : 0;
  }
  for (int row = 0; row < p.axes; ++row) {
    const T* theta = static_cast<const T*>(p.theta) + (int64_t(image) * p.axes + row) * (p.axes + 1);
    double sum = to_float(theta[p.axes]);
    for (int d = 0; d < p.axes; ++d) sum += double(to_float(theta[d])) * at[d];
    static_cast<T*>(p.y)[int64_t(point) * p.axes + row] = from_float<T>(float(sum));
  }
}

}  // namespace

cudaError_t affine_grid(const AffineGridParams& p, Elem type, cudaStream_t stream) {
  if (p.points == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    return launch(affine_kernel<decltype(element)>, blocks_for(p.points), kThreads, 0, stream, p);
  });
}

cudaError_t grid_sample(const GridSampleParams& p, Elem type, cudaStream_t stream) {
  if (p.points == 0 || p.channels == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    const dim3 grid(blocks_for(p.points).x, unsigned((p.channels + kChannels - 1) / kChannels));
    return launch(grid_kernel<decltype(element)>, grid, kThreads, 0, stream, p);
  });
}

cudaError_t roi_align(const RoiParams& p, Elem type, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    return launch(roi_align_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

cudaError_t max_roi_pool(const RoiParams& p, Elem type, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    return launch(max_roi_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
