// Rows of elements in 16-byte chunks, and reductions over the threads that share a row.
#pragma once
#include "backends/cuda/device/types.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Elements of 16 bytes.
template <class T>
constexpr int kChunk = int(16 / sizeof(T));

/// Elements [at, at + kChunk) of a row of n as floats; `fill` beyond its end. `wide` says that rows are aligned to 16
/// bytes and n is a multiple of the chunk.
template <class T>
__device__ __forceinline__ void load_chunk(const T* row, int at, int n, bool wide, float fill, float (&v)[kChunk<T>]) {
  if (wide && at < n) {
    load_floats<T, kChunk<T>>(row + at, v);
    return;
  }
#pragma unroll
  for (int j = 0; j < kChunk<T>; ++j) v[j] = at + j < n ? to_float(row[at + j]) : fill;
}
template <class T>
__device__ __forceinline__ void store_chunk(T* row, int at, int n, bool wide, const float (&v)[kChunk<T>]) {
  if (wide) {
    if (at < n) store_floats<T, kChunk<T>>(row + at, v);
    return;
  }
#pragma unroll
  for (int j = 0; j < kChunk<T>; ++j)
    if (at + j < n) row[at + j] = from_float<T>(v[j]);
}

/// Element `i` of an operand whose type is known only at run time.
__device__ __forceinline__ float load_elem(const void* p, Elem type, int64_t i) {
  if (type == Elem::kF16) return to_float(static_cast<const __half*>(p)[i]);
  if (type == Elem::kBF16) return to_float(static_cast<const __nv_bfloat16*>(p)[i]);
  return static_cast<const float*>(p)[i];
}

struct SumFold {
  static constexpr float kNeutral = 0;
  __device__ __forceinline__ float operator()(float a, float b) const { return a + b; }
};
/// NaN wins.
struct MaxFold {
  static constexpr float kNeutral = -INFINITY;
  __device__ __forceinline__ float operator()(float a, float b) const { return a != a || a > b ? a : b; }
};

/// The fold of `v` over kLanes neighbouring threads of a warp, or of a whole block of kLanes > 32 threads, in all of
/// them and always in the same order. `scratch` has room for a float a warp, and may be reused after a __syncthreads().
template <int kLanes, class Fold>
__device__ __forceinline__ float fold_row(float v, Fold fold, float* scratch) {
#pragma unroll
  for (int offset = (kLanes < 32 ? kLanes : 32) / 2; offset > 0; offset /= 2)
    v = fold(v, __shfl_xor_sync(0xffffffffu, v, offset));
  if constexpr (kLanes > 32) {
    constexpr int kWarps = kLanes / 32;
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
    __syncthreads();
    v = scratch[0];
#pragma unroll
    for (int w = 1; w < kWarps; ++w) v = fold(v, scratch[w]);
    __syncthreads();
  }
  return v;
}

}  // namespace tenon::cuda
