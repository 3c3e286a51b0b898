#include "backends/cuda/device/scatter.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/device/plain.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

/// The place of update `u`, or -1.
__device__ int64_t place_of(const ScatterParams& p, uint32_t u) {
  if (p.depth == 0) {
    const int64_t i = front_index(p.index, u, p.extents[0]);
    if (i < 0) return -1;
    return p.walk_index ? place(p.walk, p.walk_strides, uint32_t(i))
                        : place(p.walk, p.walk_strides, u) + i * p.axis_stride;
  }
  int64_t at = 0;
  for (int d = 0; d < p.depth; ++d) {
    const int64_t i = front_index(p.index, int64_t(u) * p.depth + d, p.extents[d]);
    if (i < 0) return -1;
    at += i * p.strides[d];
  }
  return at;
}

/// Chains the updates of each place, in any order.
__global__ void __launch_bounds__(kThreads) link_kernel(const __grid_constant__ ScatterParams p) {
  begin();
  const uint32_t u = blockIdx.x * kThreads + threadIdx.x;
  if (u >= p.update_count) return;
  const int64_t at = place_of(p, u);
  if (at >= 0) p.next[u] = atomicExch(&p.head[at], int(u));
}

/// The update that stands at the head of its place's chain writes the place.
template <class T>
__global__ void __launch_bounds__(kThreads) replace_kernel(const __grid_constant__ ScatterParams p, uint32_t count) {
  begin();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= count) return;
  uint32_t u = i;
  const uint32_t k = p.inner.take(u);
  const int64_t at = place_of(p, u);
  if (at < 0 || p.head[at] != int(u)) return;
  int last = int(u);
  for (int v = p.next[u]; v >= 0; v = p.next[v]) last = max(last, v);
  static_cast<T*>(p.y)[at * p.inner.value + k] = static_cast<const T*>(p.updates)[int64_t(last) * p.inner.value + k];
}

template <class Wide>
__device__ __forceinline__ Wide combine(ScatterRule rule, Wide a, Wide b) {
  switch (rule) {
    case ScatterRule::kAdd:
      return a + b;
    case ScatterRule::kMul:
      return a * b;
    case ScatterRule::kMax:
      return a != a || a > b ? a : b;
    default:
      return a != a || a < b ? a : b;
  }
}

/// As replace_kernel, joining the updates of a place in their order.
template <class Wide>
__global__ void __launch_bounds__(kThreads) combine_kernel(const __grid_constant__ ScatterParams p, uint32_t count) {
  begin();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= count) return;
  uint32_t u = i;
  const uint32_t k = p.inner.take(u);
  const int64_t at = place_of(p, u);
  if (at < 0 || p.head[at] != int(u)) return;
  const int64_t to = at * p.inner.value + k;
  Wide sum = load_plain<Wide>(p.y, p.type, to);
  for (int done = -1;;) {
    int following = INT32_MAX;  // the first update after those that are done
    for (int v = int(u); v >= 0; v = p.next[v])
      if (v > done && v < following) following = v;
    if (following == INT32_MAX) break;
    sum = combine(p.rule, sum, load_plain<Wide>(p.updates, p.type, int64_t(following) * p.inner.value + k));
    done = following;
  }
  store_plain(p.y, p.type, to, sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads) cache_kernel(const __grid_constant__ CacheWriteParams p) {
  begin();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  uint32_t o = i;
  const uint32_t k = p.inner.take(o), s = p.length.take(o);
  const int64_t b = p.rows_a_batch.divide(o);
  int64_t first = 0;
  if (p.first.data)
    first = p.first.wide ? static_cast<const int64_t*>(p.first.data)[b] : static_cast<const int32_t*>(p.first.data)[b];
  if (first < 0) return;
  const int64_t at = p.circular ? (first % p.room + s) % p.room : first + s;
  if (at >= p.room) return;
  static_cast<T*>(p.y)[(int64_t(o) * p.room + at) * p.inner.value + k] = static_cast<const T*>(p.update)[i];
}

dim3 blocks_for(uint32_t count) { return dim3((count + kThreads - 1) / kThreads); }

}  // namespace

cudaError_t scatter(const ScatterParams& p, int bytes, cudaStream_t stream) {
  const size_t size = size_t(p.places) * p.inner.value * size_t(bytes);
  cudaError_t code = p.data ? cudaMemcpyAsync(p.y, p.data, size, cudaMemcpyDeviceToDevice, stream)
                            : cudaMemsetAsync(p.y, 0, size, stream);
  const uint32_t count = p.update_count * p.inner.value;
  if (code != cudaSuccess || count == 0) return code;
  code = cudaMemsetAsync(p.head, 0xff, size_t(p.places) * sizeof(int), stream);
  if (code != cudaSuccess) return code;
  code = launch(link_kernel, blocks_for(p.update_count), kThreads, 0, stream, p);
  if (code != cudaSuccess) return code;
  if (p.rule == ScatterRule::kNone)
    return with_bytes(bytes, [&](auto element) {
      return launch(replace_kernel<decltype(element)>, blocks_for(count), kThreads, 0, stream, p, count);
    });
  if (p.type >= Plain::kI8) return launch(combine_kernel<int64_t>, blocks_for(count), kThreads, 0, stream, p, count);
  return launch(combine_kernel<double>, blocks_for(count), kThreads, 0, stream, p, count);
}

cudaError_t cache_write(const CacheWriteParams& p, int bytes, cudaStream_t stream) {
  const cudaError_t code = cudaMemcpyAsync(p.y, p.cache, size_t(p.y_bytes), cudaMemcpyDeviceToDevice, stream);
  if (code != cudaSuccess || p.count == 0) return code;
  return with_bytes(bytes, [&](auto element) {
    return launch(cache_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
