#include "backends/cuda/device/norm.h"

#include "backends/cuda/device/rows.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kBlock = 256, kLongBlock = 1024;
constexpr int kFewRows = 1024;  // rows of one warp that do not fill a large GPU

/// Scale and bias of elements [at, at + kChunk) of a row.
template <class T>
struct Parameters {
  const NormParams& p;
  Divisor plane;
  int first_channel;

  __device__ __forceinline__ void chunk(const void* of, Elem type, int at, bool wide, float fill,
                                        float (&v)[kChunk<T>]) const {
    if (p.plane) {
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j)
        v[j] = at + j < p.length ? load_elem(of, type, first_channel + int(plane.divide(uint32_t(at + j)))) : fill;
      return;
    }
    if (wide && at < p.length) {
      if (type == Elem::kF32)
        load_16_bytes(static_cast<const float*>(of) + at, v);
      else if (type == Elem::kF16)
        load_16_bytes(static_cast<const __half*>(of) + at, v);
      else
        load_16_bytes(static_cast<const __nv_bfloat16*>(of) + at, v);
      return;
    }
#pragma unroll
    for (int j = 0; j < kChunk<T>; ++j) v[j] = at + j < p.length ? load_elem(of, type, at + j) : fill;
  }

 private:
  /// kChunk<T> elements of type P in accesses of up to 16 bytes.
  template <class P>
  __device__ __forceinline__ static void load_16_bytes(const P* from, float (&v)[kChunk<T>]) {
    constexpr int kN = kChunk<T> < kChunk<P> ? kChunk<T> : kChunk<P>;
#pragma unroll
    for (int k = 0; k < kChunk<T>; k += kN) {
      float part[kN];
      load_floats<P, kN>(from + k, part);
#pragma unroll
      for (int j = 0; j < kN; ++j) v[k + j] = part[j];
    }
  }
};

template <class T>
__device__ __forceinline__ Parameters<T> parameters_of(const NormParams& p, Divisor plane, int64_t row) {
  return {p, plane, p.plane ? int(row * (p.length / p.plane) % p.channels) : 0};
}

/// v = (v - mean) * inverse * scale + bias for one chunk.
template <class T>
__device__ __forceinline__ void scale_chunk(float mean, float inverse, const float (&scale)[kChunk<T>],
                                            const float (&bias)[kChunk<T>], float (&v)[kChunk<T>]) {
#pragma unroll
  for (int j = 0; j < kChunk<T>; ++j) v[j] = (v[j] - mean) * inverse * scale[j] + bias[j];
}

/// Scale and bias of a chunk.
template <class T>
__device__ __forceinline__ void load_parameters(const Parameters<T>& of, int at, bool wide, float (&scale)[kChunk<T>],
                                                float (&bias)[kChunk<T>]) {
  const NormParams& p = of.p;
  of.chunk(p.scale, p.scale_type, at, wide, 0, scale);
  if (p.bias) {
    of.chunk(p.bias, p.bias_type, at, wide, 0, bias);
  } else {
#pragma unroll
    for (int j = 0; j < kChunk<T>; ++j) bias[j] = 0;
  }
}

/// Mean and sum of squares around it, of kLanes * kCount numbers that the lanes of a row hold. Chan, Golub and LeVeque,
/// "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979): halves of one size are joined,
/// in one round of exchanges where a sum of squares after the mean takes two.
template <int kLanes, int kCount>
__device__ __forceinline__ float2 moments(const float* v) {
  float mean = 0, squares = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) mean += v[i];
  mean *= 1.f / kCount;
#pragma unroll
  for (int i = 0; i < kCount; ++i) squares += (v[i] - mean) * (v[i] - mean);
#pragma unroll
  for (int lanes = 1; lanes < kLanes; lanes *= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, mean, lanes), more = __shfl_xor_sync(0xffffffffu, squares, lanes);
    const float difference = other - mean;
    mean = 0.5f * (mean + other);
    squares += more + difference * difference * (0.5f * kCount * float(lanes));
  }
  return make_float2(mean, squares);
}

/// Rows in registers: kLanes threads a row, kChunks chunks a thread. The squares are summed around the mean. While a
/// row is computed the next one is on its way.
template <class T, int kLanes, int kChunks>
__global__ void __launch_bounds__(kLanes > 32 ? kLanes : 128)
    rows_kernel(const __grid_constant__ NormParams p, bool wide, Divisor plane) {
  __shared__ float scratch[kBlock / 32];
  const int together = int(blockDim.x) / kLanes, lane = threadIdx.x % kLanes;
  const int64_t step = int64_t(gridDim.x) * together;
  float v[kChunks][kChunk<T>], next[kChunks][kChunk<T>], scale[kChunks][kChunk<T>], bias[kChunks][kChunk<T>];
  auto load_row = [&](int64_t r, float(&to)[kChunks][kChunk<T>]) {
    const bool mine = r < p.rows;  // idle lanes take part in shuffles
    const T* x = static_cast<const T*>(p.x) + (mine ? r * p.x_pitch : 0);
#pragma unroll
    for (int k = 0; k < kChunks; ++k)
      load_chunk(x, (k * kLanes + lane) * kChunk<T>, mine ? p.length : 0, wide, 0, to[k]);
  };
  auto load_scales = [&](int64_t r) {
    const auto of = parameters_of<T>(p, plane, r);
#pragma unroll
    for (int k = 0; k < kChunks; ++k) load_parameters<T>(of, (k * kLanes + lane) * kChunk<T>, wide, scale[k], bias[k]);
  };
  int64_t r = int64_t(blockIdx.x) * together + threadIdx.x / kLanes;
  // Constants do not depend on the kernel before this one.
  if (!p.constant) begin();
  load_scales(r);
  if (p.constant) begin();
  finish_early();
  load_row(r, v);
  for (int64_t base = int64_t(blockIdx.x) * together; base < p.rows; base += step, r += step) {
    const bool more = base + step < p.rows;
    if (more) load_row(r + step, next);
    const int n = r < p.rows ? p.length : 0;
    float sum = 0, mean = 0, squares = 0;
    // A warp with several chunks a lane has rows that fill them.
    const bool joined = kLanes == 32 && kChunks > 1 && p.centered;
    if (joined) {
      const float2 both = moments < kLanes <= 32 ? kLanes : 32, kChunks * kChunk < T >> (&v[0][0]);
      mean = both.x;
      squares = both.y;
    } else if (p.centered) {
#pragma unroll
      for (int k = 0; k < kChunks; ++k)
#pragma unroll
        for (int j = 0; j < kChunk<T>; ++j) sum += v[k][j];
      mean = fold_row<kLanes>(sum, SumFold(), scratch) / float(p.length);
      sum = 0;
    }
    if (!joined) {
#pragma unroll
      for (int k = 0; k < kChunks; ++k)
#pragma unroll
        for (int j = 0; j < kChunk<T>; ++j)
          if ((k * kLanes + lane) * kChunk<T> + j < n) sum += (v[k][j] - mean) * (v[k][j] - mean);
      squares = fold_row<kLanes>(sum, SumFold(), scratch);
    }
    const float inverse = rsqrtf(squares / float(p.length) + p.epsilon);
#pragma unroll
    for (int k = 0; k < kChunks; ++k) {
      scale_chunk<T>(mean, inverse, scale[k], bias[k], v[k]);
      store_chunk(static_cast<T*>(p.y) + r * p.y_pitch, (k * kLanes + lane) * kChunk<T>, n, wide, v[k]);
    }
    if (lane == 0 && n > 0) {
      if (p.mean) p.mean[r] = mean;
      if (p.inverse) p.inverse[r] = inverse;
    }
    if (!more) break;
    if (p.plane) load_scales(r + step);
#pragma unroll
    for (int k = 0; k < kChunks; ++k)
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j) v[k][j] = next[k][j];
  }
}

/// Rows of any length, read again for each step; a block a row.
template <class T>
__global__ void __launch_bounds__(kLongBlock)
    long_rows_kernel(const __grid_constant__ NormParams p, bool wide, Divisor plane) {
  __shared__ float scratch[kLongBlock / 32];
  begin();
  finish_early();
  const int64_t r = blockIdx.x;
  const T* x = static_cast<const T*>(p.x) + r * p.x_pitch;
  T* y = static_cast<T*>(p.y) + r * p.y_pitch;
  const int first = threadIdx.x * kChunk<T>, step = kLongBlock * kChunk<T>;
  float v[kChunk<T>], sum = 0, mean = 0;
  if (p.centered) {
    for (int at = first; at < p.length; at += step) {
      load_chunk(x, at, p.length, wide, 0, v);
#pragma unroll
      for (int j = 0; j < kChunk<T>; ++j) sum += v[j];
    }
    mean = fold_row<kLongBlock>(sum, SumFold(), scratch) / float(p.length);
    sum = 0;
  }
  for (int at = first; at < p.length; at += step) {
    load_chunk(x, at, p.length, wide, mean, v);
#pragma unroll
    for (int j = 0; j < kChunk<T>; ++j) sum += (v[j] - mean) * (v[j] - mean);
  }
  const float inverse = rsqrtf(fold_row<kLongBlock>(sum, SumFold(), scratch) / float(p.length) + p.epsilon);
  const auto of = parameters_of<T>(p, plane, r);
  for (int at = first; at < p.length; at += step) {
    load_chunk(x, at, p.length, wide, 0, v);
    float scale[kChunk<T>], bias[kChunk<T>];
    load_parameters<T>(of, at, wide, scale, bias);
    scale_chunk<T>(mean, inverse, scale, bias, v);
    store_chunk(y, at, p.length, wide, v);
  }
  if (threadIdx.x != 0) return;
  if (p.mean) p.mean[r] = mean;
  if (p.inverse) p.inverse[r] = inverse;
}

template <class T>
__global__ void __launch_bounds__(kBlock) batch_norm_kernel(const __grid_constant__ BatchNormParams p, bool wide) {
  begin();
  finish_early();
  const uint32_t at = (blockIdx.x * kBlock + threadIdx.x) * kChunk<T>;
  if (at >= p.count) return;
  float v[kChunk<T>];
  load_chunk(static_cast<const T*>(p.x), int(at), int(p.count), wide, 0, v);
#pragma unroll
  for (int j = 0; j < kChunk<T>; ++j) {
    if (at + j >= p.count) break;
    uint32_t c = p.plane.divide(at + j);
    c = p.channels.take(c);
    const float scale = load_elem(p.of_channel[0], p.types[0], c), bias = load_elem(p.of_channel[1], p.types[1], c);
    const float mean = load_elem(p.of_channel[2], p.types[2], c);
    const float variance = load_elem(p.of_channel[3], p.types[3], c);
    v[j] = (v[j] - mean) * (scale * rsqrtf(variance + p.epsilon)) + bias;
  }
  store_chunk(static_cast<T*>(p.y), int(at), int(p.count), wide, v);
}

template <class T>
__global__ void __launch_bounds__(kBlock) lrn_kernel(const __grid_constant__ LrnParams p) {
  begin();
  finish_early();
  const uint32_t at = blockIdx.x * kBlock + threadIdx.x;
  if (at >= p.count) return;
  const T* x = static_cast<const T*>(p.x) + at;
  uint32_t rest = p.plane.divide(at);
  const int c = int(p.channels.take(rest));
  const int first = -min(p.before, c), last = min(p.after, int(p.channels.value) - 1 - c);
  float squares = 0;
  for (int k = first; k <= last; ++k) {
    const float v = to_float(x[int64_t(k) * p.plane.value]);
    squares += v * v;
  }
  static_cast<T*>(p.y)[at] = from_float<T>(to_float(*x) / powf(p.bias + p.alpha_over_size * squares, p.beta));
}

template <class T, int kLanes, int kChunks>
cudaError_t launch_rows(const NormParams& p, bool wide, Divisor plane, cudaStream_t stream) {
  // Few rows are spread over all multiprocessors; of many, each block takes several in turn.
  constexpr int64_t kResident = 132 * (kChunks == 1 ? 1024 : 512);  // threads that run at once on a large GPU
  const int threads = kLanes > 32 ? kLanes : p.rows * kLanes <= kFewRows * 32 ? (kLanes < 32 ? 32 : kLanes) : 128;
  const int64_t rows = threads / kLanes, blocks = (p.rows + rows - 1) / rows, most = kResident / threads;
  return launch(rows_kernel<T, kLanes, kChunks>, dim3(unsigned(blocks < most ? blocks : most)), dim3(unsigned(threads)),
                0, stream, p, wide, plane);
}

template <class T>
cudaError_t rows(const NormParams& p, cudaStream_t stream) {
  const uintptr_t parameters = p.plane ? 0 : reinterpret_cast<uintptr_t>(p.scale) | reinterpret_cast<uintptr_t>(p.bias);
  const uintptr_t all = reinterpret_cast<uintptr_t>(p.x) | reinterpret_cast<uintptr_t>(p.y) | parameters;
  const bool wide = (p.length | p.x_pitch | p.y_pitch) % kChunk<T> == 0 && all % 16 == 0;
  const Divisor plane(p.plane ? p.plane : 1);
  const int chunks = (p.length + kChunk<T> - 1) / kChunk<T>;
  if (chunks <= 8) return launch_rows<T, 8, 1>(p, wide, plane, stream);
  if (chunks <= 32) return launch_rows<T, 32, 1>(p, wide, plane, stream);
  // Many rows that fill a warp's chunks need no shared memory.
  if (p.rows > kFewRows && wide) {
    if (p.length == 64 * kChunk<T>) return launch_rows<T, 32, 2>(p, wide, plane, stream);
    if (p.length == 96 * kChunk<T>) return launch_rows<T, 32, 3>(p, wide, plane, stream);
    if (p.length == 128 * kChunk<T>) return launch_rows<T, 32, 4>(p, wide, plane, stream);
  }
  // A chunk a thread: with few rows it is instructions that take time.
  if (chunks <= 64) return launch_rows<T, 64, 1>(p, wide, plane, stream);
  if (chunks <= 96) return launch_rows<T, 96, 1>(p, wide, plane, stream);
  if (chunks <= 128) return launch_rows<T, 128, 1>(p, wide, plane, stream);
  if (chunks <= 256) return launch_rows<T, kBlock, 1>(p, wide, plane, stream);
  if (chunks <= 1024) return launch_rows<T, kBlock, 4>(p, wide, plane, stream);
  return launch(long_rows_kernel<T>, dim3(unsigned(p.rows)), kLongBlock, 0, stream, p, wide, plane);
}

unsigned blocks_for(int64_t count, int a_block) { return unsigned((count + a_block - 1) / a_block); }

}  // namespace

cudaError_t norm_rows(const NormParams& p, Elem type, cudaStream_t stream) {
  if (p.rows == 0 || p.length == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) { return rows<decltype(element)>(p, stream); });
}

cudaError_t batch_norm(const BatchNormParams& p, Elem type, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    const bool wide =
        p.count % kChunk<T> == 0 && (reinterpret_cast<uintptr_t>(p.x) | reinterpret_cast<uintptr_t>(p.y)) % 16 == 0;
    return launch(batch_norm_kernel<T>, dim3(blocks_for(p.count, kBlock * kChunk<T>)), kBlock, 0, stream, p, wide);
  });
}

cudaError_t lrn(const LrnParams& p, Elem type, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_elem(type, [&](auto element) {
    return launch(lrn_kernel<decltype(element)>, dim3(blocks_for(p.count, kBlock)), kBlock, 0, stream, p);
  });
}

}  // namespace tenon::cuda
