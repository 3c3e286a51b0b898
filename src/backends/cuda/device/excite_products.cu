#include "backends/cuda/device/excite_products.h"

#include <algorithm>

#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/words.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 512, kSumThreads = 256, kVector = 8;

__host__ __device__ inline int slice_of(const ExciteProductsArgs& a) {
  return (a.channels + a.blocks * 8 - 1) / (a.blocks * 8) * 8;
}
/// Threads that share a channel while they add its parts.
__host__ __device__ inline int shares_of(const ExciteProductsArgs& a) {
  const int fit = kThreads / a.channels;
  return fit < 1 ? 1 : fit < a.parts ? fit : a.parts;
}
/// Floats of shared memory before the weights.
__host__ __device__ inline int floats_of(const ExciteProductsArgs& a) {
  return shares_of(a) * a.channels + a.channels + a.hidden;
}

/// Copies `count` elements, a multiple of 8, to shared memory; they are there after wait_copies().
template <class T>
__device__ __forceinline__ void fetch(T* to, const T* from, int count) {
  for (int i = int(threadIdx.x) * kVector; i < count; i += kThreads * kVector) {
#if __CUDA_ARCH__ >= 800
    copy_part_async(to + i, from + i, 16);
#else
    *reinterpret_cast<uint4*>(to + i) = *reinterpret_cast<const uint4*>(from + i);
#endif
  }
}

template <class T>
__device__ __forceinline__ float finish(const Epilogue& e, float sum) {
  float v[1] = {sum};
  activate<true>(e, v);
  return v[0];
}

/// Every block of an image computes all hidden values, and its share of the factors. The order of sums depends on the
/// shape of one image alone.
template <class T, bool kStaged>
__global__ void __launch_bounds__(kThreads) products(const __grid_constant__ ExciteProductsArgs a) {
  float* const shared = dynamic_shared<float>();
  const int shares = shares_of(a), slice = slice_of(a), first = int(blockIdx.x) * slice, image = int(blockIdx.y);
  const int count = min(slice, a.channels - first);
  float *const means = shared + shares * a.channels, *const hidden = means + a.channels;
  const T *w1 = static_cast<const T*>(a.w1), *w2 = static_cast<const T*>(a.w2) + int64_t(first) * a.hidden;
  if constexpr (kStaged) {  // constants do not depend on the kernel before this one
    T *const own1 = reinterpret_cast<T*>(hidden + a.hidden), *const own2 = own1 + a.hidden * a.channels;
    fetch(own1, w1, a.hidden * a.channels);
    fetch(own2, w2, max(count, 0) * a.hidden);
    commit_copies();
    w1 = own1, w2 = own2;
  }
  begin();
  finish_early();
  const int thread = int(threadIdx.x), lane = thread % 32;
  const float* const sums = a.sums + int64_t(image) * a.parts * a.channels;
  for (int i = thread; i < shares * a.channels; i += kThreads) {
    const int share = i / a.channels, c = i - share * a.channels;
    float sum = 0;
#pragma unroll 8
    for (int p = share; p < a.parts; p += shares) sum += sums[p * a.channels + c];
    shared[i] = sum;
  }
  __syncthreads();
  const float scale = 1.f / float(a.positions);
  for (int c = thread; c < a.channels; c += kThreads) {
    float sum = 0;
#pragma unroll 8
    for (int s = 0; s < shares; ++s) sum += shared[s * a.channels + c];
    means[c] = sum * scale;
  }
  wait_copies<0>();
  __syncthreads();
  for (int r = thread / 32; r < a.hidden; r += kThreads / 32) {
    float sum = 0;
#pragma unroll 4
    for (int c = lane * 2; c < a.channels; c += 64) {
      float w[2];
      load_floats(w1 + r * a.channels + c, w);
      const float2 mean = *reinterpret_cast<const float2*>(means + c);
      sum = fmaf(w[0], mean.x, sum);
      sum = fmaf(w[1], mean.y, sum);
    }
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (lane == 0) hidden[r] = finish<T>(a.inner, sum + a.inner.bias[r]);
  }
  __syncthreads();
  constexpr int kShare = 4;                                           // threads that share a factor
  for (int i = thread / kShare; i < count; i += kThreads / kShare) {  // count is a multiple of 8: whole warps
    float sum = 0;
    for (int r = lane % kShare * kVector; r < a.hidden; r += kShare * kVector) {
      float w[kVector];
      load_floats(w2 + i * a.hidden + r, w);
#pragma unroll
      for (int k = 0; k < kVector; ++k) sum = fmaf(w[k], hidden[r + k], sum);
    }
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    if (lane % kShare == 0)
      static_cast<T*>(a.y)[int64_t(image) * a.channels + first + i] =
          from_float<T>(finish<T>(a.outer, sum + a.outer.bias[first + i]));
  }
}

/// A block adds up one part of the positions of an image.
template <class T, int V>
__global__ void __launch_bounds__(kSumThreads)
    sum_part(const T* x, int64_t x_pitch, const __grid_constant__ ExciteProductsArgs a, float* to) {
  constexpr int kAhead = 8;  // positions that a thread reads before it adds them
  float* const sums = dynamic_shared<float>();
  const int chunks = a.channels / V, groups = chunks < kSumThreads ? kSumThreads / chunks : 1;
  const int part = int(blockIdx.x), image = int(blockIdx.y), group = int(threadIdx.x) / chunks;
  const int from = int(int64_t(a.positions) * part / a.parts), end = int(int64_t(a.positions) * (part + 1) / a.parts);
  begin();
  finish_early();
  const T* const pixels = x + int64_t(image) * a.positions * x_pitch;
  for (int chunk = int(threadIdx.x) - group * chunks; chunk < chunks && group < groups; chunk += kSumThreads) {
    float sum[V] = {};
    for (int p = from + group; p < end; p += kAhead * groups) {
      Words<T, V> read[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        read[k].clear();
        if (p + k * groups < end) read[k].read(pixels + (p + k * groups) * x_pitch + chunk * V);
      }
#pragma unroll
      for (int k = 0; k < kAhead; ++k)
#pragma unroll
        for (int v = 0; v < V; ++v) sum[v] += read[k].at(v);
    }
#pragma unroll
    for (int v = 0; v < V; ++v) sums[group * a.channels + chunk * V + v] = sum[v];
  }
  __syncthreads();
  float* const result = to + (int64_t(image) * a.parts + part) * a.channels;
  for (int c = int(threadIdx.x); c < a.channels; c += kSumThreads) {
    float sum = 0;
#pragma unroll 8
    for (int g = 0; g < groups; ++g) sum += sums[g * a.channels + c];
    result[c] = sum;
  }
}

template <class T>
cudaError_t start_products(const ExciteProductsArgs& a, int64_t most, cudaStream_t stream) {
  const dim3 grid(unsigned((a.channels + slice_of(a) - 1) / slice_of(a)), unsigned(a.batch));
  const int64_t floats = int64_t(floats_of(a)) * 4;
  const int64_t staged = floats + int64_t(a.channels + slice_of(a)) * a.hidden * int64_t(sizeof(T));
  if (staged <= most) return launch(products<T, true>, grid, dim3(kThreads), size_t(staged), stream, a);
  return launch(products<T, false>, grid, dim3(kThreads), size_t(floats), stream, a);
}

template <class T, int V>
cudaError_t start_sums(const T* x, int64_t x_pitch, const ExciteProductsArgs& a, float* sums, cudaStream_t stream) {
  const int groups = std::max(1, kSumThreads / (a.channels / V));
  return launch(sum_part<T, V>, dim3(unsigned(a.parts), unsigned(a.batch)), dim3(kSumThreads),
                size_t(groups) * size_t(a.channels) * 4, stream, x, x_pitch, a, sums);
}
template <class T>
cudaError_t start_sums_of(const void* data, int64_t x_pitch, const ExciteProductsArgs& a, float* sums,
                          cudaStream_t stream) {
  const T* const x = static_cast<const T*>(data);
  const bool wide = x_pitch % kVector == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0;
  return wide ? start_sums<T, kVector>(x, x_pitch, a, sums, stream) : start_sums<T, 1>(x, x_pitch, a, sums, stream);
}

}  // namespace

cudaError_t excite_products(const ExciteProductsArgs& a, Elem type, int64_t most, cudaStream_t stream) {
  if (type == Elem::kF16) return start_products<__half>(a, most, stream);
  if (type == Elem::kBF16) return start_products<__nv_bfloat16>(a, most, stream);
  return cudaErrorInvalidValue;
}

cudaError_t sum_positions(const void* x, int64_t x_pitch, const ExciteProductsArgs& a, float* sums, Elem type,
                          cudaStream_t stream) {
  if (type == Elem::kF16) return start_sums_of<__half>(x, x_pitch, a, sums, stream);
  if (type == Elem::kBF16) return start_sums_of<__nv_bfloat16>(x, x_pitch, a, sums, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
