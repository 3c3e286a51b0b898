#include "backends/cuda/device/ordering.h"

#include "backends/cuda/device/bitonic.h"
#include "backends/cuda/device/plain.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kBlock = 256;

struct Extreme {
  float value;
  int at;  ///< -1: none yet
};
/// Whether `a` comes before `b`.
__device__ __forceinline__ bool beats(const ArgParams& p, Extreme a, Extreme b) {
  if (a.at < 0 || b.at < 0) return b.at < 0;
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return p.numbers ? (a_nan ? a.at == 0 : b.at != 0) : a_nan;
  if (a_nan || a.value == b.value) return p.last ? a.at > b.at : a.at < b.at;
  return p.max ? a.value > b.value : a.value < b.value;
}

/// kLanes threads a line without an inner axis.
template <class T, int kLanes>
__global__ void __launch_bounds__(kBlock) arg_rows(const __grid_constant__ ArgParams p) {
  __shared__ Extreme scratch[kBlock / 32];
  begin();
  finish_early();
  const int64_t line = int64_t(blockIdx.x) * (kBlock / kLanes) + threadIdx.x / kLanes;
  const bool mine = line < p.outer;  // idle lanes take part in shuffles
  const T* x = static_cast<const T*>(p.x) + (mine ? line * p.size : 0);
  Extreme best{0, -1};
  for (int k = threadIdx.x % kLanes; k < (mine ? p.size : 0); k += kLanes) {
    const Extreme e{to_float(x[k]), k};
    if (beats(p, e, best)) best = e;
  }
  for (int offset = 16; offset > 0; offset /= 2) {
    const Extreme e{__shfl_xor_sync(0xffffffffu, best.value, offset), __shfl_xor_sync(0xffffffffu, best.at, offset)};
    if (beats(p, e, best)) best = e;
  }
  if (kLanes > 32) {
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = best;
    __syncthreads();
    for (int w = 0; w < kBlock / 32; ++w)
      if (beats(p, scratch[w], best)) best = scratch[w];
  }
  if (mine && threadIdx.x % kLanes == 0) p.y[line] = best.at;
}

template <class T>
__global__ void __launch_bounds__(kBlock) arg_columns(const __grid_constant__ ArgParams p, Divisor inner) {
  begin();
  finish_early();
  const int64_t line = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (line >= p.outer * p.inner) return;
  uint32_t o = uint32_t(line);
  const uint32_t i = inner.take(o);
  const T* x = static_cast<const T*>(p.x) + int64_t(o) * p.size * p.inner + i;
  Extreme best{0, -1};
#pragma unroll 4
  for (int k = 0; k < p.size; ++k) {
    const Extreme e{to_float(x[k * p.inner]), k};
    if (beats(p, e, best)) best = e;
  }
  p.y[line] = best.at;
}

/// A part of a line to order.
struct TopKPart {
  const uint64_t* keys;     ///< null: the elements of x
  uint64_t* to;             ///< null: the results
  int length, part, width;  ///< keys of a line; those of a part; the power of two that holds a part
};

/// One part of a line a block.
template <class T>
__global__ void __launch_bounds__(kBlock)
    top_k_kernel(const __grid_constant__ TopKParams p, const __grid_constant__ TopKPart s) {
  __shared__ uint64_t key[kTopKLine];
  begin();
  const int64_t line = blockIdx.x, o = line / p.inner, i = line % p.inner;
  const int first = blockIdx.y * s.part, n = min(s.part, s.length - first);
  const T* x = static_cast<const T*>(p.x) + o * p.size * p.inner + i;
  for (int j = threadIdx.x; j < s.width; j += kBlock) {
    uint64_t v = ~uint64_t(0);
    if (j < n) {
      const int at = first + j;
      v = s.keys ? s.keys[line * s.length + at] : ordered_key(to_float(x[at * p.inner]), p.largest, uint32_t(at));
    }
    key[j] = v;
  }
  sort_shared<kBlock>(key, s.width);
  if (s.to) {
    for (int j = threadIdx.x; j < p.k; j += kBlock)
      s.to[(line * gridDim.y + blockIdx.y) * p.k + j] = j < n ? key[j] : ~uint64_t(0);
    return;
  }
  for (int j = threadIdx.x; j < p.k; j += kBlock) {
    const int64_t at = uint32_t(key[j]), to = (o * p.k + j) * p.inner + i;
    if (p.values) static_cast<T*>(p.values)[to] = x[at * p.inner];
    if (p.indices) p.indices[to] = at;
  }
}

int parts_of(int length) { return (length + kTopKLine - 1) / kTopKLine; }

template <class Wide>
__device__ __forceinline__ Wide join(bool product, Wide a, Wide b) {
  return product ? a * b : a + b;
}
template <>
__device__ __forceinline__ int64_t join<int64_t>(bool product, int64_t a, int64_t b) {
  return int64_t(product ? uint64_t(a) * uint64_t(b) : uint64_t(a) + uint64_t(b));
}

/// A block a line without an inner axis, kBlock elements at a time.
template <class Wide>
__global__ void __launch_bounds__(kBlock) cumulative_rows(const __grid_constant__ CumulativeParams p) {
  __shared__ Wide totals[kBlock / 32];
  begin();
  finish_early();
  const int64_t base = int64_t(blockIdx.x) * p.size;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const Wide nothing = p.product ? 1 : 0;
  Wide carry = nothing;
  for (int first = 0; first < p.size; first += kBlock) {
    const int n = first + int(threadIdx.x);
    const int64_t at = base + (p.reverse ? p.size - 1 - n : n);
    Wide v = n < p.size ? load_plain<Wide>(p.x, p.type, at) : nothing;
    for (int offset = 1; offset < 32; offset *= 2) {
      const Wide before = __shfl_up_sync(0xffffffffu, v, offset);
      if (lane >= offset) v = join(p.product, before, v);
    }
    if (lane == 31) totals[warp] = v;
    Wide without = __shfl_up_sync(0xffffffffu, v, 1);
    if (lane == 0) without = nothing;
    __syncthreads();
    Wide before = carry;
    for (int w = 0; w < kBlock / 32; ++w) {
      if (w == warp) before = carry;
      carry = join(p.product, carry, totals[w]);
    }
    __syncthreads();
    if (n < p.size) store_plain(p.y, p.type, at, join(p.product, before, p.exclusive ? without : v));
  }
}

template <class Wide>
__global__ void __launch_bounds__(kBlock) cumulative_columns(const __grid_constant__ CumulativeParams p) {
  begin();
  finish_early();
  const int64_t line = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (line >= p.outer * p.inner) return;
  const int64_t base = line / p.inner * p.size * p.inner + line % p.inner;
  Wide sum = p.product ? 1 : 0;
  for (int n = 0; n < p.size; ++n) {
    const int64_t at = base + (p.reverse ? p.size - 1 - n : n) * p.inner;
    const Wide with = join(p.product, sum, load_plain<Wide>(p.x, p.type, at));
    store_plain(p.y, p.type, at, p.exclusive ? sum : with);
    sum = with;
  }
}

template <class Wide>
cudaError_t cumulative_as(const CumulativeParams& p, cudaStream_t stream) {
  if (p.inner == 1 && p.size > 16) return launch(cumulative_rows<Wide>, dim3(unsigned(p.outer)), kBlock, 0, stream, p);
  const int64_t lines = p.outer * p.inner;
  return launch(cumulative_columns<Wide>, dim3(unsigned((lines + kBlock - 1) / kBlock)), kBlock, 0, stream, p);
}

}  // namespace

cudaError_t arg_extreme(const ArgParams& p, Elem type, cudaStream_t stream) {
  const int64_t lines = p.outer * p.inner;
  if (lines == 0 || p.size == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    if (p.inner > 1)
      return launch(arg_columns<T>, dim3(unsigned((lines + kBlock - 1) / kBlock)), kBlock, 0, stream, p,
                    Divisor(p.inner));
    if (p.size <= 1024) return launch(arg_rows<T, 32>, dim3(unsigned((lines + 7) / 8)), kBlock, 0, stream, p);
    return launch(arg_rows<T, kBlock>, dim3(unsigned(lines)), kBlock, 0, stream, p);
  });
}

int64_t top_k_space(const TopKParams& p) {
  if (p.size <= kTopKLine) return 0;
  const int64_t first = int64_t(parts_of(p.size)) * p.k;
  return p.outer * p.inner * (first + int64_t(parts_of(int(first))) * p.k) * 8;
}

cudaError_t top_k(const TopKParams& p, Elem type, cudaStream_t stream) {
  const int64_t lines = p.outer * p.inner;
  if (lines == 0 || p.k == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    const int64_t first = int64_t(parts_of(p.size)) * p.k;
    uint64_t* spaces[2] = {static_cast<uint64_t*>(p.space), static_cast<uint64_t*>(p.space) + lines * first};
    TopKPart s{nullptr, nullptr, p.size, 0, 2};
    for (int pass = 0;; ++pass) {
      const int parts = parts_of(s.length);
      s.part = s.length < kTopKLine ? s.length : kTopKLine;
      for (s.width = 2; s.width < s.part; s.width *= 2) {
      }
      s.to = parts > 1 ? spaces[pass % 2] : nullptr;
      const cudaError_t code = launch(top_k_kernel<T>, dim3(unsigned(lines), unsigned(parts)), kBlock, 0, stream, p, s);
      if (code != cudaSuccess || parts == 1) return code;
      s.keys = s.to;
      s.length = parts * p.k;
    }
  });
}

cudaError_t cumulative(const CumulativeParams& p, cudaStream_t stream) {
  if (p.outer == 0 || p.inner == 0 || p.size == 0) return cudaSuccess;
  return p.type >= Plain::kI8 ? cumulative_as<int64_t>(p, stream) : cumulative_as<double>(p, stream);
}

}  // namespace tenon::cuda
