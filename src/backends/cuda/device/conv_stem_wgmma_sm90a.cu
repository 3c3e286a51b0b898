// Pixels of four channels (8 bytes) lie side by side in shared memory, so that the pixels that neighbouring results
// start at are 16 bytes apart: rows of 16 bytes as products read them, in place. A stride of 2 has this by itself; for
// 4, pairs of pixels are dealt to two planes; for 1, a second copy is shifted by a pixel and holds the odd results'.
// One warpgroup fills patches, two multiply.
#include <algorithm>

#include "backends/cuda/device/barrier.h"
#include "backends/cuda/device/conv_stem_wgmma.h"
#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/wgmma_plain.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kConsumers = 2, kThreads = 128 * (kConsumers + 1), kMaxStages = kStemMostStages;

struct Grid {
  StemWgmmaArgs a;
  Divisor tiles_w, tiles_h, depths, rows, units;
  uint32_t tiles;
};

struct Tile {
  int image, depth, row, column;
};

__device__ __forceinline__ Tile tile_of(const Grid& g, uint32_t w) {
  Tile t;
  uint32_t h = g.tiles_w.split(w), d = g.tiles_h.split(h);
  t.image = int(g.depths.split(d));
  t.depth = int(d);
  t.row = int(h) * stem_block_rows(g.a.stride);
  t.column = int(w) * stem_block_columns(g.a.stride) * g.a.blocks;
  return t;
}

/// A read without a branch; 0 where not `valid`.
__device__ __forceinline__ uint32_t read_pair(const uint16_t* from, bool valid) {
  uint32_t v;
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %2, 0;\nmov.b32 %0, 0;\n@p ld.global.nc.b32 %0, [%1];\n}"
               : "=r"(v)
               : "l"(from), "r"(int(valid)));
  return v;
}
__device__ __forceinline__ uint32_t read_one(const uint16_t* from, bool valid) {
  uint16_t v;
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %2, 0;\nmov.b16 %0, 0;\n@p ld.global.nc.b16 %0, [%1];\n}"
               : "=h"(v)
               : "l"(from), "r"(int(valid)));
  return v;
}

/// Writes two pixels to a row of the patch.
template <int kStride>
__device__ __forceinline__ void put(const StemWgmmaArgs& a, unsigned char* row, int unit, const uint32_t (&v)[4]) {
  const uint4 pixels = make_uint4(__byte_perm(v[0], v[1], 0x5410), __byte_perm(v[2], v[3], 0x5410),
                                  __byte_perm(v[0], v[1], 0x7632), __byte_perm(v[2], v[3], 0x7632));
  if constexpr (kStride == 2) {
    *reinterpret_cast<uint4*>(row + unit * 16) = pixels;
  } else if constexpr (kStride == 4) {
    *reinterpret_cast<uint4*>(row + (unit & 1) * (a.row_bytes / 2) + (unit >> 1) * 16) = pixels;
  } else {
    unsigned char* const shifted = row + a.row_bytes / 2 + unit * 16;
    if (unit + 1 < a.patch_units) {
      *reinterpret_cast<uint4*>(row + unit * 16) = pixels;
      *reinterpret_cast<uint2*>(shifted) = make_uint2(pixels.z, pixels.w);
    }
    if (unit > 0) *reinterpret_cast<uint2*>(shifted - 8) = make_uint2(pixels.x, pixels.y);
  }
}

/// Fills the patch of `blocks` blocks. A warp takes rows, a lane units of two pixels; reads of a few rows are under way
/// together. kPlanes: three channels, pixels of a row are neighbours and read in pairs.
template <int kStride, bool kPlanes>
__device__ __forceinline__ void fill(const Grid& g, const Tile& t, int blocks, unsigned char* patch, int warp) {
  constexpr int kTogether = 6;
  const StemWgmmaArgs& a = g.a;
  const int first = t.column * kStride - a.pad[2] - a.shift, top = t.row * kStride - a.pad[1];
  const int front = t.depth * a.stride_depth - a.pad[0], rows = a.kernel[0] * a.patch_rows;
  const int units = a.patch_units - (a.blocks - blocks) * stem_block_units(kStride);
  const uint16_t* planes[4];
  planes[0] = static_cast<const uint16_t*>(a.x) + t.image * a.x_image;
#pragma unroll
  for (int c = 1; c < 4; ++c) planes[c] = planes[c - 1] + a.x_channel;
  const int x_depth = int(a.x_depth);
  for (int unit = threadIdx.x % 32; unit < units; unit += 32) {
    const int column = first + 2 * unit;
    const bool one = unsigned(column) < unsigned(a.in[2]), two = unsigned(column + 1) < unsigned(a.in[2]);
    const int start = column * a.x_column;
    for (int base = warp; base < rows; base += 4 * kTogether) {
      uint32_t v[kTogether][4];
#pragma unroll
      for (int u = 0; u < kTogether; ++u) {
        uint32_t h = base + 4 * u;
        const int d = front + int(g.rows.split(h)), row = top + int(h);
        const bool inside = base + 4 * u < rows && unsigned(d) < unsigned(a.in[0]) && unsigned(row) < unsigned(a.in[1]);
        const int from = start + d * x_depth + row * a.x_row;
        if constexpr (kPlanes) {
#pragma unroll
          for (int c = 0; c < 3; ++c) v[u][c] = read_pair(planes[c] + from, inside && one);
          v[u][3] = 0;
        } else {
#pragma unroll
          for (int c = 0; c < 4; ++c)
            v[u][c] = read_one(planes[c] + from, inside && one && c < a.c) |
                      read_one(planes[c] + from + a.x_column, inside && two && c < a.c) << 16;
        }
      }
#pragma unroll
      for (int u = 0; u < kTogether; ++u)
        if (base + 4 * u < rows) put<kStride>(a, patch + (base + 4 * u) * a.row_bytes, unit, v[u]);
    }
  }
}

/// Blocks of a tile that have results.
__device__ __forceinline__ int blocks_of(const StemWgmmaArgs& a, const Tile& t) {
  const int across = stem_block_columns(a.stride);
  return min(a.blocks, (a.out[2] - t.column + across - 1) / across);
}

/// Row and column of one of a block's 64 pixels.
__device__ __forceinline__ int2 pixel_of(int stride, int m) {
  return stride == 1 ? make_int2(m / 16, m % 8 * 2 + m / 8 % 2) : make_int2(m / 8, m % 8);
}

/// Sums begin with the bias.
template <int kN>
__device__ __forceinline__ void start(const StemWgmmaArgs& a, int column0, float (&sums)[kN][4]) {
#pragma unroll
  for (int n = 0; n < kN; n += 4) {
    const int column = column0 + n * 8 + threadIdx.x % 4 * 8;
    float4 low = make_float4(0, 0, 0, 0), high = low;
    if (a.epilogue.bias && column < a.columns) {
      low = __ldg(reinterpret_cast<const float4*>(a.epilogue.bias + column));
      high = __ldg(reinterpret_cast<const float4*>(a.epilogue.bias + column) + 1);
    }
    const float bias[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (int i = 0; i < 16; ++i) sums[n + i / 4][i % 4] = bias[i / 4 * 2 + i % 2];
  }
}

/// The row of y of one of a block's 64 pixels, or -1 if there is none.
template <int kStride>
__device__ __forceinline__ int64_t row_of(const StemWgmmaArgs& a, const Tile& t, int block, int m, int& h, int& w) {
  const int2 pixel = pixel_of(kStride, m);
  h = t.row + pixel.x, w = t.column + block * stem_block_columns(kStride) + pixel.y;
  if (h >= a.out[1] || w >= a.out[2]) return -1;
  return ((int64_t(t.image) * a.out[0] + t.depth) * a.out[1] + h) * a.out[2] + w;
}

/// A result by itself, without the zeros that fill up windows: those times an infinity beside the window are not zero.
template <class T, int kStride, int kN>
__device__ __forceinline__ float sum_of(const StemWgmmaArgs& a, const Tile& t, int h, int w, int q, float sum,
                                        const T* weights) {
  const T* const x = static_cast<const T*>(a.x) + t.image * a.x_image;
  const T* row = weights + q * 8;  // of the weights, for a row of the window
  for (int kd = 0; kd < a.kernel[0]; ++kd)
    for (int kh = 0; kh < a.kernel[1]; ++kh, row += a.row_steps * kN * 128) {
      const int in_d = t.depth * a.stride_depth - a.pad[0] + kd, in_h = h * kStride - a.pad[1] + kh;
      if (unsigned(in_d) >= unsigned(a.in[0]) || unsigned(in_h) >= unsigned(a.in[1])) continue;
      for (int kw = 0; kw < a.kernel[2]; ++kw) {
        const int in_w = w * kStride - a.pad[2] + kw, tap = kw + a.shift;
        if (unsigned(in_w) >= unsigned(a.in[2])) continue;
        for (int c = 0; c < a.c; ++c)
          sum = fmaf(to_float(x[c * a.x_channel + in_d * a.x_depth + int64_t(in_h) * a.x_row + in_w * a.x_column]),
                     to_float(row[tap / 2 * kN * 64 + tap % 2 * 4 + c]), sum);
      }
    }
  return sum;
}

/// Does a warp's 16 pixels again.
template <class T, int kStride, int kN>
__device__ __forceinline__ void repair(const StemWgmmaArgs& a, const Tile& t, int block, int column0,
                                       const T* weights) {
  __syncwarp();  // after what others stored
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
  for (int p = 0; p < 16; ++p) {
    int h, w;
    const int64_t row = row_of<kStride>(a, t, block, warp * 16 + p, h, w);
    if (row < 0) continue;
    for (int q = lane; q < kN * 8; q += 32) {
      const int column = column0 + stem_column(q);
      if (column >= a.columns) continue;
      const float bias = a.epilogue.bias ? a.epilogue.bias[column] : 0.f;
      float v[1] = {sum_of<T, kStride, kN>(a, t, h, w, q, bias, weights)};
      activate_columns(a.epilogue, v);
      static_cast<T*>(a.y)[row * a.y_pitch + column] = from_float<T>(v[0]);
    }
  }
}

template <class T, int kStride, int kN>
__device__ __forceinline__ void store(const StemWgmmaArgs& a, const Tile& t, int block, int column0,
                                      const float (&sums)[kN][4], const T* weights) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
  float zero = 0;  // or NaN, if one of the sums is or is an infinity
#pragma unroll
  for (int i = 0; i < kN * 4; ++i) zero = fmaf(sums[i / 4][i % 4], 0.f, zero);
  const bool in_doubt = __any_sync(0xffffffff, zero != 0);
  float v[kN * 4];
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int i = 0; i < kN * 2; ++i) v[half * kN * 2 + i] = sums[i / 2][half * 2 + i % 2];
  activate_columns(a.epilogue, v);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    int h, w;
    const int64_t row = row_of<kStride>(a, t, block, warp * 16 + half * 8 + lane / 4, h, w);
    if (row < 0) continue;
    T* const y = static_cast<T*>(a.y) + row * a.y_pitch;
#pragma unroll
    for (int n = 0; n < kN; n += 4) {
      const int column = column0 + n * 8 + lane % 4 * 8;
      if (column >= a.columns) continue;
      float eight[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) eight[i] = v[half * kN * 2 + n * 2 + i];
      if (a.vectors) {
        store_floats(y + column, eight);
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) y[column + i] = from_float<T>(eight[i]);
      }
    }
  }
  if (in_doubt) repair<T, kStride, kN>(a, t, block, column0, weights);
}

/// The products of a row of the window are issued together.
template <class T, int kStride, int kN, int kRowSteps>
__device__ __forceinline__ void multiply_rows_of(const StemWgmmaArgs& a, uint64_t from, uint64_t w,
                                                 float (&sums)[kN][4]) {
  constexpr int kStep = kStride == 4 ? 1 : 2;
  const int row = a.row_bytes >> 4, jump = (a.patch_rows - a.kernel[1]) * row;
  int in_depth = a.kernel[1];
#pragma unroll 1
  for (int i = a.kernel[0] * a.kernel[1]; i > 0; --i) {
#pragma unroll
    for (int s = 0; s < kRowSteps; ++s) multiply_rows<T>(sums, from + s * kStep, w + s * kN * 16);
    w += kRowSteps * kN * 16;
    const bool ends = --in_depth == 0;
    from += ends ? row + jump : row;
    in_depth = ends ? a.kernel[1] : in_depth;
  }
}

template <class T, int kStride, int kN>
__device__ __forceinline__ void multiply(const StemWgmmaArgs& a, uint32_t patch, uint32_t weights,
                                         float (&sums)[kN][4]) {
  const uint64_t from = describe_plain(patch, kStride == 1 ? a.row_bytes / 2 : kStride * a.row_bytes,
                                       kStride == 4 ? a.row_bytes / 2 : 16);
  const uint64_t w = describe_plain(weights, 128, kN * 128);
  pin(sums);
  fence_products();
  switch (a.row_steps) {
    case 1:
      multiply_rows_of<T, kStride, kN, 1>(a, from, w, sums);
      break;
    case 2:
      multiply_rows_of<T, kStride, kN, 2>(a, from, w, sums);
      break;
    case 3:
      multiply_rows_of<T, kStride, kN, 3>(a, from, w, sums);
      break;
    default:
      multiply_rows_of<T, kStride, kN, 4>(a, from, w, sums);
  }
  commit_products();
  wait_products();
  pin(sums);
}

template <class T, int kStride, bool kPlanes, int kN>
__global__ void __launch_bounds__(kThreads, 2) stem_wgmma(const __grid_constant__ Grid g) {
  __shared__ uint64_t loaded, full[kMaxStages], empty[kMaxStages];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  const StemWgmmaArgs& a = g.a;
  const uint32_t bytes = uint32_t(stem_steps(a)) * kN * 256;
  const int patch_bytes = a.kernel[0] * a.patch_rows * a.row_bytes;
  unsigned char* const patches = memory + bytes;
  if (threadIdx.x == 0) {
    init_barrier(&loaded, 1);
    for (int s = 0; s < a.stages; ++s) init_barrier(full + s, 4), init_barrier(empty + s, kConsumers * 4);
    publish_barriers();
  }
  __syncthreads();
  if (threadIdx.x == 0)  // written before any kernel ran
    copy_bulk(memory, static_cast<const unsigned char*>(a.w) + size_t(blockIdx.y) * bytes, bytes, &loaded);
  begin();
  finish_early();
  const int warp = __shfl_sync(0xffffffff, threadIdx.x / 32, 0), group = warp / 4;  // known to be the same in a warp
  int stage = 0;
  uint32_t phase = 0;
  if (group == kConsumers) {
    for (uint32_t index = blockIdx.x; index < g.tiles; index += gridDim.x) {
      wait_barrier(empty + stage, phase ^ 1);
      const Tile t = tile_of(g, index);
      fill<kStride, kPlanes>(g, t, blocks_of(a, t), patches + stage * patch_bytes, warp % 4);
      publish_to_products();
      __syncwarp();
      if (threadIdx.x % 32 == 0) arrive_barrier(full + stage);
      if (++stage == a.stages) stage = 0, phase ^= 1;
    }
    return;
  }
  wait_barrier(&loaded, 0);
  const uint32_t weights = shared_address(memory), first = shared_address(patches);
  const int column0 = int(blockIdx.y) * kN * 8;
  int turn = group;
  for (uint32_t index = blockIdx.x; index < g.tiles; index += gridDim.x) {
    const Tile t = tile_of(g, index);
    const int valid = blocks_of(a, t);
    int block = turn;
    for (; block < valid; block += kConsumers) {
      float sums[kN][4];
      start<kN>(a, column0, sums);
      if (block == turn) wait_barrier(full + stage, phase);
      multiply<T, kStride, kN>(a, first + stage * patch_bytes + block * 128, weights, sums);
      if (block + kConsumers >= valid) {
        __syncwarp();
        if (threadIdx.x % 32 == 0) arrive_barrier(empty + stage);
      }
      store<T, kStride, kN>(a, t, block, column0, sums, reinterpret_cast<const T*>(memory));
    }
    if (turn >= valid) {
      wait_barrier(full + stage, phase);
      if (threadIdx.x % 32 == 0) arrive_barrier(empty + stage);
    }
    turn = (turn + valid) % kConsumers;
    if (++stage == a.stages) stage = 0, phase ^= 1;
  }
}

template <class T, int kStride, bool kPlanes>
cudaError_t launch_width(const Grid& g, dim3 grid, cudaStream_t stream) {
  const size_t shared = size_t(g.a.shared);
  if (g.a.tile_columns == 32)
    return launch(stem_wgmma<T, kStride, kPlanes, 4>, grid, dim3(kThreads), shared, stream, g);
  return launch(stem_wgmma<T, kStride, kPlanes, 8>, grid, dim3(kThreads), shared, stream, g);
}

template <class T, int kStride>
cudaError_t launch_reads(const Grid& g, dim3 grid, cudaStream_t stream) {
  return g.a.pairs && g.a.c == 3 ? launch_width<T, kStride, true>(g, grid, stream)
                                 : launch_width<T, kStride, false>(g, grid, stream);
}

template <class T>
cudaError_t launch_type(const Grid& g, dim3 grid, cudaStream_t stream) {
  return g.a.stride == 1   ? launch_reads<T, 1>(g, grid, stream)
         : g.a.stride == 2 ? launch_reads<T, 2>(g, grid, stream)
         : g.a.stride == 4 ? launch_reads<T, 4>(g, grid, stream)
                           : cudaErrorInvalidValue;
}

constexpr int divided(int a, int b) { return (a + b - 1) / b; }

}  // namespace

cudaError_t conv_stem_wgmma(const StemWgmmaArgs& a, Elem type, int multiprocessors, cudaStream_t stream) {
  const int across = divided(a.out[2], stem_block_columns(a.stride) * a.blocks);
  const int down = divided(a.out[1], stem_block_rows(a.stride));
  const Grid g{a,
               Divisor(across),
               Divisor(down),
               Divisor(a.out[0]),
               Divisor(a.patch_rows),
               Divisor(a.patch_units),
               uint32_t(across) * down * a.out[0] * a.images};
  const uint32_t most = uint32_t(multiprocessors) * a.blocks_per_sm;
  const dim3 grid(std::min(g.tiles, most), unsigned(divided(a.columns, a.tile_columns)));
  if (type == Elem::kF16) return launch_type<__half>(g, grid, stream);
  if (type == Elem::kBF16) return launch_type<__nv_bfloat16>(g, grid, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
