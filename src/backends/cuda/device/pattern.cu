#include "backends/cuda/device/pattern.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/device/plain.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

/// Begins the kernel and gives the thread's element.
__device__ __forceinline__ uint32_t begin_element() {
  begin();
  finish_early();
  return blockIdx.x * kThreads + threadIdx.x;
}
dim3 blocks_for(uint32_t count) { return dim3((count + kThreads - 1) / kThreads); }

template <class T>
__global__ void __launch_bounds__(kThreads) triangle_kernel(const __grid_constant__ TriangleParams p) {
  const uint32_t i = begin_element();
  if (i >= p.count) return;
  uint32_t rest = i;
  const int64_t column = p.columns.take(rest), row = p.rows.take(rest), k = p.diagonal ? *p.diagonal : p.k;
  const bool kept = p.upper ? column - row >= k : column - row <= k;
  T v{};
  if (kept) v = static_cast<const T*>(p.x)[i];
  static_cast<T*>(p.y)[i] = v;
}

__global__ void __launch_bounds__(kThreads) eye_kernel(const __grid_constant__ EyeParams p) {
  const uint32_t i = begin_element();
  if (i >= p.count) return;
  uint32_t row = i;
  const int64_t column = p.columns.take(row);
  store_plain(p.y, p.type, i, int64_t(column - int64_t(row) == p.k));
}

template <class T>
__global__ void __launch_bounds__(kThreads) one_hot_kernel(const __grid_constant__ OneHotParams p) {
  const uint32_t i = begin_element();
  if (i >= p.count) return;
  uint32_t outer = i;
  const uint32_t inner = p.inner.take(outer), d = p.depth.take(outer);
  const int64_t at = int64_t(outer) * p.inner.value + inner, depth = p.depth.value;
  int64_t on = p.index_type >= Plain::kI8 ? load_plain<int64_t>(p.indices, p.index_type, at)
                                          : whole(load_plain<double>(p.indices, p.index_type, at));
  if (on < 0) on += depth;
  static_cast<T*>(p.y)[i] = static_cast<const T*>(p.values)[on == int64_t(d)];
}

template <class Wide>
__global__ void __launch_bounds__(kThreads) range_kernel(const __grid_constant__ RangeParams p) {
  const uint32_t i = begin_element();
  if (i >= p.count) return;
  store_plain(p.y, p.type, i, load_plain<Wide>(p.start, p.type, 0) + Wide(i) * load_plain<Wide>(p.delta, p.type, 0));
}

template <class T>
__global__ void __launch_bounds__(kThreads) reverse_kernel(const __grid_constant__ ReverseParams p) {
  const uint32_t i = begin_element();
  if (i >= p.count) return;
  uint32_t b = p.batch_stride.divide(i), t = p.time_stride.divide(i);
  b = p.batch.take(b);
  t = p.time.take(t);
  const int64_t n = load_plain<int64_t>(p.lengths, p.length_type, b);
  int64_t from = i;
  if (int64_t(t) < n && n <= int64_t(p.time.value)) from += (n - 1 - 2 * int64_t(t)) * int64_t(p.time_stride.value);
  static_cast<T*>(p.y)[i] = static_cast<const T*>(p.x)[from];
}

}  // namespace

cudaError_t triangle(const TriangleParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(triangle_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

cudaError_t eye(const EyeParams& p, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return launch(eye_kernel, blocks_for(p.count), kThreads, 0, stream, p);
}

cudaError_t one_hot(const OneHotParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(one_hot_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

cudaError_t range(const RangeParams& p, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  if (p.type >= Plain::kI8) return launch(range_kernel<int64_t>, blocks_for(p.count), kThreads, 0, stream, p);
  return launch(range_kernel<double>, blocks_for(p.count), kThreads, 0, stream, p);
}

cudaError_t reverse_sequence(const ReverseParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(reverse_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
