#include "backends/cuda/device/reduce.h"

#include <type_traits>

#include "backends/cuda/device/rows.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kBlock = 256;

/// What has been combined so far. `top` is the maximum that LogSumExp has taken out of `sum`, or what rounding has
/// taken from a product.
struct Total {
  float sum, top;
};

/// How elements join a total and totals join each other. Absolute values and squares are summed; the least is the
/// greatest of the opposites.
enum class Form { kSum, kMax, kProd, kLogSumExp };

/// What is done to an element first: bits are cleared and changed, and it may be multiplied by itself.
struct Change {
  uint32_t keep, flip;
  bool square;
};
__device__ __forceinline__ Change change_of(ReduceRule rule) {
  return {rule == ReduceRule::kL1 ? 0x7fffffffu : 0xffffffffu, rule == ReduceRule::kMin ? 0x80000000u : 0u,
          rule == ReduceRule::kL2 || rule == ReduceRule::kSumSquare};
}

template <Form kForm>
__device__ __forceinline__ Total nothing() {
  if (kForm == Form::kMax) return {-INFINITY, 0};
  if (kForm == Form::kProd) return {1, 0};
  return {0, -INFINITY};
}
template <Form kForm>
__device__ __forceinline__ Total join(Total a, Total b) {
  if (kForm == Form::kMax) return {MaxFold()(a.sum, b.sum), 0};
  if (kForm == Form::kProd) {
    const float v = a.sum * b.sum;
    return {v, fmaf(a.sum, b.sum, -v) + (a.sum * b.top + a.top * b.sum)};
  }
  if (kForm != Form::kLogSumExp) return {a.sum + b.sum, 0};
  const float top = MaxFold()(a.top, b.top);
  if (!(fabsf(top) < INFINITY)) return {top == top && top > 0 ? 1.f : 0.f, top};
  return {a.sum * expf(a.top - top) + b.sum * expf(b.top - top), top};
}
template <Form kForm>
__device__ __forceinline__ Total with(Total t, float v, const Change& change) {
  if (kForm == Form::kLogSumExp) return join<kForm>(t, {1, v});
  if (kForm == Form::kProd) return join<kForm>(t, {v, 0});
  v = __uint_as_float((__float_as_uint(v) & change.keep) ^ change.flip);
  if (kForm == Form::kSum) return {fmaf(v, change.square ? v : 1.f, t.sum), 0};
  return join<kForm>(t, {v, 0});
}
template <Form kForm>
__device__ __forceinline__ float finish(ReduceRule rule, Total t, uint32_t count) {
  if (kForm == Form::kLogSumExp) return fabsf(t.top) < INFINITY ? logf(t.sum) + t.top : t.top;
  if (kForm == Form::kProd) return fabsf(t.sum) < INFINITY ? t.sum + t.top : t.sum;
  if (rule == ReduceRule::kMin) return -t.sum;
  if (rule == ReduceRule::kMean) return t.sum / float(count);
  if (rule == ReduceRule::kL2) return sqrtf(t.sum);
  if (rule == ReduceRule::kLogSum) return logf(t.sum);
  return t.sum;
}

template <Form kForm>
__device__ __forceinline__ Total shuffle_join(Total t, int lanes) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) {
    Total other{__shfl_xor_sync(0xffffffffu, t.sum, offset), 0};
    if (kForm == Form::kLogSumExp || kForm == Form::kProd) other.top = __shfl_xor_sync(0xffffffffu, t.top, offset);
    t = join<kForm>(t, other);
  }
  return t;
}

/// Elements [first, last) of a split.
__device__ __forceinline__ uint32_t split_begin(uint32_t count, uint32_t split, uint32_t splits) {
  return uint32_t(uint64_t(count) * split / splits);
}

template <Form kForm, class T>
__device__ __forceinline__ void put(const ReduceParams& p, uint32_t result, Total t) {
  if (gridDim.y == 1)
    static_cast<T*>(p.y)[result] = from_float<T>(finish<kForm>(p.rule, t, p.count));
  else
    reinterpret_cast<float2*>(p.partial)[int64_t(blockIdx.y) * p.results + result] = make_float2(t.sum, t.top);
}

/// kLanes threads a result; blockIdx.y is the split. A lane takes elements kLanes apart.
template <class T, Form kForm, int kLanes>
__global__ void __launch_bounds__(kBlock) rows_kernel(const __grid_constant__ ReduceParams p) {
  __shared__ float2 scratch[kBlock / 32];
  begin();
  finish_early();
  const uint32_t result = blockIdx.x * (blockDim.x / kLanes) + threadIdx.x / kLanes;
  const bool mine = result < p.results;  // idle lanes take part in shuffles
  const T* x = static_cast<const T*>(p.x) + (mine ? place(p.kept, p.kept_strides, result) : 0);
  const uint32_t begin_at = split_begin(p.count, blockIdx.y, gridDim.y);
  const uint32_t end_at = mine ? split_begin(p.count, blockIdx.y + 1, gridDim.y) : 0;
  const Change change = change_of(p.rule);
  Total t = nothing<kForm>();
  if (p.combined.rank <= 1) {
    const int64_t step = p.combined.rank ? p.combined_strides.of[0] : 0;
#pragma unroll 8
    for (uint32_t k = begin_at + threadIdx.x % kLanes; k < end_at; k += kLanes)
      t = with<kForm>(t, to_float(x[k * step]), change);
  } else {
    for (uint32_t k = begin_at + threadIdx.x % kLanes; k < end_at; k += kLanes)
      t = with<kForm>(t, to_float(x[place(p.combined, p.combined_strides, k)]), change);
  }
  if (kLanes > 1) t = shuffle_join<kForm>(t, kLanes < 32 ? kLanes : 32);
  if (kLanes > 32) {
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = make_float2(t.sum, t.top);
    __syncthreads();
    t = {scratch[0].x, scratch[0].y};
    for (int w = 1; w < kLanes / 32; ++w) t = join<kForm>(t, {scratch[w].x, scratch[w].y});
  }
  if (mine && threadIdx.x % kLanes == 0) put<kForm, T>(p, result, t);
}

__device__ __forceinline__ void put_cell(Total t, float& cell) { cell = t.sum; }
__device__ __forceinline__ void put_cell(Total t, float2& cell) { cell = make_float2(t.sum, t.top); }
__device__ __forceinline__ Total get_cell(float cell) { return {cell, 0}; }
__device__ __forceinline__ Total get_cell(float2 cell) { return {cell.x, cell.y}; }

/// Columns: threadIdx.x takes kN neighbouring ones, threadIdx.y elements blockDim.y apart; blockIdx.y is the split.
template <class T, Form kForm, int kN>
__global__ void __launch_bounds__(kBlock) columns_kernel(const __grid_constant__ ReduceParams p, Divisor strips) {
  // A product and LogSumExp have two numbers to share.
  using Cell = std::conditional_t<kForm == Form::kProd || kForm == Form::kLogSumExp, float2, float>;
  __shared__ Cell scratch[kN][kBlock];
  begin();
  finish_early();
  uint32_t group = blockIdx.x;
  const uint32_t column = (strips.take(group) * blockDim.x + threadIdx.x) * kN;
  const bool mine = column < p.columns;
  const T* x = static_cast<const T*>(p.x) + place(p.kept, p.kept_strides, group) + (mine ? column : 0);
  const uint32_t begin_at = split_begin(p.count, blockIdx.y, gridDim.y);
  const uint32_t end_at = mine ? split_begin(p.count, blockIdx.y + 1, gridDim.y) : 0;
  const Change change = change_of(p.rule);
  Total t[kN];
#pragma unroll
  for (int j = 0; j < kN; ++j) t[j] = nothing<kForm>();
  auto add = [&](const T* at) {
    float v[kN];
    load_floats<T, kN>(at, v);
#pragma unroll
    for (int j = 0; j < kN; ++j) t[j] = with<kForm>(t[j], v[j], change);
  };
  if (p.combined.rank <= 1) {
    const int64_t step = p.combined.rank ? p.combined_strides.of[0] : 0;
#pragma unroll 8
    for (uint32_t k = begin_at + threadIdx.y; k < end_at; k += blockDim.y) add(x + k * step);
  } else {
    for (uint32_t k = begin_at + threadIdx.y; k < end_at; k += blockDim.y)
      add(x + place(p.combined, p.combined_strides, k));
  }
  const uint32_t me = threadIdx.y * blockDim.x + threadIdx.x;
  for (uint32_t half = blockDim.y / 2; half > 0; half /= 2) {
    if (threadIdx.y >= half && threadIdx.y < 2 * half) {
#pragma unroll
      for (int j = 0; j < kN; ++j) put_cell(t[j], scratch[j][me]);
    }
    __syncthreads();
    if (threadIdx.y < half) {
#pragma unroll
      for (int j = 0; j < kN; ++j) t[j] = join<kForm>(t[j], get_cell(scratch[j][me + half * blockDim.x]));
    }
  }
  if (threadIdx.y > 0) return;
  if (!mine) return;
#pragma unroll
  for (int j = 0; j < kN; ++j) put<kForm, T>(p, group * p.columns + column + j, t[j]);
}

/// Joins the splits' totals in their order.
template <class T, Form kForm>
__global__ void __launch_bounds__(kBlock) join_kernel(const __grid_constant__ ReduceParams p, int splits) {
  begin();
  finish_early();
  const uint32_t result = blockIdx.x * kBlock + threadIdx.x;
  if (result >= p.results) return;
  const float2* partial = reinterpret_cast<const float2*>(p.partial) + result;
  Total t = nothing<kForm>();
#pragma unroll 8
  for (int s = 0; s < splits; ++s) {
    const float2 v = partial[int64_t(s) * p.results];
    t = join<kForm>(t, {v.x, v.y});
  }
  static_cast<T*>(p.y)[result] = from_float<T>(finish<kForm>(p.rule, t, p.count));
}

template <class T, Form kForm, int kLanes>
cudaError_t rows(const ReduceParams& p, unsigned splits, cudaStream_t stream) {
  constexpr int kFew = 1024;
  const int threads = kLanes > 32 ? kLanes : int64_t(p.results) * kLanes <= kFew * 32 ? 32 : 128;
  const unsigned blocks = (p.results + unsigned(threads / kLanes) - 1) / unsigned(threads / kLanes);
  return launch(rows_kernel<T, kForm, kLanes>, dim3(blocks, splits), dim3(unsigned(threads)), 0, stream, p);
}

/// Threads that share a column; a power of two that depends on the number of elements alone.
unsigned slots_of(const ReduceParams& p) { return p.count > 512 ? 32 : p.count >= 64 ? 16 : p.count >= 16 ? 8 : 1; }

template <class T, Form kForm, int kN>
cudaError_t columns(const ReduceParams& p, unsigned splits, cudaStream_t stream) {
  const unsigned slots = slots_of(p), most = kBlock / slots;
  const uint32_t accesses = (p.columns + kN - 1) / kN, strips = (accesses + most - 1) / most;
  const uint32_t lanes = (accesses + strips - 1) / strips, groups = p.results / p.columns;
  if (int64_t(strips) * groups > kMaxElements) return cudaErrorInvalidValue;
  return launch(columns_kernel<T, kForm, kN>, dim3(strips * groups, splits), dim3(lanes, slots), 0, stream, p,
                Divisor(strips));
}

template <class T, Form kForm>
cudaError_t reduce_as(const ReduceParams& p, cudaStream_t stream) {
  const unsigned splits = unsigned(reduce_splits(p));
  cudaError_t code;
  if (p.columns > 1) {
    constexpr int kPair = 4 / sizeof(T);
    int64_t odd = p.columns;
    for (int d = 0; d < p.kept.rank; ++d) odd |= p.kept_strides.of[d];
    for (int d = 0; d < p.combined.rank; ++d) odd |= p.combined_strides.of[d];
    const uintptr_t at = reinterpret_cast<uintptr_t>(p.x);
    // 16-byte accesses where they leave enough threads.
    constexpr uint32_t kMany = 16 * 1024;
    if (odd % kChunk<T> == 0 && at % 16 == 0 && uint64_t(p.results / kChunk<T>) * slots_of(p) * splits >= kMany)
      code = columns<T, kForm, kChunk<T>>(p, splits, stream);
    else if (odd % kPair == 0 && at % 4 == 0)
      code = columns<T, kForm, kPair>(p, splits, stream);
    else
      code = columns<T, kForm, 1>(p, splits, stream);
  } else if (p.count <= 16) {
    code = rows<T, kForm, 1>(p, splits, stream);
  } else if (p.count <= 2048) {
    code = rows<T, kForm, 32>(p, splits, stream);
  } else {
    code = rows<T, kForm, kBlock>(p, splits, stream);
  }
  if (splits == 1 || code != cudaSuccess) return code;
  return launch(join_kernel<T, kForm>, dim3((p.results + kBlock - 1) / kBlock), kBlock, 0, stream, p, int(splits));
}

}  // namespace

int reduce_splits(const ReduceParams& p) {
  const uint32_t part = p.columns > 1 ? 512 : 16384;
  const uint32_t n = p.count <= 2 * part ? 1 : (p.count + part - 1) / part;
  return int(n < 64 ? n : 64);
}

cudaError_t reduce(const ReduceParams& p, Elem type, cudaStream_t stream) {
  if (p.results == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    switch (p.rule) {
      case ReduceRule::kMax:
      case ReduceRule::kMin:
        return reduce_as<T, Form::kMax>(p, stream);
      case ReduceRule::kProd:
        return reduce_as<T, Form::kProd>(p, stream);
      case ReduceRule::kLogSumExp:
        return reduce_as<T, Form::kLogSumExp>(p, stream);
      default:
        return reduce_as<T, Form::kSum>(p, stream);
    }
  });
}

}  // namespace tenon::cuda
