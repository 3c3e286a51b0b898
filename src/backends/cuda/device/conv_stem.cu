// A block keeps the part of the input that its pixels see in shared memory. A row of the window is a run of
// neighbouring elements there, so fragments of the gathered matrix are read in place, a pair of elements at a time.
#include "backends/cuda/device/conv_stem.h"

#include "backends/cuda/device/epilogue_apart.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kWarps = 4, kThreads = kWarps * 32, kPixels = kStemRows * kStemColumns;
constexpr int kFragments = kStemRows / kWarps;  ///< of 16 pixels a warp

struct Grid {
  StemArgs a;
  Divisor tiles_w, tiles_h, depths, column_tiles, patch_rows, patch_pitch, channels;
  uint32_t tiles;
};

/// Two neighbouring elements, the first at an even place if kEven.
template <bool kEven>
__device__ __forceinline__ uint32_t pair_at(const uint16_t* at) {
  if constexpr (kEven) return *reinterpret_cast<const uint32_t*>(at);
  return at[0] | uint32_t(at[1]) << 16;
}

struct Tile {
  int image, depth, row, column, channel;
};

__device__ __forceinline__ Tile tile_of(const Grid& g, uint32_t index, int width) {
  Tile t;
  uint32_t channel = index;
  uint32_t w = g.column_tiles.split(channel), h = g.tiles_w.split(w), d = g.tiles_h.split(h);
  t.image = int(g.depths.split(d));
  t.depth = int(d);
  t.row = int(h) * kStemRows;
  t.column = int(w) * kStemColumns;
  t.channel = int(channel) * width;
  return t;
}

/// Copies the part of the input that a tile sees, zeros outside of it. Several reads of a thread are under way at a
/// time.
__device__ __forceinline__ void load_patch(const Grid& g, const Tile& t, uint16_t* patch) {
  constexpr int kTogether = 10;
  const StemArgs& a = g.a;
  const int first = t.column * a.stride[2] - a.pad[2];
  const int length = stem_patch_row(a.stride[2], a.kernel[2], a.c);
  const int top = t.row * a.stride[1] - a.pad[1], front = t.depth * a.stride[0] - a.pad[0];
  const int count = int(g.patch_rows.value * g.patch_pitch.value) * a.kernel[0];
  const uint16_t* const image = static_cast<const uint16_t*>(a.x) + t.image * a.x_image;
  for (int base = threadIdx.x; base < count; base += kTogether * kThreads) {
    uint32_t v[kTogether];
#pragma unroll
    for (int u = 0; u < kTogether; ++u) {
      uint32_t j = base + u * kThreads;
      uint32_t h = g.patch_pitch.split(j);
      const int d = front + int(g.patch_rows.split(h)), row = top + int(h);
      bool inside = base + u * kThreads < count && int(j) < length && unsigned(d) < unsigned(a.in[0]) &&
                    unsigned(row) < unsigned(a.in[1]);
      const uint32_t channel = g.channels.take(j);
      const int column = first + int(j);
      inside &= unsigned(column) < unsigned(a.in[2]);
      v[u] = inside ? image[channel * a.x_channel + d * a.x_depth + int64_t(row) * a.x_row + column * a.x_column] : 0;
    }
#pragma unroll
    for (int u = 0; u < kTogether; ++u)
      if (base + u * kThreads < count) patch[base + u * kThreads] = uint16_t(v[u]);
  }
}

template <class T, bool kEven, int kN>
__device__ __forceinline__ void multiply(const StemArgs& a, const Tile& t, const uint16_t* patch, const int2* pairs,
                                         float (&sums)[kFragments][kN][4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint16_t* pixels[kFragments];
#pragma unroll
  for (int m = 0; m < kFragments; ++m)
    pixels[m] = patch + (warp * kFragments + m) * a.stride[1] * a.patch_pitch + lane / 4 * a.stride[2] * a.c;
  const int eight = 8 * a.stride[2] * a.c, tiles = (a.columns + 7) / 8;
  const uint2* w = static_cast<const uint2*>(a.w) + int64_t(t.channel / 8) * 32 + lane;
  for (int step = 0; step < a.steps; ++step) {
    const int2 low = pairs[step * 8 + lane % 4], high = pairs[step * 8 + lane % 4 + 4];
    uint2 b[kN];
#pragma unroll
    for (int n = 0; n < kN; ++n)
      b[n] = t.channel / 8 + n < tiles ? __ldg(w + (int64_t(step) * tiles + n) * 32) : make_uint2(0, 0);
#pragma unroll
    for (int m = 0; m < kFragments; ++m) {
      const uint32_t fragment[4] = {pair_at<kEven>(pixels[m] + low.x) & uint32_t(low.y),
                                    pair_at<kEven>(pixels[m] + eight + low.x) & uint32_t(low.y),
                                    pair_at<kEven>(pixels[m] + high.x) & uint32_t(high.y),
                                    pair_at<kEven>(pixels[m] + eight + high.x) & uint32_t(high.y)};
#pragma unroll
      for (int n = 0; n < kN; ++n) mma_16x8x16<T>(sums[m][n], fragment, b[n].x, b[n].y);
    }
  }
}

template <int kN>
__device__ __forceinline__ void keep(const float (&sums)[kFragments][kN][4], float* to) {
  constexpr int kPitch = kN * 8 + 8;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int m = 0; m < kFragments; ++m)
#pragma unroll
    for (int n = 0; n < kN; ++n)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int pixel = (warp * kFragments + m) * 16 + lane / 4 + half * 8;
        *reinterpret_cast<float2*>(to + pixel * kPitch + n * 8 + lane % 4 * 2) =
            make_float2(sums[m][n][half * 2], sums[m][n][half * 2 + 1]);
      }
}

template <class T, int kN>
__device__ __forceinline__ void finish(const StemArgs& a, const Tile& t, const float* from) {
  constexpr int kPitch = kN * 8 + 8;
  const bool aligned = a.columns % 8 == 0 && a.y_pitch % 8 == 0 && reinterpret_cast<uintptr_t>(a.y) % 16 == 0;
  for (int i = threadIdx.x; i < kPixels * kN; i += kThreads) {
    const int pixel = i / kN, h = t.row + pixel / kStemColumns, w = t.column + pixel % kStemColumns;
    const int column = t.channel + i % kN * 8, valid = min(8, a.columns - column);
    if (h >= a.out[1] || w >= a.out[2] || valid <= 0) continue;
    float v[8];
    const float4* const local = reinterpret_cast<const float4*>(from + pixel * kPitch + i % kN * 8);
    const float4 low = local[0], high = local[1];
    v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w, v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
    add_bias(a.epilogue, v, column, valid);
    const uint32_t row = ((uint32_t(t.image) * a.out[0] + t.depth) * a.out[1] + h) * a.out[2] + w;
    if (a.sums) {
      for (int k = 0; k < valid; ++k) a.sums[int64_t(row) * a.columns + column + k] = v[k];
      continue;
    }
    const bool vector = aligned && valid == 8;
    Words<T, 8> extra;
    load_extra(a.epilogue, row, column, vector, valid, extra);
    apply_apart(a.epilogue, v, extra);
    T* const to = static_cast<T*>(a.y) + row * a.y_pitch + column;
    if (vector) {
      store_floats(to, v);
    } else {
#pragma unroll
      for (int k = 0; k < 8; ++k)
        if (k < valid) to[k] = from_float<T>(v[k]);
    }
  }
}

template <class T, bool kEven, int kN>
__global__ void __launch_bounds__(kThreads) stem(const __grid_constant__ Grid g) {
  unsigned char* const memory = dynamic_shared<unsigned char>();
  int2* const pairs = reinterpret_cast<int2*>(memory);
  uint16_t* const patch = reinterpret_cast<uint16_t*>(memory + g.a.steps * 8 * sizeof(int2));
  // Written before any kernel ran, so it may be read before the kernel before this one has ended.
  for (int i = threadIdx.x; i < g.a.steps * 8; i += kThreads) pairs[i] = __ldg(g.a.pairs + i);
  begin();
  finish_early();
  for (uint32_t index = blockIdx.x; index < g.tiles; index += gridDim.x) {
    const Tile t = tile_of(g, index, kN * 8);
    __syncthreads();
    load_patch(g, t, patch);
    __syncthreads();
    float sums[kFragments][kN][4] = {};
    multiply<T, kEven>(g.a, t, patch, pairs, sums);
    __syncthreads();
    keep<kN>(sums, reinterpret_cast<float*>(patch));
    __syncthreads();
    finish<T, kN>(g.a, t, reinterpret_cast<const float*>(patch));
  }
}

template <class T, bool kEven>
cudaError_t launch_width(const Grid& g, dim3 grid, size_t shared, cudaStream_t stream) {
  if (g.a.columns <= 32) return launch(stem<T, kEven, 4>, grid, dim3(kThreads), shared, stream, g);
  return launch(stem<T, kEven, 8>, grid, dim3(kThreads), shared, stream, g);
}

template <class T>
cudaError_t launch_type(const Grid& g, dim3 grid, size_t shared, cudaStream_t stream) {
  return g.a.stride[2] * g.a.c % 2 == 0 ? launch_width<T, true>(g, grid, shared, stream)
                                        : launch_width<T, false>(g, grid, shared, stream);
}

constexpr uint32_t divided(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

}  // namespace

size_t stem_shared_bytes(const StemArgs& a) {
  const size_t patch = size_t(stem_patch_rows(a.stride[1], a.kernel[1])) * a.kernel[0] * a.patch_pitch * 2;
  const size_t sums = sizeof(float) * kPixels * (kStemChannels + 8);
  return a.steps * 8 * sizeof(int2) + (patch > sums ? patch : sums);
}

cudaError_t conv_stem(const StemArgs& a, Elem type, int multiprocessors, cudaStream_t stream) {
  const uint32_t columns = divided(a.columns, a.columns <= 32 ? 32 : kStemChannels);
  const uint32_t across = divided(a.out[2], kStemColumns), down = divided(a.out[1], kStemRows);
  const Grid g{a,
               Divisor(across),
               Divisor(down),
               Divisor(uint32_t(a.out[0])),
               Divisor(columns),
               Divisor(uint32_t(stem_patch_rows(a.stride[1], a.kernel[1]))),
               Divisor(uint32_t(a.patch_pitch)),
               Divisor(uint32_t(a.c)),
               columns * across * down * a.out[0] * a.images};
  const uint32_t most = uint32_t(multiprocessors) * 4;
  const dim3 grid(g.tiles < most ? g.tiles : most);
  if (type == Elem::kF16) return launch_type<__half>(g, grid, stem_shared_bytes(a), stream);
  if (type == Elem::kBF16) return launch_type<__nv_bfloat16>(g, grid, stem_shared_bytes(a), stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
