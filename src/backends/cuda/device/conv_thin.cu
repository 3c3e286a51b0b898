// Every warp reads its rows straight into fragments, ahead of their use, and writes its results from them: k and
// columns are dealt to lanes such that a lane's elements of a row are neighbours in memory.
#include "backends/cuda/device/conv_thin.h"

#include <algorithm>

#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kMaxWarps = 8;
/// Blocks that a multiprocessor holds.
constexpr int thin_blocks(int m, int chunks) { return m * chunks <= 2 ? 3 : 2; }

/// A lane's elements of a row and chunk.
template <int kLane>
struct Elements {
  uint32_t w[kLane / 2];
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kLane / 2; ++i) w[i] = 0;
  }
  /// From an address of any alignment.
  __device__ __forceinline__ void gather(const void* from) {
#pragma unroll
    for (int i = 0; i < kLane / 2; ++i)
      w[i] = static_cast<const uint16_t*>(from)[2 * i] | uint32_t(static_cast<const uint16_t*>(from)[2 * i + 1]) << 16;
  }
  __device__ __forceinline__ void read(const void* from) {
    if constexpr (kLane == 8) {
      const uint4 v = *static_cast<const uint4*>(from);
      w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
    } else {
      const uint2 v = *static_cast<const uint2*>(from);
      w[0] = v.x, w[1] = v.y;
    }
  }
};

__device__ __forceinline__ uint32_t multiply_pairs(uint32_t a, uint32_t b, __half) {
  const __half2 y = __hmul2(*reinterpret_cast<const __half2*>(&a), *reinterpret_cast<const __half2*>(&b));
  return *reinterpret_cast<const uint32_t*>(&y);
}
__device__ __forceinline__ uint32_t multiply_pairs(uint32_t a, uint32_t b, __nv_bfloat16) {
  const __nv_bfloat162 y =
      __hmul2(*reinterpret_cast<const __nv_bfloat162*>(&a), *reinterpret_cast<const __nv_bfloat162*>(&b));
  return *reinterpret_cast<const uint32_t*>(&y);
}

template <class T, int kM, int kChunks, int kLane>
struct Rows {
  Elements<kLane> e[kM][2][kChunks];

  __device__ __forceinline__ void read(const ThinArgs& a, uint32_t tile) {
    a.vectors ? read_all<true>(a, tile) : read_all<false>(a, tile);
  }
  /// Multiplies every row by the factors of its image.
  __device__ __forceinline__ void scale(const ThinArgs& a, uint32_t tile) {
    const int lane = threadIdx.x % 32, k = lane % 4 * kLane;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t row = min(tile * (16 * kM) + m * 16 + half * 8 + lane / 4, uint32_t(a.rows) - 1);
        const T* const from = static_cast<const T*>(a.scale) + a.pixels.divide(row) * a.depth + k;
        Elements<kLane> factors[kChunks];
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
          factors[c].clear();
          if (c * 4 * kLane + k < a.depth) factors[c].read(from + c * 4 * kLane);
        }
#pragma unroll
        for (int c = 0; c < kChunks; ++c)
#pragma unroll
          for (int i = 0; i < kLane / 2; ++i)
            e[m][half][c].w[i] = multiply_pairs(e[m][half][c].w[i], factors[c].w[i], T());
      }
  }

 private:
  template <bool kVectors>
  __device__ __forceinline__ void read_all(const ThinArgs& a, uint32_t tile) {
    const int lane = threadIdx.x % 32, k = lane % 4 * kLane;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t row = tile * (16 * kM) + m * 16 + half * 8 + lane / 4;
        const T* const from = static_cast<const T*>(a.x) + row * a.x_pitch + k;
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
          e[m][half][c].clear();
          if (row >= uint32_t(a.rows) || c * 4 * kLane + k >= a.depth) continue;
          kVectors ? e[m][half][c].read(from + c * 4 * kLane) : e[m][half][c].gather(from + c * 4 * kLane);
        }
      }
  }
};

/// Sums of 32 columns.
template <class T, int kM, int kChunks, int kLane>
__device__ __forceinline__ void multiply(const Rows<T, kM, kChunks, kLane>& rows, const unsigned char* weights,
                                         float (&sums)[kM][4][4]) {
#pragma unroll
  for (int c = 0; c < kChunks; ++c)
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      Elements<kLane> b;
      b.read(weights + ((c * 4 + n) * 32 + threadIdx.x % 32) * (kLane * 2));
#pragma unroll
      for (int s = 0; s < kLane / 4; ++s)
#pragma unroll
        for (int m = 0; m < kM; ++m) {
          const uint32_t fragment[4] = {rows.e[m][0][c].w[2 * s], rows.e[m][1][c].w[2 * s],
                                        rows.e[m][0][c].w[2 * s + 1], rows.e[m][1][c].w[2 * s + 1]};
          mma_16x8x16<T>(sums[m][n], fragment, b.w[2 * s], b.w[2 * s + 1]);
        }
    }
}

template <class T, int kM, int kChunks, int kLane>
__device__ __forceinline__ void tile_columns(const ThinArgs& a, uint32_t tile, int group,
                                             const Rows<T, kM, kChunks, kLane>& rows, const unsigned char* weights) {
  const int lane = threadIdx.x % 32, column = group * 32 + lane % 4 * 8;
  const bool exists = column < a.columns;
  Words<T, 8> extra[kM][2];
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint32_t row = tile * (16 * kM) + m * 16 + half * 8 + lane / 4;
      load_extra(a.epilogue, row, column, a.vectors, exists && row < uint32_t(a.rows) ? 8 : 0, extra[m][half]);
    }
  float sums[kM][4][4] = {};
  multiply<T, kM, kChunks, kLane>(rows, weights, sums);
  if (!exists) return;
#pragma unroll
  for (int m = 0; m < kM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint32_t row = tile * (16 * kM) + m * 16 + half * 8 + lane / 4;
      if (row >= uint32_t(a.rows)) continue;
      float v[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = sums[m][i / 2][half * 2 + i % 2];
      add_bias(a.epilogue, v, column, 8);
      apply_columns(a.epilogue, v, extra[m][half]);
      T* const to = static_cast<T*>(a.y) + row * a.y_pitch + column;
      if (a.vectors) {
        store_floats(to, v);
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) to[i] = from_float<T>(v[i]);
      }
    }
}

template <class T, int kM, int kChunks, int kLane, bool kScaled>
__global__ void __launch_bounds__(kMaxWarps * 32, thin_blocks(kM, kChunks)) thin(const __grid_constant__ ThinArgs a) {
  constexpr int kGroup = kChunks * 4 * 32 * kLane * 2;
  unsigned char* const weights = dynamic_shared<unsigned char>();
  const int groups = (a.columns + 31) / 32, first = groups * blockIdx.y / gridDim.y;
  const int count = groups * (blockIdx.y + 1) / gridDim.y - first;
  // Written before any kernel ran.
  const uint4* const from = static_cast<const uint4*>(a.w) + first * (kGroup / 16);
  for (int i = threadIdx.x; i < count * (kGroup / 16); i += blockDim.x)
    copy_async(reinterpret_cast<uint4*>(weights) + i, from + i, true);
  commit_copies();
  begin();
  finish_early();
  const uint32_t warps = blockDim.x / 32, step = gridDim.x * warps, tiles = (a.rows + 16 * kM - 1) / (16 * kM);
  uint32_t tile = blockIdx.x * warps + threadIdx.x / 32;
  Rows<T, kM, kChunks, kLane> rows;
  if (tile < tiles) rows.read(a, tile);
  wait_copies<0>();
  __syncthreads();
  for (; tile < tiles; tile += step) {
    if constexpr (kChunks <= 2) {
      Rows<T, kM, kChunks, kLane> next;
      if (tile + step < tiles) next.read(a, tile + step);
      if constexpr (kScaled) rows.scale(a, tile);
      for (int g = 0; g < count; ++g) tile_columns(a, tile, first + g, rows, weights + g * kGroup);
      rows = next;
    } else {
      if constexpr (kScaled) rows.scale(a, tile);
      for (int g = 0; g < count; ++g) tile_columns(a, tile, first + g, rows, weights + g * kGroup);
      if (tile + step < tiles) rows.read(a, tile + step);
    }
  }
}

template <class T, int kM, int kChunks, int kLane>
cudaError_t launch_chunks(const ThinArgs& a, int multiprocessors, cudaStream_t stream) {
  const unsigned tiles = unsigned(a.rows + 16 * kM - 1) / (16 * kM), groups = unsigned(a.columns + 31) / 32;
  const unsigned sms = unsigned(multiprocessors);
  const unsigned warps = std::clamp(tiles / sms, 1u, unsigned(kMaxWarps));
  const unsigned across = std::min((tiles + warps - 1) / warps, sms * thin_blocks(kM, kChunks));
  // Few rows: columns are shared out.
  const unsigned down = std::clamp(sms * thin_blocks(kM, kChunks) * kMaxWarps / (across * warps), 1u, groups);
  const size_t shared = size_t(kChunks) * 4 * 32 * kLane * 2 * ((groups + down - 1) / down);
  if constexpr (kM == 1) {
    if (a.scale)
      return launch(thin<T, kM, kChunks, kLane, true>, dim3(across, down), dim3(warps * 32), shared, stream, a);
  }
  return launch(thin<T, kM, kChunks, kLane, false>, dim3(across, down), dim3(warps * 32), shared, stream, a);
}

template <class T, int kM>
cudaError_t launch_tile(const ThinArgs& a, int multiprocessors, cudaStream_t stream) {
  if (thin_lane(a.depth) == 4) return launch_chunks<T, kM, 1, 4>(a, multiprocessors, stream);
  switch (thin_chunks(a.depth)) {
    case 1:
      return launch_chunks<T, kM, 1, 8>(a, multiprocessors, stream);
    case 2:
      return launch_chunks<T, kM, 2, 8>(a, multiprocessors, stream);
    case 3:
      return launch_chunks<T, kM, 3, 8>(a, multiprocessors, stream);
    case 4:
      return launch_chunks<T, 1, 4, 8>(a, multiprocessors, stream);
    case 5:
      return launch_chunks<T, 1, 5, 8>(a, multiprocessors, stream);
    case 6:
      return launch_chunks<T, 1, 6, 8>(a, multiprocessors, stream);
    case 7:
    case 8:
      return launch_chunks<T, 1, 8, 8>(a, multiprocessors, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

template <class T>
cudaError_t launch_type(const ThinArgs& a, int tile, int multiprocessors, cudaStream_t stream) {
  return tile == 16 ? launch_tile<T, 1>(a, multiprocessors, stream) : launch_tile<T, 2>(a, multiprocessors, stream);
}

}  // namespace

cudaError_t conv_thin(const ThinArgs& a, Elem type, int tile, int multiprocessors, cudaStream_t stream) {
  if (type == Elem::kF16) return launch_type<__half>(a, tile, multiprocessors, stream);
  if (type == Elem::kBF16) return launch_type<__nv_bfloat16>(a, tile, multiprocessors, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
