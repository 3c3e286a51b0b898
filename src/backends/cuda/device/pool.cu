#include "backends/cuda/device/pool.h"

#include <type_traits>

#include "backends/cuda/device/rows.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

/// The taps of one output position along one axis.
struct Taps {
  int first, last;  ///< taps inside the input: [first, last)
  int at;           ///< input position of tap 0
  int counted;      ///< taps inside the padded input
};
__device__ __forceinline__ Taps taps_of(const PoolAxisParams& a, int o) {
  const auto dilations = [&a](int n) { return a.dilation == 1 ? n : n / a.dilation; };
  Taps t;
  t.at = o * a.stride - a.begin;
  t.first = t.at >= 0 ? 0 : dilations(-t.at + a.dilation - 1);
  t.last = t.at >= a.in ? 0 : min(a.kernel, dilations(a.in - 1 - t.at) + 1);
  const int room = a.in + a.end - 1 - t.at;
  t.counted = room < 0 ? 0 : min(a.kernel, dilations(room) + 1);
  return t;
}

/// a[j] = the larger of a[j] and b[j]; NaN wins.
template <class T, int kN>
__device__ __forceinline__ void keep_larger(Pack<T, kN>& a, const Pack<T, kN>& b) {
  if constexpr (sizeof(T) == 2 && kN % 2 == 0) {
    using Two = std::conditional_t<std::is_same_v<T, __half>, __half2, __nv_bfloat162>;
    Two* at = reinterpret_cast<Two*>(a.v);
#pragma unroll
    for (int j = 0; j < kN / 2; ++j) at[j] = __hmax2_nan(at[j], reinterpret_cast<const Two*>(b.v)[j]);
  } else {
#pragma unroll
    for (int j = 0; j < kN; ++j) a.v[j] = from_float<T>(MaxFold()(to_float(a.v[j]), to_float(b.v[j])));
  }
}

/// kN neighbouring channels of one output position.
template <int kN>
struct Window {
  float v[kN];
  int64_t at[kN];
  int taps = 0;

  __device__ __forceinline__ explicit Window(PoolRule rule) {
#pragma unroll
    for (int j = 0; j < kN; ++j) {
      v[j] = rule == PoolRule::kMax ? -INFINITY : 0;
      at[j] = -1;
    }
  }
  template <bool kIndices>
  __device__ __forceinline__ void add(const PoolParams& p, const float (&x)[kN], int64_t index) {
    ++taps;
    if (p.rule == PoolRule::kMax) {
#pragma unroll
      for (int j = 0; j < kN; ++j) {
        const bool wins = x[j] > v[j] || (x[j] != x[j] && v[j] == v[j]);
        if (kIndices && (wins || at[j] < 0)) at[j] = index + j;
        if (wins) v[j] = x[j];
      }
    } else if (p.rule == PoolRule::kAverage) {
#pragma unroll
      for (int j = 0; j < kN; ++j) v[j] += x[j];
    } else {
#pragma unroll
      for (int j = 0; j < kN; ++j) v[j] += p.p == 2 ? x[j] * x[j] : p.p == 1 ? fabsf(x[j]) : powf(fabsf(x[j]), p.p);
    }
  }
  __device__ __forceinline__ void finish(const PoolParams& p, int counted) {
#pragma unroll
    for (int j = 0; j < kN; ++j) {
      if (p.rule == PoolRule::kAverage) v[j] /= float(p.count_pads ? counted : taps);
      if (p.rule == PoolRule::kNorm) v[j] = p.p == 2 ? sqrtf(v[j]) : p.p == 1 ? v[j] : powf(v[j], 1 / p.p);
    }
  }
};

/// The taps of a 3 x 3 window, the lowest number where they are outside the input.
template <class T, int kN, class IndexOf>
__device__ __forceinline__ void load_square(const T* x, Taps h, Taps w, const IndexOf& index_of, Pack<T, kN> (&to)[9]) {
  const T lowest = from_float<T>(-INFINITY);
#pragma unroll
  for (int i = 0; i < 9; ++i) {
#pragma unroll
    for (int j = 0; j < kN; ++j) to[i].v[j] = lowest;
    if (i / 3 >= h.first && i / 3 < h.last && i % 3 >= w.first && i % 3 < w.last)
      to[i] = *reinterpret_cast<const Pack<T, kN>*>(x + index_of(i / 3, i % 3));
  }
}

/// kN channels a thread. Square windows, of 3 x 3, are read as a whole before they are folded.
template <class T, int kN, bool kSquare, bool kIndices>
__global__ void __launch_bounds__(kThreads)
    channels_last_kernel(const __grid_constant__ PoolParams p, uint32_t count, Divisor parts) {
  begin();
  finish_early();
  uint32_t rest = blockIdx.x * kThreads + threadIdx.x;
  if (rest >= count) return;
  const int c = int(parts.take(rest)) * kN;
  const int64_t position = rest;
  const int ow = int(p.axes[2].out.take(rest)), oh = int(p.axes[1].out.take(rest)), od = int(p.axes[0].out.take(rest));
  const Taps d = taps_of(p.axes[0], od), h = taps_of(p.axes[1], oh), w = taps_of(p.axes[2], ow);
  const int64_t image = int64_t(rest) * p.axes[0].in;
  Window<kN> window(p.rule);
  const auto line_of = [&](int a, int b) {
    const int64_t row = (image + d.at + a * p.axes[0].dilation) * p.axes[1].in + h.at + b * p.axes[1].dilation;
    return row * p.axes[2].in + w.at;
  };
  const auto index_of = [&](int64_t line, int k) { return (line + k * p.axes[2].dilation) * p.x_pitch + c; };
  if constexpr (kSquare) {
    Pack<T, kN> x[9];
    load_square<T, kN>(
        static_cast<const T*>(p.x), h, w, [&](int b, int k) { return index_of(line_of(0, b), k); }, x);
    if (p.rule == PoolRule::kMax) {
#pragma unroll
      for (int i = 1; i < 9; ++i) keep_larger(x[0], x[i]);
      *reinterpret_cast<Pack<T, kN>*>(static_cast<T*>(p.y) + position * p.y_pitch + c) = x[0];
      return;
    }
#pragma unroll
    for (int i = 0; i < 9; ++i) {
      if (i / 3 < h.first || i / 3 >= h.last || i % 3 < w.first || i % 3 >= w.last) continue;
      float v[kN];
#pragma unroll
      for (int j = 0; j < kN; ++j) v[j] = to_float(x[i].v[j]);
      window.template add<kIndices>(p, v, 0);
    }
  } else {
    for (int a = d.first; a < d.last; ++a)
      for (int b = h.first; b < h.last; ++b) {
        const int64_t line = line_of(a, b);
        for (int k = w.first; k < w.last; ++k) {
          float x[kN];
          load_floats<T, kN>(static_cast<const T*>(p.x) + index_of(line, k), x);
          window.template add<kIndices>(p, x, index_of(line, k));
        }
      }
  }
  window.finish(p, d.counted * h.counted * w.counted);
  store_floats<T, kN>(static_cast<T*>(p.y) + position * p.y_pitch + c, window.v);
  if constexpr (kIndices) {
#pragma unroll
    for (int j = 0; j < kN; ++j)  // a window of padding alone names the first element
      p.indices[position * p.y_pitch + c + j] =
          window.at[j] >= 0 ? window.at[j] : image * p.axes[1].in * p.axes[2].in * p.x_pitch + c + j;
  }
}

template <class T, int kColumns, bool kIndices>
__global__ void __launch_bounds__(kThreads) planes_kernel(const __grid_constant__ PoolParams p) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.results) return;
  uint32_t rest = i;
  const int ow = int(p.axes[2].out.take(rest)), oh = int(p.axes[1].out.take(rest)), od = int(p.axes[0].out.take(rest));
  const Taps d = taps_of(p.axes[0], od), h = taps_of(p.axes[1], oh), w = taps_of(p.axes[2], ow);
  const int64_t plane = int64_t(rest) * p.axes[0].in;
  Window<1> window(p.rule);
  for (int a = d.first; a < d.last; ++a)
    for (int b = h.first; b < h.last; ++b) {
      const int64_t row = (plane + d.at + a * p.axes[0].dilation) * p.axes[1].in + h.at + b * p.axes[1].dilation;
      const int64_t line = row * p.axes[2].in + w.at;
      auto tap = [&](int k) {
        const int64_t index = line + k * p.axes[2].dilation;
        const float x[1] = {to_float(static_cast<const T*>(p.x)[index])};
        window.template add<kIndices>(p, x, index);
      };
      if constexpr (kColumns > 0) {
#pragma unroll
        for (int k = 0; k < kColumns; ++k)
          if (k >= w.first && k < w.last) tap(k);
      } else {
        for (int k = w.first; k < w.last; ++k) tap(k);
      }
    }
  window.finish(p, d.counted * h.counted * w.counted);
  static_cast<T*>(p.y)[i] = from_float<T>(window.v[0]);
  // A window of padding alone names the first element.
  if constexpr (kIndices) p.indices[i] = window.at[0] >= 0 ? window.at[0] : plane * p.axes[1].in * p.axes[2].in;
}

/// Rewrites row-major indices in [planes, depth, height, width], or channels last, as column-major within the planes.
__global__ void __launch_bounds__(kThreads) to_column_major(const __grid_constant__ PoolParams p, int64_t channels) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.results) return;
  int64_t at = p.indices[i], c = 0;
  const int64_t d = p.axes[0].in, h = p.axes[1].in, w = p.axes[2].in;
  if (p.channels_last) {
    c = at % channels;
    at /= channels;
  }
  const int64_t k = at % w, b = at / w % h, a = at / w / h % d, plane = at / w / h / d;
  // A channel's plane starts at its own first element; positions within it are single steps.
  const int64_t start = p.channels_last ? plane * d * h * w * channels + c : plane * d * h * w;
  p.indices[i] = start + a + d * (b + h * k);
}

template <class T, int kN, bool kIndices>
cudaError_t channels_last(const PoolParams& p, cudaStream_t stream) {
  const uint32_t count = p.results / kN;
  const Divisor parts(p.channels.value / kN);
  const dim3 grid((count + kThreads - 1) / kThreads);
  // Square windows look at the planes that they stand on, which must exist.
  const PoolAxisParams& depth = p.axes[0];
  const bool stands = depth.begin == 0 && int64_t(depth.out.value - 1) * depth.stride < depth.in;
  if (depth.kernel == 1 && stands && p.axes[1].kernel == 3 && p.axes[2].kernel == 3 && !kIndices)
    return launch(channels_last_kernel<T, kN, true, false>, grid, kThreads, 0, stream, p, count, parts);
  return launch(channels_last_kernel<T, kN, false, kIndices>, grid, kThreads, 0, stream, p, count, parts);
}

template <class T>
cudaError_t planes(const PoolParams& p, cudaStream_t stream) {
  const dim3 grid((p.results + kThreads - 1) / kThreads);
  if (p.indices) return launch(planes_kernel<T, 0, true>, grid, kThreads, 0, stream, p);
  if (p.axes[2].kernel == 3) return launch(planes_kernel<T, 3, false>, grid, kThreads, 0, stream, p);
  if (p.axes[2].kernel == 2) return launch(planes_kernel<T, 2, false>, grid, kThreads, 0, stream, p);
  return launch(planes_kernel<T, 0, false>, grid, kThreads, 0, stream, p);
}

template <class T>
cudaError_t pool_as(const PoolParams& p, cudaStream_t stream) {
  if (!p.channels_last) return planes<T>(p, stream);
  if (p.indices) return channels_last<T, 1, true>(p, stream);
  const uintptr_t all = reinterpret_cast<uintptr_t>(p.x) | reinterpret_cast<uintptr_t>(p.y);
  const int64_t multiple = p.channels.value | p.x_pitch | p.y_pitch;
  // Few results are spread over more threads.
  constexpr int kPair = 4 / sizeof(T) > 0 ? int(4 / sizeof(T)) : 1;
  constexpr uint32_t kMany = 512 * 1024, kSome = 128 * 1024;
  constexpr int kHalf = kChunk<T> / 2;
  if (multiple % kChunk<T> == 0 && all % 16 == 0 && p.results >= kMany)
    return channels_last<T, kChunk<T>, false>(p, stream);
  if (multiple % kHalf == 0 && all % 8 == 0 && p.results >= kSome) return channels_last<T, kHalf, false>(p, stream);
  if (multiple % kPair == 0 && all % 4 == 0) return channels_last<T, kPair, false>(p, stream);
  return channels_last<T, 1, false>(p, stream);
}

}  // namespace

cudaError_t pool(const PoolParams& p, Elem type, cudaStream_t stream) {
  if (p.results == 0) return cudaSuccess;
  const cudaError_t code = with_elem(type, [&](auto element) { return pool_as<decltype(element)>(p, stream); });
  if (code != cudaSuccess || !p.indices || !p.column_major) return code;
  return launch(to_column_major, dim3((p.results + kThreads - 1) / kThreads), kThreads, 0, stream, p,
                int64_t(p.channels.value));
}

}  // namespace tenon::cuda
