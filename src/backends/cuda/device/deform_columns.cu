#include "backends/cuda/device/deform_columns.h"

#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256, kChannels = 16;

/// A place on one axis: the element before it, and how far behind that it lies.
struct Between {
  int before;
  float part;
  bool inside;
};
/// `base` + `offset` on an axis of `extent` elements; its part keeps the offset's precision.
__device__ __forceinline__ Between between(int base, float offset, int extent) {
  if (!(fabsf(offset) < 1e9f)) return {0, 0, false};
  const float whole = floorf(offset);
  const int before = base + int(whole);
  const float part = offset - whole;
  return {before, part, before < extent && (before >= 0 || (before == -1 && part > 0))};
}

/// A tap of a pixel in up to kChannels channels a thread.
template <class T>
__global__ void __launch_bounds__(kThreads) deform_kernel(const __grid_constant__ DeformParams p, uint32_t count) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= count) return;
  uint32_t rest = i;
  const uint32_t pixel = p.pixels.take(rest), at = rest, tap = p.taps.take(rest), image_group = rest;
  uint32_t row = pixel, tap_row = tap;
  const int column = int(p.out_width.take(row)), tap_column = int(p.kernel_width.take(tap_row));
  const int64_t pixels = p.pixels.value;
  const T* offset = static_cast<const T*>(p.offset) + int64_t(at) * 2 * pixels + pixel;
  const Between down =
      between(int(row) * p.stride[0] - p.pad[0] + int(tap_row) * p.dilation[0], to_float(offset[0]), p.height);
  const Between right =
      between(column * p.stride[1] - p.pad[1] + tap_column * p.dilation[1], to_float(offset[pixels]), p.width);
  const bool inside = down.inside && right.inside;
  const float factor = p.mask ? to_float(static_cast<const T*>(p.mask)[at * pixels + pixel]) : 1;
  const bool low = inside && down.before >= 0, high = inside && down.before + 1 < p.height;
  const bool left = right.before >= 0, behind = right.before + 1 < p.width;
  const float above = 1 - down.part, before = 1 - right.part;
  const int64_t plane = int64_t(p.height) * p.width;
  const int first = int(blockIdx.y) * kChannels, last = min(first + kChannels, p.channels);
  for (int c = first; c < last; ++c) {
    const int64_t channel = int64_t(image_group) * p.channels + c;
    const T* x = static_cast<const T*>(p.x) + channel * plane + int64_t(down.before) * p.width + right.before;
    float sum = 0;
    if (low && left) sum += above * before * to_float(x[0]);
    if (low && behind) sum += above * right.part * to_float(x[1]);
    if (high && left) sum += down.part * before * to_float(x[p.width]);
    if (high && behind) sum += down.part * right.part * to_float(x[p.width + 1]);
    static_cast<T*>(p.columns)[(channel * p.taps.value + tap) * pixels + pixel] = from_float<T>(sum * factor);
  }
}

}  // namespace

cudaError_t deform_columns(const DeformParams& p, Elem type, cudaStream_t stream) {
  const auto count = uint32_t(p.images) * uint32_t(p.groups) * p.taps.value * p.pixels.value;
  if (count == 0) return cudaSuccess;
  const dim3 grid((count + kThreads - 1) / kThreads, unsigned((p.channels + kChannels - 1) / kChannels));
  return with_elem(type, [&](auto element) {
    return launch(deform_kernel<decltype(element)>, grid, kThreads, 0, stream, p, count);
  });
}

}  // namespace tenon::cuda
