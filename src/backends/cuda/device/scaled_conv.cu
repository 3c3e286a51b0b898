#include "backends/cuda/device/scaled_conv.h"

#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads) scaled_conv_kernel(const __grid_constant__ ScaledConvArgs a) {
  begin();
  finish_early();
  uint32_t row = blockIdx.x * kThreads + threadIdx.x;
  if (row >= a.results) return;
  const int column = int(a.columns.take(row));
  const T* const x = static_cast<const T*>(a.x) + row * a.x_pitch;
  const T* const w = static_cast<const T*>(a.w) + int64_t(column) * a.w_pitch;
  const T* const scale = static_cast<const T*>(a.scale) + int64_t(a.pixels.divide(row)) * a.depth;
  float v[1] = {};
  for (int k = 0; k < a.depth; ++k)
    v[0] = fmaf(to_float(from_float<T>(to_float(x[k]) * to_float(scale[k]))), to_float(w[k]), v[0]);
  add_bias(a.epilogue, v, column, 1);
  if (a.sums) {
    a.sums[int64_t(row) * a.columns.value + column] = v[0];
    return;
  }
  Words<T, 1> extra;
  load_extra(a.epilogue, row, column, false, 1, extra);
  apply_epilogue(a.epilogue, v, extra);
  static_cast<T*>(a.y)[row * a.y_pitch + column] = from_float<T>(v[0]);
}

}  // namespace

cudaError_t scaled_conv(const ScaledConvArgs& a, Elem type, cudaStream_t stream) {
  const dim3 grid((a.results + kThreads - 1) / kThreads);
  return with_elem(type,
                   [&](auto t) { return launch(scaled_conv_kernel<decltype(t)>, grid, dim3(kThreads), 0, stream, a); });
}

}  // namespace tenon::cuda
