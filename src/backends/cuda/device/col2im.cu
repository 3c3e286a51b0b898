#include "backends/cuda/device/col2im.h"

#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

/// The position whose tap lies at element `at` of the image, or -1.
__device__ __forceinline__ int position_of(const Col2ImAxis& axis, int at, int tap) {
  const int from = at + axis.begin - tap * axis.dilation;
  if (from < 0) return -1;
  uint32_t rest = uint32_t(from);
  const int position = int(axis.stride.split(rest));
  return rest == 0 && position < axis.positions ? position : -1;
}

/// An element of the image a thread.
template <class T>
__global__ void __launch_bounds__(kThreads) col2im_kernel(const __grid_constant__ Col2ImParams p) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  const auto& [depth, height, width] = p.axes;
  uint32_t plane = i;
  const int w = int(width.image.take(plane)), h = int(height.image.take(plane)), d = int(depth.image.take(plane));
  const int64_t positions = int64_t(depth.positions) * height.positions * width.positions;
  const T* x = static_cast<const T*>(p.x) + plane * positions * depth.block * height.block * width.block;
  float sum = 0;
  for (int kd = 0; kd < depth.block; ++kd) {
    const int od = position_of(depth, d, kd);
    for (int kh = 0; kh < height.block; ++kh) {
      const int oh = position_of(height, h, kh);
      for (int kw = 0; kw < width.block; ++kw, x += positions) {
        const int ow = position_of(width, w, kw);
        if (od >= 0 && oh >= 0 && ow >= 0)
          sum += to_float(x[(int64_t(od) * height.positions + oh) * width.positions + ow]);
      }
    }
  }
  static_cast<T*>(p.y)[i] = from_float<T>(sum);
}

}  // namespace

cudaError_t col2im(const Col2ImParams& p, Elem type, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    return launch(col2im_kernel<decltype(element)>, (p.count + kThreads - 1) / kThreads, kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
