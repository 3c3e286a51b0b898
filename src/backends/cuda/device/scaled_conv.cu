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

/// V neighbouring elements a thread.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    scale_rows_kernel(const __grid_constant__ ScaledConvArgs a, const __grid_constant__ Divisor vectors) {
  begin();
  finish_early();
  uint32_t row = blockIdx.x * kThreads + threadIdx.x;
  if (row >= a.results / V) return;
  const uint32_t k = vectors.take(row) * V;
  float x[V], scale[V];
  load_floats(static_cast<const T*>(a.x) + row * a.x_pitch + k, x);
  load_floats(static_cast<const T*>(a.scale) + int64_t(a.pixels.divide(row)) * a.depth + k, scale);
#pragma unroll
  for (int v = 0; v < V; ++v) x[v] *= scale[v];
  store_floats(static_cast<T*>(a.y) + row * a.y_pitch + k, x);
}

template <class T, int V>
cudaError_t start_rows(const ScaledConvArgs& a, cudaStream_t stream) {
  const dim3 grid((a.results / V + kThreads - 1) / kThreads);
  return launch(scale_rows_kernel<T, V>, grid, dim3(kThreads), 0, stream, a, Divisor(a.depth / V));
}

}  // namespace

cudaError_t scale_rows(const ScaledConvArgs& a, Elem type, cudaStream_t stream) {
  const auto at = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    constexpr int kWide = 16 / sizeof(T);
    const bool wide =
        (a.depth % kWide | a.x_pitch % kWide | a.y_pitch % kWide) == 0 && (at(a.x) | at(a.scale) | at(a.y)) % 16 == 0;
    return wide ? start_rows<T, kWide>(a, stream) : start_rows<T, 1>(a, stream);
  });
}
cudaError_t scaled_conv(const ScaledConvArgs& a, Elem type, cudaStream_t stream) {
  const dim3 grid((a.results + kThreads - 1) / kThreads);
  return with_elem(type,
                   [&](auto t) { return launch(scaled_conv_kernel<decltype(t)>, grid, dim3(kThreads), 0, stream, a); });
}

}  // namespace tenon::cuda
