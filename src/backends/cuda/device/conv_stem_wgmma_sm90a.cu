// Pixels of four channels (8 bytes) lie side by side in shared memory, so that the pixels that neighbouring results
// start at are 16 bytes apart: rows of 16 bytes as products read them, in place. A stride of 2 has this by itself; for
// 4, pairs of pixels are dealt to two planes; for 1, a second copy is shifted by a pixel and holds the odd results'.
// One warpgroup fills patches, two multiply.
#include <algorithm>

#include "backends/cuda/device/barrier.h"
#include "backends/cuda/device/conv_stem_wgmma.h"
#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kConsumers = 2, kThreads = 128 * (kConsumers + 1), kMaxStages = 4;

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

/// Describes 64 rows of 16 bytes, eights of rows `rows` bytes apart and the second eight of k `k` bytes further.
__device__ __forceinline__ uint64_t describe_plain(uint32_t at, int rows, int k) {
  return uint64_t(at >> 4 & 0x3fff) | uint64_t(k >> 4) << 16 | uint64_t(rows >> 4) << 32;
}

/// Two pixels' values of one channel, the first in the low half.
template <class T, bool kF32, bool kPairs>
__device__ __forceinline__ uint32_t read_two(const StemWgmmaArgs& a, int64_t at, bool first, bool second) {
  if constexpr (kF32) {
    const float* const x = static_cast<const float*>(a.x) + at;
    float2 v = make_float2(0, 0);
    if constexpr (kPairs) {
      if (first) v = __ldg(reinterpret_cast<const float2*>(x));
    } else {
      if (first) v.x = __ldg(x);
      if (second) v.y = __ldg(x + a.x_column);
    }
    return pack_pair<T>(v.x, v.y);
  } else {
    const uint16_t* const x = static_cast<const uint16_t*>(a.x) + at;
    if constexpr (kPairs) return first ? __ldg(reinterpret_cast<const uint32_t*>(x)) : 0;
    uint32_t v = first ? __ldg(x) : 0;
    if (second) v |= uint32_t(__ldg(x + a.x_column)) << 16;
    return v;
  }
}

/// Fills a patch: every unit is two pixels. Reads of a few units are under way together.
template <class T, bool kF32, bool kPairs>
__device__ __forceinline__ void fill(const Grid& g, const Tile& t, unsigned char* patch, int thread) {
  constexpr int kTogether = 4;
  const StemWgmmaArgs& a = g.a;
  const int first = t.column * a.stride - a.pad[2] - a.shift, top = t.row * a.stride - a.pad[1];
  const int front = t.depth * a.stride_depth - a.pad[0], count = a.kernel[0] * a.patch_rows * a.patch_units;
  const int64_t image = int64_t(t.image) * a.x_image;
  for (int base = thread; base < count; base += 128 * kTogether) {
    uint32_t v[kTogether][4];
    int at[kTogether], unit[kTogether];
#pragma unroll
    for (int u = 0; u < kTogether; ++u) {
      uint32_t j = min(base + u * 128, count - 1);
      uint32_t h = g.units.split(j);
      at[u] = int(h) * a.row_bytes;
      unit[u] = int(j);
      const int d = front + int(g.rows.split(h)), row = top + int(h), column = first + 2 * int(j);
      const bool inside = unsigned(d) < unsigned(a.in[0]) && unsigned(row) < unsigned(a.in[1]);
      const bool one = inside && unsigned(column) < unsigned(a.in[2]);
      const bool two = inside && unsigned(column + 1) < unsigned(a.in[2]);
      const int64_t from = image + d * a.x_depth + int64_t(row) * a.x_row + int64_t(column) * a.x_column;
#pragma unroll
      for (int c = 0; c < 4; ++c)
        v[u][c] = c < a.c ? read_two<T, kF32, kPairs>(a, from + c * a.x_channel, one, two) : 0;
    }
#pragma unroll
    for (int u = 0; u < kTogether; ++u) {
      if (base + u * 128 >= count) break;
      const uint4 pixels = make_uint4(__byte_perm(v[u][0], v[u][1], 0x5410), __byte_perm(v[u][2], v[u][3], 0x5410),
                                      __byte_perm(v[u][0], v[u][1], 0x7632), __byte_perm(v[u][2], v[u][3], 0x7632));
      unsigned char* const row = patch + at[u];
      const int j = unit[u];
      if (a.stride == 2) {
        *reinterpret_cast<uint4*>(row + j * 16) = pixels;
      } else if (a.stride == 4) {
        *reinterpret_cast<uint4*>(row + (j & 1) * (a.row_bytes / 2) + (j >> 1) * 16) = pixels;
      } else {
        unsigned char* const shifted = row + a.row_bytes / 2 + j * 16;
        if (j + 1 < a.patch_units) {
          *reinterpret_cast<uint4*>(row + j * 16) = pixels;
          *reinterpret_cast<uint2*>(shifted) = make_uint2(pixels.z, pixels.w);
        }
        if (j > 0) *reinterpret_cast<uint2*>(shifted - 8) = make_uint2(pixels.x, pixels.y);
      }
    }
  }
}

/// Row and column of one of a block's 64 pixels.
__device__ __forceinline__ int2 pixel_of(int stride, int m) {
  return stride == 1 ? make_int2(m / 16, m % 8 * 2 + m / 8 % 2) : make_int2(m / 8, m % 8);
}

template <class T, int kN>
__device__ __forceinline__ void store(const StemWgmmaArgs& a, const Tile& t, int block, int column0,
                                      const float (&sums)[kN][4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int2 pixel = pixel_of(a.stride, warp * 16 + half * 8 + lane / 4);
    const int h = t.row + pixel.x, w = t.column + block * stem_block_columns(a.stride) + pixel.y;
    if (h >= a.out[1] || w >= a.out[2]) continue;
    const int64_t row = ((int64_t(t.image) * a.out[0] + t.depth) * a.out[1] + h) * a.out[2] + w;
    T* const y = static_cast<T*>(a.y) + row * a.y_pitch;
#pragma unroll
    for (int n = 0; n < kN; n += 4) {
      const int column = column0 + n * 8 + lane % 4 * 8;
      if (column >= a.columns) continue;
      float v[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = sums[n + i / 2][half * 2 + i % 2];
      add_bias(a.epilogue, v, column, 8);
      activate_columns(a.epilogue, v);
      if (a.vectors) {
        store_floats(y + column, v);
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) y[column + i] = from_float<T>(v[i]);
      }
    }
  }
}

template <class T, int kN>
__device__ __forceinline__ void multiply(const StemWgmmaArgs& a, uint32_t patch, uint32_t weights,
                                         float (&sums)[kN][4]) {
  const int step = a.stride == 4 ? 1 : 2;
  uint64_t from = describe_plain(patch, a.stride == 1 ? a.row_bytes / 2 : a.stride * a.row_bytes,
                                 a.stride == 4 ? a.row_bytes / 2 : 16);
  uint64_t w = describe_plain(weights, 128, kN * 128);
  // From a row's last step to the next row's first, and from a depth's last row to the next depth's first.
  const int row = (a.row_bytes >> 4) - (a.row_steps - 1) * step;
  const int depth = row + (a.patch_rows - a.kernel[1]) * (a.row_bytes >> 4);
  int in_row = a.row_steps, in_depth = a.kernel[1];
  pin(sums);
  fence_products();
#pragma unroll 1
  for (int i = stem_steps(a); i > 0; --i) {
    multiply_rows<T>(sums, from, w);
    w += kN * 16;
    const bool ends = --in_row == 0;
    in_depth -= ends;
    from += !ends ? step : in_depth == 0 ? depth : row;
    in_row = ends ? a.row_steps : in_row;
    in_depth = in_depth == 0 ? a.kernel[1] : in_depth;
  }
  commit_products();
  wait_products();
  pin(sums);
}

template <class T, bool kF32, bool kPairs, int kN>
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
  const int group = __shfl_sync(0xffffffff, threadIdx.x / 128, 0);  // known to be the same in a warp
  int stage = 0;
  uint32_t phase = 0;
  if (group == kConsumers) {
    for (uint32_t index = blockIdx.x; index < g.tiles; index += gridDim.x) {
      wait_barrier(empty + stage, phase ^ 1);
      fill<T, kF32, kPairs>(g, tile_of(g, index), patches + stage * patch_bytes, threadIdx.x % 128);
      publish_to_products();
      __syncwarp();
      if (threadIdx.x % 32 == 0) arrive_barrier(full + stage);
      if (++stage == a.stages) stage = 0, phase ^= 1;
    }
    return;
  }
  wait_barrier(&loaded, 0);
  const uint32_t weights = shared_address(memory), first = shared_address(patches);
  int turn = group;
  for (uint32_t index = blockIdx.x; index < g.tiles; index += gridDim.x) {
    const Tile t = tile_of(g, index);
    wait_barrier(full + stage, phase);
    const int across = stem_block_columns(a.stride);
    const int valid = min(a.blocks, (a.out[2] - t.column + across - 1) / across);
    int block = turn;
    for (; block < valid; block += kConsumers) {
      float sums[kN][4] = {};
      multiply<T, kN>(a, first + stage * patch_bytes + block * 128, weights, sums);
      if (block + kConsumers >= valid) {
        __syncwarp();
        if (threadIdx.x % 32 == 0) arrive_barrier(empty + stage);
      }
      store<T, kN>(a, t, block, int(blockIdx.y) * kN * 8, sums);
    }
    if (turn >= valid && threadIdx.x % 32 == 0) arrive_barrier(empty + stage);
    turn = (turn + valid) % kConsumers;
    if (++stage == a.stages) stage = 0, phase ^= 1;
  }
}

template <class T, bool kF32, bool kPairs>
cudaError_t launch_width(const Grid& g, dim3 grid, cudaStream_t stream) {
  const size_t shared = size_t(g.a.shared);
  if (g.a.tile_columns == 32) return launch(stem_wgmma<T, kF32, kPairs, 4>, grid, dim3(kThreads), shared, stream, g);
  return launch(stem_wgmma<T, kF32, kPairs, 8>, grid, dim3(kThreads), shared, stream, g);
}

template <class T>
cudaError_t launch_type(const Grid& g, dim3 grid, cudaStream_t stream) {
  if (g.a.x_f32)
    return g.a.pairs ? launch_width<T, true, true>(g, grid, stream) : launch_width<T, true, false>(g, grid, stream);
  return g.a.pairs ? launch_width<T, false, true>(g, grid, stream) : launch_width<T, false, false>(g, grid, stream);
}

constexpr int divided(int a, int b) { return (a + b - 1) / b; }

}  // namespace

bool plan_stem(StemWgmmaArgs& a, int multiprocessors, int64_t shared_bytes) {
  a.shift = a.pad[2] % 2;
  a.row_steps = divided(a.kernel[2] + a.shift, 4);
  a.patch_rows = (stem_block_rows(a.stride) - 1) * a.stride + a.kernel[1];
  const int across = stem_block_columns(a.stride), most = divided(a.out[2], across);
  const int64_t lines = int64_t(a.images) * a.out[0] * divided(a.out[1], stem_block_rows(a.stride));
  const int64_t weights = int64_t(stem_steps(a)) * a.tile_columns * 32;
  const int wanted = a.blocks;
  for (int blocks : {8, 4, 2, 1}) {
    if (wanted != 0 && blocks != wanted) continue;
    if (wanted == 0 && blocks == 8) continue;
    if (wanted == 0 && blocks > 1 && (blocks > most || lines * divided(most, blocks) < int64_t(multiprocessors) * 4))
      continue;
    a.blocks = blocks;
    const int pixels = (blocks * across - 1) * a.stride + 4 * a.row_steps;
    a.patch_units = a.stride == 1 ? (pixels + 1) / 2 + 1 : divided(pixels, a.stride) * (a.stride / 2);
    a.row_bytes = a.stride == 1 ? (a.patch_units - 1) * 32 : a.patch_units * 16;
    const int64_t patch = int64_t(a.kernel[0]) * a.patch_rows * a.row_bytes;
    for (int per_sm : {2, 1}) {
      const int64_t room = shared_bytes / per_sm - 2048 - weights;
      const int64_t stages = std::min<int64_t>(room / patch, kMaxStages);
      if (stages < 2) continue;
      a.stages = int(stages);
      a.blocks_per_sm = per_sm;
      a.shared = int(weights + stages * patch);
      return true;
    }
  }
  return false;
}

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
