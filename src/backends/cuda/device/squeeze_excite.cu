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

constexpr int kExciteThreads = 512;
constexpr int kAhead = 8;  ///< positions that a thread reads before it adds them

/// Where a block keeps what, in floats from the start of its shared memory; the weights follow.
struct Layout {
  int sums, first, second, means, hidden, inner_bias, outer_bias, floats;
};
/// Elements that a thread reads at a time, of rows that are `wide` or not.
template <class T>
constexpr int vector_of(bool wide) {
  return wide ? kChunk<T> : 1;
}
__host__ __device__ inline int groups_of(int chunks, int threads) { return chunks < threads ? threads / chunks : 1; }
__host__ __device__ inline int sums_pitch(const SqueezeExciteArgs& a) { return a.parts * a.slice; }
__host__ __device__ inline Layout layout_of(const SqueezeExciteArgs& a, int vector, int threads) {
  const int groups = groups_of((a.channels + vector - 1) / vector, threads), pitch = sums_pitch(a);
  Layout l;
  l.sums = 0;
  l.first = l.sums + groups * pitch;       // sums of this block's channels, a row of each block
  l.second = l.first + a.parts * a.slice;  // sums of hidden values, a row of each block
  l.means = l.second + a.parts * a.hidden;
  l.hidden = l.means + a.slice;
  l.inner_bias = l.hidden + a.hidden;
  l.outer_bias = l.inner_bias + a.hidden;
  l.floats = (l.outer_bias + a.slice + 3) / 4 * 4;
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
template <class T, int kThreads>
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

__device__ __forceinline__ void send(float* local, int parts, int rank, float v) {
  if (parts == 1)
    *local = v;
  else
    store_to_cluster(local, uint32_t(rank), v);
}
/// What was sent before is there after.
__device__ __forceinline__ void sync_parts(int parts) {
  if (parts == 1)
    __syncthreads();
  else
    sync_cluster();
}
/// The sum of the `parts` values, `pitch` apart, in order.
__device__ __forceinline__ float sum_parts(const float* from, int parts, int pitch) {
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kExciteParts; ++k)
    if (k < parts) sum += from[k * pitch];
  return sum;
}

/// Adds up this block's positions and sends the sums to the blocks of their channels.
template <class T, int V, int kThreads>
__device__ __forceinline__ void add_positions(const SqueezeExciteArgs& a, const Layout& l, const T* image, int rank,
                                              float* memory) {
  float* const sums = memory + l.sums;
  const int pitch = sums_pitch(a), chunks = a.channels / V, groups = groups_of(chunks, kThreads);
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
  // Threads that share a channel add every so many groups each, then one adds theirs.
  const int share = a.channels < kThreads ? min(groups, kThreads / a.channels) : 1,
            part = int(threadIdx.x) / a.channels;
  float sum = 0;
  if (share > 1) {
    const int c = int(threadIdx.x) - part * a.channels;
    if (part < share) {
#pragma unroll 8
      for (int g = part; g < groups; g += share) sum += sums[g * pitch + c];
      sums[part * pitch + c] = sum;  // of group `part`, which no other thread reads
    }
    __syncthreads();
  }
  if (a.parts > 1) wait_cluster();  // all blocks have started
  for (int c = int(threadIdx.x); c < a.channels; c += kThreads) {
    sum = 0;
    const int rows = share > 1 ? share : groups;
#pragma unroll 8
    for (int g = 0; g < rows; ++g) sum += sums[g * pitch + c];
    const int owner = c / a.slice;
    send(memory + l.first + rank * a.slice + c - owner * a.slice, a.parts, owner, sum);
  }
}

/// Sends this block's part of every hidden sum to all blocks: a warp adds up one at a time.
template <class T, int kThreads>
__device__ __forceinline__ void add_to_hidden(const SqueezeExciteArgs& a, const T* w1, const float* means, int count,
                                              int rank, float* second) {
  const int lane = int(threadIdx.x) % 32;
  for (int r = int(threadIdx.x) / 32; r < a.hidden; r += kThreads / 32) {
    float sum = 0;
#pragma unroll 4
    for (int i = lane; i < count; i += 32) sum = fmaf(means[i], to_float(w1[r * a.slice + i]), sum);
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (lane < a.parts) send(second + rank * a.hidden + r, a.parts, lane, sum);
  }
}

/// Activation of one value of a product.
template <class T>
__device__ __forceinline__ float finish(const Epilogue& e, float sum) {
  float v[1] = {sum};
  activate<sizeof(T) == 2>(e, v);
  return v[0];
}

template <class T, bool kWide, int kThreads>
__global__ void __launch_bounds__(kThreads) squeeze_excite_kernel(const __grid_constant__ SqueezeExciteArgs a) {
  constexpr int V = vector_of<T>(kWide), kShare = 4;
  float* const memory = dynamic_shared<float>();
  const Layout l = layout_of(a, V, kThreads);
  const int rank = int(blockIdx.z), image = int(blockIdx.x), first = rank * a.slice;
  const int count = max(0, min(a.slice, a.channels - first));
  const T *const w1 = reinterpret_cast<T*>(memory + l.floats), *const w2 = w1 + a.slice * a.hidden;
  if (a.parts > 1) arrive_cluster();
  fetch_operands<T, kThreads>(a, l, first, memory);  // constants do not depend on the kernel before this one
  begin();
  finish_early();
  float *const means = memory + l.means, *const hidden = memory + l.hidden;
  add_positions<T, V, kThreads>(a, l, static_cast<const T*>(a.x) + int64_t(image) * a.positions * a.x_pitch, rank,
                                memory);
  wait_copies<0>();
  sync_parts(a.parts);
  const float scale = 1.f / float(a.positions);
  for (int i = int(threadIdx.x); i < count; i += kThreads)
    means[i] = sum_parts(memory + l.first + i, a.parts, a.slice) * scale;
  __syncthreads();
  add_to_hidden<T, kThreads>(a, w1, means, count, rank, memory + l.second);
  sync_parts(a.parts);
  for (int r = int(threadIdx.x); r < a.hidden; r += kThreads)
    hidden[r] = finish<T>(a.inner, sum_parts(memory + l.second + r, a.parts, a.hidden) + memory[l.inner_bias + r]);
  __syncthreads();
  const int lane = int(threadIdx.x) % kShare;
  for (int i = int(threadIdx.x) / kShare; i < (count + 7) / 8 * 8; i += kThreads / kShare) {
    float sum = 0;
    for (int r = lane * kChunk<T>; r < a.hidden; r += kShare * kChunk<T>) {
      float w[kChunk<T>];
      load_floats(w2 + i * a.hidden + r, w);
#pragma unroll
      for (int k = 0; k < kChunk<T>; ++k) sum = fmaf(w[k], hidden[r + k], sum);
    }
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    if (lane == 0 && i < count)
      static_cast<T*>(a.y)[int64_t(image) * a.channels + first + i] =
          from_float<T>(finish<T>(a.outer, sum + memory[l.outer_bias + i]));
  }
}

template <class T>
bool is_wide(const SqueezeExciteArgs& a) {
  return a.channels % kChunk<T> == 0 && a.x_pitch % kChunk<T> == 0 && reinterpret_cast<uintptr_t>(a.x) % 16 == 0;
}

template <class T>
int64_t shared_bytes(const SqueezeExciteArgs& a, int vector) {
  return int64_t(layout_of(a, vector, kExciteThreads).floats) * 4 +
         int64_t(a.slice) * a.hidden * 2 * int64_t(sizeof(T));
}

template <class T, bool kWide>
cudaError_t start(const SqueezeExciteArgs& a, cudaStream_t stream) {
  const dim3 grid(unsigned(a.batch), 1, unsigned(a.parts));
  return launch_cluster(squeeze_excite_kernel<T, kWide, kExciteThreads>, unsigned(a.parts), grid, dim3(kExciteThreads),
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
