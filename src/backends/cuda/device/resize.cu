#include "backends/cuda/device/resize.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/device/rows.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

/// A range of taps.
struct Range {
  int first, last;
};
__device__ __forceinline__ Range range_of(const ResizeAxisParams& a, uint32_t o) {
  return {a.begin[o], a.begin[o + 1]};
}

/// Calls add(first element of a line of x over its inner axis, weight) for the lines that taps of the outer axes read.
template <class Add>
__device__ __forceinline__ void for_lines(const ResizeParams& p, uint32_t outer, const Range& d, const Range& h,
                                          const Add& add) {
  const int64_t image = int64_t(outer) * p.axes[0].in;
  for (int a = d.first; a < d.last; ++a)
    for (int b = h.first; b < h.last; ++b)
      add(((image + p.axes[0].index[a]) * p.axes[1].in + p.axes[1].index[b]) * p.axes[2].in,
          p.axes[0].weight[a] * p.axes[1].weight[b]);
}

/// kN neighbouring elements of the inner axis a thread.
template <class T, int kN>
__global__ void __launch_bounds__(kThreads)
    rows_kernel(const __grid_constant__ ResizeParams p, uint32_t count, Divisor parts) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= count) return;
  uint32_t rest = at;
  const uint32_t c = parts.take(rest) * kN;
  const Range w = range_of(p.axes[2], p.axes[2].out.take(rest)), h = range_of(p.axes[1], p.axes[1].out.take(rest)),
              d = range_of(p.axes[0], p.axes[0].out.take(rest));
  const T* x = static_cast<const T*>(p.x) + c;
  float sum[kN] = {};
  for_lines(p, rest, d, h, [&](int64_t line, float weight) {
    for (int k = w.first; k < w.last; ++k) {
      float v[kN];
      load_floats<T, kN>(x + (line + p.axes[2].index[k]) * p.inner.value, v);
      const float f = weight * p.axes[2].weight[k];
#pragma unroll
      for (int j = 0; j < kN; ++j) sum[j] += v[j] * f;
    }
  });
  if (d.first == d.last || h.first == h.last || w.first == w.last) {
#pragma unroll
    for (int j = 0; j < kN; ++j) sum[j] = p.outside;
  }
  store_floats<T, kN>(static_cast<T*>(p.y) + int64_t(at) * kN, sum);
}

/// Without an inner axis: kN neighbouring positions of the last axis a thread.
template <class T, int kN>
__global__ void __launch_bounds__(kThreads)
    lines_kernel(const __grid_constant__ ResizeParams p, uint32_t count, Divisor parts) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= count) return;
  uint32_t rest = at;
  const uint32_t o = parts.take(rest) * kN;
  const Range h = range_of(p.axes[1], p.axes[1].out.take(rest)), d = range_of(p.axes[0], p.axes[0].out.take(rest));
  const T* x = static_cast<const T*>(p.x);
  int begin_at[kN + 1];
#pragma unroll
  for (int j = 0; j <= kN; ++j) begin_at[j] = p.axes[2].begin[o + j];
  float sum[kN] = {};
  for_lines(p, rest, d, h, [&](int64_t line, float weight) {
#pragma unroll
    for (int j = 0; j < kN; ++j)
      for (int k = begin_at[j]; k < begin_at[j + 1]; ++k)
        sum[j] += to_float(x[line + p.axes[2].index[k]]) * (weight * p.axes[2].weight[k]);
  });
#pragma unroll
  for (int j = 0; j < kN; ++j)
    if (d.first == d.last || h.first == h.last || begin_at[j] == begin_at[j + 1]) sum[j] = p.outside;
  store_floats<T, kN>(static_cast<T*>(p.y) + int64_t(at) * kN, sum);
}

__device__ __forceinline__ TapPair pair_of(const ResizeAxisParams& a, uint32_t o) {
  const uint4 words = reinterpret_cast<const uint4*>(a.pairs)[o];
  return {int(words.x), int(words.y), __uint_as_float(words.z), __uint_as_float(words.w)};
}

/// As lines_kernel where no position has more than two taps along an axis.
template <class T, int kN>
__global__ void __launch_bounds__(kThreads)
    pairs_kernel(const __grid_constant__ ResizeParams p, uint32_t count, Divisor parts) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= count) return;
  uint32_t rest = at;
  const uint32_t o = parts.take(rest) * kN;
  const TapPair h = pair_of(p.axes[1], p.axes[1].out.take(rest)), d = pair_of(p.axes[0], p.axes[0].out.take(rest));
  const int64_t image = int64_t(rest) * p.axes[0].in;
  TapPair w[kN];
#pragma unroll
  for (int j = 0; j < kN; ++j) w[j] = pair_of(p.axes[2], o + j);
  float sum[kN] = {};
  auto add_row = [&](int a, int b, float weight) {
    const T* x = static_cast<const T*>(p.x) + ((image + a) * p.axes[1].in + b) * p.axes[2].in;
#pragma unroll
    for (int j = 0; j < kN; ++j) {
      sum[j] += to_float(x[w[j].first]) * (weight * w[j].first_weight);
      if (w[j].second_weight != 0) sum[j] += to_float(x[w[j].second]) * (weight * w[j].second_weight);
    }
  };
  auto add_plane = [&](int a, float weight) {
    add_row(a, h.first, weight * h.first_weight);
    if (h.second_weight != 0) add_row(a, h.second, weight * h.second_weight);
  };
  add_plane(d.first, d.first_weight);
  if (d.second_weight != 0) add_plane(d.second, d.second_weight);
  store_floats<T, kN>(static_cast<T*>(p.y) + int64_t(at) * kN, sum);
}

/// Bands of rows of planes: what taps of pairs_kernel two axes have, the slower one first, for all its readers at once.
struct Bands {
  Divisor count, groups, in;  ///< bands of a plane, kN neighbouring positions of a row, and elements of a row of x
  int rows, together;         ///< of a band; rows that a block's threads do side by side
};
inline constexpr int kBandThreads = 256, kDeep = 4;

template <class T, int kN>
__global__ void __launch_bounds__(kBandThreads)
    bands_kernel(const __grid_constant__ ResizeParams p, const __grid_constant__ Bands b) {
  begin();
  finish_early();
  float* const lines = dynamic_shared<float>();
  uint32_t plane = blockIdx.x, mine = threadIdx.x;
  const int first = int(b.count.take(plane)) * b.rows, group = int(b.groups.take(mine));
  const int out_h = int(p.axes[1].out.value), out_w = int(p.axes[2].out.value), in_w = p.axes[2].in;
  const T* const x = static_cast<const T*>(p.x) + int64_t(plane) * p.axes[1].in * in_w;
  T* const y = static_cast<T*>(p.y) + int64_t(plane) * out_h * out_w + group * kN;
  const bool active = int(mine) < b.together;
  TapPair w[kN];
#pragma unroll
  for (int j = 0; j < kN; ++j) w[j] = active ? pair_of(p.axes[2], group * kN + j) : TapPair();
  const int last = min(first + b.rows, out_h);
  for (int row = first; row < last; row += b.together * kDeep) {
    const int count = min(b.together * kDeep, last - row);
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < uint32_t(count * in_w); i += kBandThreads) {
      uint32_t line = i;
      const uint32_t column = b.in.take(line);
      const TapPair h = pair_of(p.axes[1], row + line);
      float v = to_float(x[h.first * in_w + column]) * h.first_weight;
      if (h.second_weight != 0) v += to_float(x[h.second * in_w + column]) * h.second_weight;
      lines[i] = v;
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDeep; ++d) {
      const int line = d * b.together + int(mine);
      if (!active || line >= count) continue;
      const float* const from = lines + line * in_w;
      float sum[kN];
#pragma unroll
      for (int j = 0; j < kN; ++j) {
        sum[j] = from[w[j].first] * w[j].first_weight;
        if (w[j].second_weight != 0) sum[j] += from[w[j].second] * w[j].second_weight;
      }
      store_floats<T, kN>(y + int64_t(row + line) * out_w, sum);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) nearest_kernel(const __grid_constant__ ResizeParams p) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kThreads + threadIdx.x;
  if (at >= p.count) return;
  uint32_t rest = at;
  const uint32_t c = p.inner.take(rest);
  const int w = p.axes[2].index[p.axes[2].out.take(rest)], h = p.axes[1].index[p.axes[1].out.take(rest)],
            d = p.axes[0].index[p.axes[0].out.take(rest)];
  const int64_t position = ((int64_t(rest) * p.axes[0].in + d) * p.axes[1].in + h) * p.axes[2].in + w;
  static_cast<T*>(p.y)[at] = static_cast<const T*>(p.x)[position * p.inner.value + c];
}

dim3 blocks_for(uint32_t count) { return dim3((count + kThreads - 1) / kThreads); }

/// A kernel whose threads do `each` neighbouring results of a last axis of `size`.
cudaError_t start(void (*kernel)(ResizeParams, uint32_t, Divisor), const ResizeParams& p, uint32_t size, uint32_t each,
                  cudaStream_t stream) {
  return launch(kernel, blocks_for(p.count / each), kThreads, 0, stream, p, p.count / each, Divisor(size / each));
}

template <class T, int kN>
bool has_bands(const ResizeParams& p) {
  return p.axes[0].pairs && p.axes[0].in == 1 && p.axes[0].out.value == 1 && p.axes[2].out.value % kN == 0 &&
         p.axes[2].out.value <= kBandThreads * kN && p.axes[2].in <= 512 &&
         reinterpret_cast<uintptr_t>(p.y) % (kN * sizeof(T)) == 0;
}
template <class T, int kN>
cudaError_t bands(const ResizeParams& p, cudaStream_t stream) {
  constexpr uint32_t kBlocks = 2048, kShared = 32 * 1024;
  const uint32_t out_h = p.axes[1].out.value, groups = p.axes[2].out.value / kN, in = uint32_t(p.axes[2].in);
  const uint32_t planes = p.count / (out_h * p.axes[2].out.value);
  uint32_t together = kBandThreads / groups;
  while (together > 1 && together * kDeep * in * 4 > kShared) --together;
  const uint32_t round = together * kDeep, rounds = (out_h + round - 1) / round;
  const uint32_t wanted = (kBlocks + planes - 1) / planes, each = rounds > wanted ? rounds / wanted : 1;
  const uint32_t count = (rounds + each - 1) / each;
  const Bands b{Divisor(count), Divisor(groups), Divisor(in), int(each * round), int(together)};
  return launch(bands_kernel<T, kN>, dim3(planes * count), kBandThreads, round * in * 4, stream, p, b);
}

template <class T>
cudaError_t resize_as(const ResizeParams& p, cudaStream_t stream) {
  constexpr uint32_t kMany = 512 * 1024;
  const uintptr_t x = reinterpret_cast<uintptr_t>(p.x), y = reinterpret_cast<uintptr_t>(p.y);
  if (p.inner.value == 1) {
    if (p.count >= kMany / 8 && has_bands<T, kChunk<T>>(p)) return bands<T, kChunk<T>>(p, stream);
    const bool wide = p.count >= kMany && p.axes[2].out.value % 4 == 0 && y % (4 * sizeof(T)) == 0;
    const uint32_t size = p.axes[2].out.value;
    if (p.axes[0].pairs)
      return wide ? start(pairs_kernel<T, 4>, p, size, 4, stream) : start(pairs_kernel<T, 1>, p, size, 1, stream);
    return wide ? start(lines_kernel<T, 4>, p, size, 4, stream) : start(lines_kernel<T, 1>, p, size, 1, stream);
  }
  constexpr int kWide = kChunk<T>, kPair = 4 / sizeof(T);
  const uint32_t size = p.inner.value;
  if (p.count >= kMany && size % kWide == 0 && (x | y) % 16 == 0)
    return start(rows_kernel<T, kWide>, p, size, kWide, stream);
  if (size % kPair == 0 && (x | y) % 4 == 0) return start(rows_kernel<T, kPair>, p, size, kPair, stream);
  return start(rows_kernel<T, 1>, p, size, 1, stream);
}

}  // namespace

cudaError_t resize(const ResizeParams& p, Elem type, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) { return resize_as<decltype(element)>(p, stream); });
}

cudaError_t resize_nearest(const ResizeParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(nearest_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
