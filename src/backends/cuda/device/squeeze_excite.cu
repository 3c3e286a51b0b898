// The blocks of a cluster share an image: each adds up some of its positions, finishes the means of some channels, and
// adds those to every hidden value; then each finishes some channels of the result. The order of every sum depends on
// the shape of one image alone.
#include "backends/cuda/device/squeeze_excite.h"

#include <algorithm>

#include "backends/cuda/device/cluster.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/rows.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kAhead = 8;  ///< positions that a thread reads before it adds them

/// Where a block keeps what, in floats from the start of its shared memory; the weights follow.
struct Layout {
  int sums, partial, hidden, means, inner_bias, outer_bias, scratch, floats;
};
/// Elements that a thread reads at a time, of rows that are `wide` or not.
template <class T>
constexpr int vector_of(bool wide) {
  return wide ? kChunk<T> : 1;
}
__host__ __device__ inline int groups_of(int chunks) { return chunks < kThreads ? kThreads / chunks : 1; }
__host__ __device__ inline int sums_pitch(const SqueezeExciteArgs& a) { return a.parts * a.slice; }
__host__ __device__ inline Layout layout_of(const SqueezeExciteArgs& a, int vector) {
  const int chunks = (a.channels + vector - 1) / vector;
  Layout l;
  l.sums = 0;
  l.partial = l.sums + groups_of(chunks) * sums_pitch(a);
  l.hidden = l.partial + a.hidden;
  l.means = l.hidden + a.hidden;
  l.inner_bias = l.means + a.slice;
  l.outer_bias = l.inner_bias + a.hidden;
  l.scratch = l.outer_bias + a.slice;
  l.floats = (l.scratch + (a.hidden > kThreads ? a.hidden : kThreads) + 3) / 4 * 4;
  return l;
}

/// Copies 16 bytes, or their first `bytes`, to shared memory; they are there after wait_copies().
__device__ __forceinline__ void fetch(void* to, const void* from, int bytes = 16) {
#if __CUDA_ARCH__ >= 800
  copy_part_async(to, from, bytes);
#else
  for (int i = 0; i < bytes / 4; ++i) static_cast<uint32_t*>(to)[i] = static_cast<const uint32_t*>(from)[i];
#endif
}
/// Starts copying a block's part of the operands.
template <class T>
__device__ __forceinline__ void fetch_operands(const SqueezeExciteArgs& a, const Layout& l, int first, float* memory) {
  constexpr int kUnit = kChunk<T>;
  T *const w1 = reinterpret_cast<T*>(memory + l.floats), *const w2 = w1 + a.slice * a.hidden;
  const T *const from1 = static_cast<const T*>(a.w1) + int64_t(first) * a.hidden, *const from2 =
                                                                                      static_cast<const T*>(a.w2) +
                                                                                      int64_t(first) * a.hidden;
  for (int i = int(threadIdx.x) * kUnit; i < a.slice * a.hidden; i += kThreads * kUnit) {
    fetch(w1 + i, from1 + i);
    fetch(w2 + i, from2 + i);
  }
  for (int i = int(threadIdx.x) * 4; i < a.hidden; i += kThreads * 4)
    fetch(memory + l.inner_bias + i, a.inner.bias + i);
  for (int i = int(threadIdx.x) * 4; i < a.slice && first + i < a.channels; i += kThreads * 4)
    fetch(memory + l.outer_bias + i, a.outer.bias + first + i, min(a.channels - first - i, 4) * 4);
  commit_copies();
}

/// Four floats at `local` in block `rank` of the `parts` of an image.
__device__ __forceinline__ float4 read_part(const float* local, int parts, int rank) {
  return parts == 1 ? *reinterpret_cast<const float4*>(local) : load_from_cluster(local, uint32_t(rank));
}
__device__ __forceinline__ void sync_parts(int parts) {
  if (parts == 1)
    __syncthreads();
  else
    sync_cluster();
}

/// The sum over the image's blocks of four floats, in order.
__device__ __forceinline__ float4 sum_parts(const float* local, int parts) {
  float4 all[kExciteParts];
#pragma unroll
  for (int k = 0; k < kExciteParts; ++k) all[k] = k < parts ? read_part(local, parts, k) : float4{};
  float4 sum = all[0];
#pragma unroll
  for (int k = 1; k < kExciteParts; ++k) {
    sum.x += all[k].x;
    sum.y += all[k].y;
    sum.z += all[k].z;
    sum.w += all[k].w;
  }
  return sum;
}

/// Adds up this block's positions; sums[c] for every channel, zeros beyond.
template <class T, int V>
__device__ __forceinline__ void add_positions(const SqueezeExciteArgs& a, const T* image, int rank, float* sums) {
  const int pitch = sums_pitch(a), chunks = a.channels / V, groups = groups_of(chunks);
  const int from = int(int64_t(a.positions) * rank / a.parts), to = int(int64_t(a.positions) * (rank + 1) / a.parts);
  const int group = int(threadIdx.x) / chunks;
  for (int chunk = int(threadIdx.x) - group * chunks; chunk < chunks && group < groups; chunk += kThreads) {
    float sum[V] = {};
    for (int p = from + group; p < to; p += kAhead * groups) {
      Words<T, V> read[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        read[k].clear();
        if (p + k * groups < to) read[k].read(image + int64_t(p + k * groups) * a.x_pitch + chunk * V);
      }
#pragma unroll
      for (int k = 0; k < kAhead; ++k)
#pragma unroll
        for (int v = 0; v < V; ++v) sum[v] += read[k].at(v);
    }
#pragma unroll
    for (int v = 0; v < V; ++v) sums[group * pitch + chunk * V + v] = sum[v];
  }
  __syncthreads();
  for (int c = int(threadIdx.x); c < pitch; c += kThreads) {
    float sum = 0;
    if (c < a.channels)
      for (int g = 0; g < groups; ++g) sum += sums[g * pitch + c];
    sums[c] = sum;
  }
}

/// This block's part of every hidden sum.
template <class T>
__device__ __forceinline__ void add_to_hidden(const SqueezeExciteArgs& a, const T* w1, const float* means,
                                              float* scratch, float* partial) {
  const int groups = a.hidden < kThreads ? kThreads / a.hidden : 1, group = int(threadIdx.x) / a.hidden;
  for (int r = int(threadIdx.x) - group * a.hidden; r < a.hidden && group < groups; r += kThreads) {
    float sum = 0;
    for (int i = group; i < a.slice; i += groups) sum = fmaf(means[i], to_float(w1[i * a.hidden + r]), sum);
    scratch[group * a.hidden + r] = sum;
  }
  __syncthreads();
  for (int r = int(threadIdx.x); r < a.hidden; r += kThreads) {
    float sum = 0;
    for (int g = 0; g < groups; ++g) sum += scratch[g * a.hidden + r];
    partial[r] = sum;
  }
}

/// Activation of one value of a product.
template <class T>
__device__ __forceinline__ float finish(const Epilogue& e, float sum) {
  float v[1] = {sum};
  activate<sizeof(T) == 2>(e, v);
  return v[0];
}

template <class T, bool kWide>
__global__ void __launch_bounds__(kThreads) squeeze_excite_kernel(const __grid_constant__ SqueezeExciteArgs a) {
  constexpr int V = vector_of<T>(kWide);
  float* const memory = dynamic_shared<float>();
  const Layout l = layout_of(a, V);
  const int rank = int(blockIdx.z), image = int(blockIdx.x), first = rank * a.slice;
  const T *const w1 = reinterpret_cast<T*>(memory + l.floats), *const w2 = w1 + a.slice * a.hidden;
  fetch_operands<T>(a, l, first, memory);  // constants do not depend on the kernel before this one
  begin();
  finish_early();
  float *const sums = memory + l.sums, *const means = memory + l.means, *const hidden = memory + l.hidden,
               *const partial = memory + l.partial;
  add_positions<T, V>(a, static_cast<const T*>(a.x) + int64_t(image) * a.positions * a.x_pitch, rank, sums);
  sync_parts(a.parts);
  const float scale = 1.f / float(a.positions);
  for (int i = int(threadIdx.x) * 4; i < a.slice; i += kThreads * 4) {
    const float4 sum = sum_parts(sums + first + i, a.parts);
    *reinterpret_cast<float4*>(means + i) = {sum.x * scale, sum.y * scale, sum.z * scale, sum.w * scale};
  }
  wait_copies<0>();
  __syncthreads();
  add_to_hidden(a, w1, means, memory + l.scratch, partial);
  sync_parts(a.parts);
  const float *const inner = memory + l.inner_bias, *const outer = memory + l.outer_bias;
  for (int r = int(threadIdx.x) * 4; r < a.hidden; r += kThreads * 4) {
    const float4 sum = sum_parts(partial + r, a.parts);
    *reinterpret_cast<float4*>(hidden + r) = {
        finish<T>(a.inner, sum.x + inner[r]), finish<T>(a.inner, sum.y + inner[r + 1]),
        finish<T>(a.inner, sum.z + inner[r + 2]), finish<T>(a.inner, sum.w + inner[r + 3])};
  }
  sync_parts(a.parts);  // no block ends while others read from it
  for (int i = int(threadIdx.x); i < a.slice && first + i < a.channels; i += kThreads) {
    float sum = 0;
    for (int r = 0; r < a.hidden; r += kChunk<T>) {
      float w[kChunk<T>];
      load_floats(w2 + i * a.hidden + r, w);
#pragma unroll
      for (int k = 0; k < kChunk<T>; ++k) sum = fmaf(w[k], hidden[r + k], sum);
    }
    static_cast<T*>(a.y)[int64_t(image) * a.channels + first + i] = from_float<T>(finish<T>(a.outer, sum + outer[i]));
  }
}

template <class T>
bool is_wide(const SqueezeExciteArgs& a) {
  return a.channels % kChunk<T> == 0 && a.x_pitch % kChunk<T> == 0 && reinterpret_cast<uintptr_t>(a.x) % 16 == 0;
}

template <class T>
int64_t shared_bytes(const SqueezeExciteArgs& a, int vector) {
  return int64_t(layout_of(a, vector).floats) * 4 + int64_t(a.slice) * a.hidden * 2 * int64_t(sizeof(T));
}

template <class T, bool kWide>
cudaError_t start(const SqueezeExciteArgs& a, cudaStream_t stream) {
  const dim3 grid(unsigned(a.batch), 1, unsigned(a.parts));
  return launch_cluster(squeeze_excite_kernel<T, kWide>, unsigned(a.parts), grid, dim3(kThreads),
                        size_t(shared_bytes<T>(a, vector_of<T>(kWide))), stream, a);
}

}  // namespace

int64_t squeeze_excite_shared(const SqueezeExciteArgs& a, Elem type) {
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    return std::max(shared_bytes<T>(a, vector_of<T>(true)), shared_bytes<T>(a, 1));
  });
}

cudaError_t squeeze_excite(const SqueezeExciteArgs& a, Elem type, cudaStream_t stream) {
  if (a.batch == 0) return cudaSuccess;
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    return is_wide<T>(a) ? start<T, true>(a, stream) : start<T, false>(a, stream);
  });
}

}  // namespace tenon::cuda
