#include "backends/cuda/device/gather.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads) gather_kernel(const __grid_constant__ GatherParams p) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= p.count) return;
  uint32_t row = at;
  const uint32_t k = p.inner.take(row), i = p.indices.take(row);
  const int64_t from = front_index(p.index, i, p.extent);
  T v{};
  if (from >= 0) v = static_cast<const T*>(p.x)[(int64_t(row) * p.extent + from) * p.inner.value + k];
  static_cast<T*>(p.y)[at] = v;
}

template <class T>
__global__ void __launch_bounds__(kThreads) elements_kernel(const __grid_constant__ GatherElementsParams p) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= p.count) return;
  const int64_t from = front_index(p.index, at, p.extent);
  T v{};
  if (from >= 0) v = static_cast<const T*>(p.x)[place(p.extents, p.strides, at) + from * p.axis_stride];
  static_cast<T*>(p.y)[at] = v;
}

template <class T>
__global__ void __launch_bounds__(kThreads) slices_kernel(const __grid_constant__ SliceParams p) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= p.count) return;
  uint32_t row = at;
  int64_t from = p.inner.take(row);
  from += p.rows_a_batch.divide(row) * p.batch_stride;
  bool inside = true;
  for (int d = 0; d < p.depth; ++d) {
    const int64_t i = front_index(p.index, int64_t(row) * p.depth + d, p.extents[d]);
    inside = inside && i >= 0;
    from += i * p.strides[d];
  }
  T v{};
  if (inside) v = static_cast<const T*>(p.x)[from];
  static_cast<T*>(p.y)[at] = v;
}

dim3 blocks_for(uint32_t count) { return dim3((count + kThreads - 1) / kThreads); }

}  // namespace

cudaError_t gather(const GatherParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(gather_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

cudaError_t gather_elements(const GatherElementsParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(elements_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

cudaError_t gather_slices(const SliceParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(slices_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
