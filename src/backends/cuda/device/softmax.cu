#include "backends/cuda/device/softmax.h"

#include "backends/cuda/device/rows.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kBlock = 256;

/// exp with the accuracy that T keeps.
template <class T>
__device__ __forceinline__ float exp_for(float v) {
  if constexpr (sizeof(T) == 4)
    return expf(v);
  else
    return __expf(v);
}

/// What one element adds to the sum, `top` being the largest.
template <class T>
__device__ __forceinline__ float term(AxisRule rule, float v, float top) {
  if (rule <= AxisRule::kLogSoftmax) return exp_for<T>(v - top);
  return rule == AxisRule::kL1 ? fabsf(v) : v * v;
}
/// What the sum becomes for result().
__device__ __forceinline__ float shared_part(AxisRule rule, float sum) {
  if (rule == AxisRule::kSoftmax) return 1 / sum;
  if (rule == AxisRule::kLogSoftmax) return logf(sum);
  const float norm = rule == AxisRule::kL1 ? sum : sqrtf(sum);
  return norm == 0 ? 0 : 1 / norm;
}
template <class T>
__device__ __forceinline__ float result(AxisRule rule, float v, float top, float part) {
  if (rule == AxisRule::kSoftmax) return exp_for<T>(v - top) * part;
  if (rule == AxisRule::kLogSoftmax) return v - top - part;
  return v * part;
}

/// Rows in registers: kLanes threads a row, kChunks chunks a thread. While a row is computed the next one is on its
/// way.
template <class T, int kLanes, int kChunks, bool kSoftmax>
__global__ void __launch_bounds__(kLanes > 32 ? kLanes : 128)
    rows_kernel(const __grid_constant__ AxisRuleParams p, bool wide) {
  __shared__ float scratch[kBlock / 32];
  begin();
  finish_early();
  const AxisRule rule = kSoftmax ? AxisRule::kSoftmax : p.rule;
  const bool exponential = kSoftmax || rule == AxisRule::kLogSoftmax;
  const int together = int(blockDim.x) / kLanes, lane = threadIdx.x % kLanes;
  const int64_t step = int64_t(gridDim.x) * together;
  float v[kChunks][kChunk<T>], next[kChunks][kChunk<T>];
  auto load_row = [&](int64_t r, float(&to)[kChunks][kChunk<T>]) {
    const bool mine = r < p.outer;  // idle lanes take part in shuffles
    const T* x = static_cast<const T*>(p.x) + (mine ? r * p.size : 0);
#pragma unroll
    for (int k = 0; k < kChunks; ++k)
      load_chunk(x, (k * kLanes + lane) * kChunk<T>, mine ? p.size : 0, wide, exponential ? -INFINITY : 0, to[k]);
  };
  int64_t r = int64_t(blockIdx.x) * together + threadIdx.x / kLanes;
  load_row(r, v);
  for (int64_t base = int64_t(blockIdx.x) * together; base < p.outer; base += step, r += step) {
    const bool more = base + step < p.outer;
    if (more) load_row(r + step, next);
    const int n = r < p.outer ? p.size : 0;
    float top = -INFINITY, sum = 0;
    if (exponential) {
#pragma unroll
      for (int k = 0; k < kChunks; ++k)
#pragma unroll
        for (int j = 0; j < kChunk<T>; ++j) top = MaxFold()(top, v[k][j]);
      top = fold_row<kLanes>(top, MaxFold(), scratch);
    }
#pragma unroll
    for (int k = 0; k < kChunks; ++k)
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j)
        if ((k * kLanes + lane) * kChunk<T> + j < n) {
          const float t = term<T>(rule, v[k][j], top);
          sum += t;
          if (kSoftmax) v[k][j] = t;
        }
    const float part = shared_part(rule, fold_row<kLanes>(sum, SumFold(), scratch));
#pragma unroll
    for (int k = 0; k < kChunks; ++k) {
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j)
        v[k][j] = rule == AxisRule::kLogSoftmax ? v[k][j] - top - part : v[k][j] * part;
      store_chunk(static_cast<T*>(p.y) + r * p.size, (k * kLanes + lane) * kChunk<T>, n, wide, v[k]);
    }
    if (!more) break;
#pragma unroll
    for (int k = 0; k < kChunks; ++k)
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j) v[k][j] = next[k][j];
  }
}

/// Rows of any length, read again for each step; a block a row.
template <class T>
__global__ void __launch_bounds__(kBlock) long_rows_kernel(const __grid_constant__ AxisRuleParams p, bool wide) {
  __shared__ float scratch[kBlock / 32];
  begin();
  finish_early();
  const T* x = static_cast<const T*>(p.x) + int64_t(blockIdx.x) * p.size;
  T* y = static_cast<T*>(p.y) + int64_t(blockIdx.x) * p.size;
  const int first = threadIdx.x * kChunk<T>, step = kBlock * kChunk<T>;
  float v[kChunk<T>], top = -INFINITY, sum = 0;
  if (p.rule <= AxisRule::kLogSoftmax) {
    for (int at = first; at < p.size; at += step) {
      load_chunk(x, at, p.size, wide, -INFINITY, v);
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j) top = MaxFold()(top, v[j]);
    }
    top = fold_row<kBlock>(top, MaxFold(), scratch);
  }
  for (int at = first; at < p.size; at += step) {
    load_chunk(x, at, p.size, wide, 0, v);
#pragma unroll
    for (int j = 0; j < kChunk<T>; ++j)
      if (at + j < p.size) sum += term<T>(p.rule, v[j], top);
  }
  const float part = shared_part(p.rule, fold_row<kBlock>(sum, SumFold(), scratch));
  for (int at = first; at < p.size; at += step) {
    load_chunk(x, at, p.size, wide, 0, v);
#pragma unroll
    for (int j = 0; j < kChunk<T>; ++j) v[j] = result<T>(p.rule, v[j], top, part);
    store_chunk(y, at, p.size, wide, v);
  }
}

/// Columns: 32 neighbours a block, kSlots threads along each.
template <class T, int kSlots>
__global__ void __launch_bounds__(32 * kSlots)
    columns_kernel(const __grid_constant__ AxisRuleParams p, Divisor strips) {
  __shared__ float scratch[kSlots][32];
  begin();
  finish_early();
  uint32_t o = blockIdx.x;
  const int64_t column = int64_t(strips.take(o)) * 32 + threadIdx.x;
  const bool mine = column < p.inner;
  const int slot = threadIdx.y;
  const int64_t base = int64_t(o) * p.size * p.inner + (mine ? column : 0);
  const T* x = static_cast<const T*>(p.x) + base;
  auto combine = [&](float v, auto fold) {
    if constexpr (kSlots > 1) {
      scratch[slot][threadIdx.x] = v;
      __syncthreads();
      v = scratch[0][threadIdx.x];
#pragma unroll
      for (int s = 1; s < kSlots; ++s) v = fold(v, scratch[s][threadIdx.x]);
      __syncthreads();
    }
    return v;
  };
  float top = -INFINITY, sum = 0;
  if (p.rule <= AxisRule::kLogSoftmax) {
    for (int k = slot; k < p.size; k += kSlots) top = MaxFold()(top, to_float(x[k * p.inner]));
    top = combine(top, MaxFold());
  }
  for (int k = slot; k < p.size; k += kSlots) sum += term<T>(p.rule, to_float(x[k * p.inner]), top);
  const float part = shared_part(p.rule, combine(sum, SumFold()));
  if (!mine) return;
  T* y = static_cast<T*>(p.y) + base;
  for (int k = slot; k < p.size; k += kSlots)
    y[k * p.inner] = from_float<T>(result<T>(p.rule, to_float(x[k * p.inner]), top, part));
}

template <class T, int kLanes, int kChunks>
cudaError_t launch_rows(const AxisRuleParams& p, bool wide, cudaStream_t stream) {
  // Few rows are spread over all multiprocessors; of many, each block takes several in turn.
  constexpr int kFew = 1024;
  constexpr int64_t kResident = 132 * 8 * 128;  // threads that run at once on a large GPU
  const int threads = kLanes > 32 ? kLanes : p.outer * kLanes <= kFew * 32 ? (kLanes < 32 ? 32 : kLanes) : 128;
  const int64_t rows = threads / kLanes, blocks = (p.outer + rows - 1) / rows, most = kResident / threads;
  const dim3 grid(unsigned(blocks < most ? blocks : most)), block{unsigned(threads)};
  if (p.rule == AxisRule::kSoftmax)
    return launch(rows_kernel<T, kLanes, kChunks, true>, grid, block, 0, stream, p, wide);
  return launch(rows_kernel<T, kLanes, kChunks, false>, grid, block, 0, stream, p, wide);
}

template <class T>
cudaError_t rows(const AxisRuleParams& p, cudaStream_t stream) {
  const bool wide =
      p.size % kChunk<T> == 0 && (reinterpret_cast<uintptr_t>(p.x) | reinterpret_cast<uintptr_t>(p.y)) % 16 == 0;
  const int chunks = (p.size + kChunk<T> - 1) / kChunk<T>;
  if (chunks <= 1) return launch_rows<T, 1, 1>(p, wide, stream);
  if (chunks <= 8) return launch_rows<T, 8, 1>(p, wide, stream);
  if (chunks <= 32) return launch_rows<T, 32, 1>(p, wide, stream);
  if (chunks <= 64) return launch_rows<T, 32, 2>(p, wide, stream);
  if (chunks <= 128) return launch_rows<T, 32, 4>(p, wide, stream);
  if (chunks <= 256) return launch_rows<T, kBlock, 1>(p, wide, stream);
  if (chunks <= 1024) return launch_rows<T, kBlock, 4>(p, wide, stream);
  return launch(long_rows_kernel<T>, dim3(unsigned(p.outer)), kBlock, 0, stream, p, wide);
}

template <class T>
cudaError_t columns(const AxisRuleParams& p, cudaStream_t stream) {
  const int64_t strips = (p.inner + 31) / 32, blocks = strips * p.outer;
  if (blocks > kMaxElements) return cudaErrorInvalidValue;
  if (p.size < 16)
    return launch(columns_kernel<T, 1>, dim3(unsigned(blocks)), dim3(32, 1), 0, stream, p, Divisor(strips));
  return launch(columns_kernel<T, 8>, dim3(unsigned(blocks)), dim3(32, 8), 0, stream, p, Divisor(strips));
}

}  // namespace

cudaError_t axis_rule(const AxisRuleParams& p, Elem type, cudaStream_t stream) {
  if (p.outer == 0 || p.size == 0 || p.inner == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    return p.inner == 1 ? rows<T>(p, stream) : columns<T>(p, stream);
  });
}

}  // namespace tenon::cuda
