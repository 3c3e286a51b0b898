// The kernel of conv_depthwise_tiled(): a block copies the pixels that its tile of results sees to shared memory, all
// at once and while it works on the tile before, and each thread walks down a strip of the tile with two channels of a
// few neighbouring results: a row of pixels is unpacked once and added to every row of results that it belongs to.
#pragma once
#include "backends/cuda/device/conv_depthwise.h"
#include "backends/cuda/device/epilogue_apart.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int W = kDepthwiseWidth;

struct TiledWalk {
  DepthwiseArgs a;
  DepthwiseTiling tile;
  int in_rows, in_columns;  ///< pixels that a tile sees
  int strip_rows, threads;
  Divisor tiles_w, tiles_h;  ///< of a row, of a column
  Divisor groups;            ///< of columns that a thread does in a row of the tile
};

/// What follows the sums. kClip covers no activation and those that cut off; kAny looks at the epilogue for each
/// result; kSiluSums adds up the results.
enum class DepthwiseForm { kClip, kSilu, kAny, kSiluSums };
constexpr bool is_silu(DepthwiseForm form) { return form == DepthwiseForm::kSilu || form == DepthwiseForm::kSiluSums; }

/// 2 h / (1 + exp(-2 h)), to within the rounding of 16 bits.
__device__ __forceinline__ float silu_of_half(float h) {
  float t;
  asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(h));
  return fmaf(h, t, h);
}

/// Finishes channels `channel` and the next of result `row` and stores them if they exist. For kSilu v is half of the
/// sums.
template <class T, DepthwiseForm kForm>
__device__ __forceinline__ void finish_pair(const DepthwiseArgs& a, float (&v)[2], T* to, uint32_t row, int channel,
                                            bool exists) {
  if constexpr (kForm == DepthwiseForm::kAny) {
    if (!exists) return;
    if (a.sums) {
      store_floats(a.sums + int64_t(row) * a.channels + channel, v);
      return;
    }
    Words<T, 2> extra;
    load_extra(a.epilogue, row, channel, true, 2, extra);
    apply_apart(a.epilogue, v, extra);
  } else if constexpr (is_silu(kForm)) {
    v[0] = silu_of_half(v[0]), v[1] = silu_of_half(v[1]);
  } else {
    using F = PointwiseFunctions<true>;
    v[0] = F::f_clip(v[0], a.epilogue.a, a.epilogue.b), v[1] = F::f_clip(v[1], a.epilogue.a, a.epilogue.b);
  }
  if (exists) store_floats(to, v);
}

/// Pixels lie this many elements apart; half warps that read two pixels meet different banks.
constexpr int pixel_pitch(int channels) { return channels == 32 ? 40 : channels; }

/// Where a tile of results lies.
struct TileAt {
  int image, top, left;
};

/// Starts copying the pixels that a tile sees, zeros outside of the image and beyond the channels.
template <class T, int S, int CB>
__device__ __forceinline__ void copy_tile(const TiledWalk& walk, const TileAt& at, int first_channel, T* to) {
  constexpr int kEights = CB / 8, kPitch = pixel_pitch(CB);
  const DepthwiseArgs& a = walk.a;
  const T* const from = static_cast<const T*>(a.x) + int64_t(at.image) * a.in_h * a.in_w * a.x_pitch + first_channel;
  const int first_h = at.top * S - a.pad_h, first_w = at.left * S - a.pad_w, line = a.in_w * int(a.x_pitch);
  for (int i = int(threadIdx.x); i < walk.in_columns * kEights; i += int(blockDim.x)) {
    const int column = i / kEights, eight = i - column * kEights, w = first_w + column;
    const bool exists = unsigned(w) < unsigned(a.in_w) && first_channel + eight * 8 < a.channels;
    T* pixel = to + column * kPitch + eight * 8;
    int offset = first_h * line + w * int(a.x_pitch) + eight * 8;
#pragma unroll 4
    for (int row = 0; row < walk.in_rows; ++row) {
      const bool inside = exists && unsigned(first_h + row) < unsigned(a.in_h);
      copy_async(pixel, from + (inside ? offset : 0), inside);
      pixel += walk.in_columns * kPitch;
      offset += line;
    }
  }
}

/// What a thread does of each tile: two channels of W columns of a strip of rows.
template <class T, int K, int S, int CB, DepthwiseForm kForm>
struct Strip {
  static constexpr int kInputs = (W - 1) * S + K, kOpen = (K - 1) / S + 1, kPitch = pixel_pitch(CB);
  const TiledWalk& walk;
  int channel, pair, first_row, column;
  float w[K * K][2] = {}, bias[2] = {};
  float sums[kOpen][W][2] = {};
  float total[2] = {};  ///< of the results

  __device__ __forceinline__ void load_weights() {
#pragma unroll
    for (int k = 0; k < K * K; ++k)
      load_floats(static_cast<const T*>(walk.a.w) + k * walk.a.weights_pitch + channel, w[k]);
    add_bias(walk.a.epilogue, bias, channel, 2);
    if constexpr (is_silu(kForm)) {  // halves, which are exact
#pragma unroll
      for (int k = 0; k < K * K; ++k) w[k][0] *= 0.5f, w[k][1] *= 0.5f;
      bias[0] *= 0.5f, bias[1] *= 0.5f;
    }
  }
  /// Adds a row of pixels, row `at` of the window of open row of results `open`.
  __device__ __forceinline__ void add(const T* in, int at, int open) {
#pragma unroll
    for (int i = 0; i < kInputs; ++i) {
      float x[2];
      load_floats(in + i * kPitch, x);
#pragma unroll
      for (int j = 0; j < kOpen; ++j) {
        const int row = at - j * S;
        if (row < 0) continue;
#pragma unroll
        for (int t = 0; t < W; ++t) {
          const int k = i - t * S;
          if (k < 0 || k >= K) continue;
          float(&sum)[2] = sums[(j + open) % kOpen][t];
          const bool first = row == 0 && k == 0;
          sum[0] = fmaf(w[row * K + k][0], x[0], first ? bias[0] : sum[0]);
          sum[1] = fmaf(w[row * K + k][1], x[1], first ? bias[1] : sum[1]);
        }
      }
    }
  }
  __device__ __forceinline__ void run(const TileAt& at, const T* shared) {
    const DepthwiseArgs& a = walk.a;
    const int rows = min(min(first_row + walk.strip_rows, walk.tile.rows), a.out_h - at.top) - first_row;
    const int valid = min(walk.tile.columns - column, a.out_w - at.left - column);
    const T* in = shared + (first_row * S * walk.in_columns + column * S) * kPitch + pair * 2;
    const int line = walk.in_columns * kPitch;
#pragma unroll
    for (int i = 0; i < K - S; ++i, in += line) add(in, i, 0);
    uint32_t y_row = (uint32_t(at.image) * a.out_h + at.top + first_row) * a.out_w + at.left + column;
    const int y_pitch = int(a.y_pitch);
    T* to = static_cast<T*>(a.y) + int64_t(y_row) * y_pitch + channel;
    // All threads do all rows of their strips, whether they exist or not.
    for (int row = 0; row < walk.strip_rows;) {
#pragma unroll
      for (int open = 0; open < kOpen; ++open) {
        if (row >= walk.strip_rows) break;
#pragma unroll
        for (int i = 0; i < S; ++i, in += line) add(in, K - S + i, open);
#pragma unroll
        for (int t = 0; t < W; ++t) {
          const bool exists = row < rows && t < valid;
          finish_pair<T, kForm>(a, sums[open][t], to + t * y_pitch, y_row + t, channel, exists);
          if constexpr (kForm == DepthwiseForm::kSiluSums) {
            total[0] += exists ? sums[open][t][0] : 0;
            total[1] += exists ? sums[open][t][1] : 0;
          }
        }
        to += a.out_w * y_pitch;
        y_row += a.out_w;
        ++row;
      }
    }
  }
};

template <class T, int K, int S, int CB, DepthwiseForm kForm>
__global__ void __launch_bounds__(kDepthwiseThreads, depthwise_tile_blocks(K))
    depthwise_tiled(const __grid_constant__ TiledWalk walk) {
  T* const shared = dynamic_shared<T>();
  const int first_channel = int(blockIdx.x) * CB, pair = int(threadIdx.x) % (CB / 2);
  uint32_t group = threadIdx.x / (CB / 2);
  const int strip = int(walk.groups.split(group));
  Strip<T, K, S, CB, kForm> mine{walk, first_channel + pair * 2, pair, strip * walk.strip_rows, int(group) * W};
  const bool works = int(threadIdx.x) < walk.threads && mine.channel < walk.a.channels;
  // Constants do not depend on the kernel before this one.
  if (works) mine.load_weights();
  begin();
  finish_early();
  uint32_t tile = blockIdx.y;
  uint32_t row = walk.tiles_w.split(tile);
  const int image = int(walk.tiles_h.split(row));
  const TileAt at{image, int(row) * walk.tile.rows, int(tile) * walk.tile.columns};
  copy_tile<T, S, CB>(walk, at, first_channel, shared);
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  if (works) mine.run(at, shared);
  if constexpr (kForm == DepthwiseForm::kSiluSums) {
    // Threads that share channels add up theirs in order.
    float2* const totals = reinterpret_cast<float2*>(shared);
    __syncthreads();
    totals[threadIdx.x] = {mine.total[0], mine.total[1]};
    __syncthreads();
    if (works && threadIdx.x < CB / 2) {
      float2 sum = {};
      for (int i = pair; i < walk.threads; i += CB / 2) sum.x += totals[i].x, sum.y += totals[i].y;
      *reinterpret_cast<float2*>(walk.a.tile_sums + int64_t(blockIdx.y) * walk.a.channels + mine.channel) = sum;
    }
  }
}

template <class T, int K, int S, int CB>
cudaError_t launch_form(const TiledWalk& walk, dim3 grid, size_t shared, cudaStream_t stream) {
  const dim3 block(unsigned(walk.threads + 31) / 32 * 32);
  const Epilogue& e = walk.a.epilogue;
  const bool clips = depthwise_clips(e);
  if (depthwise_any(e) || walk.a.sums) {
    if constexpr (CB == kDepthwiseAnyChannels)
      return launch(depthwise_tiled<T, K, S, CB, DepthwiseForm::kAny>, grid, block, shared, stream, walk);
    return cudaErrorInvalidValue;
  }
  if (walk.a.tile_sums) {
    if (e.act != Act::kSilu) return cudaErrorInvalidValue;
    const size_t totals = block.x * sizeof(float2);
    return launch(depthwise_tiled<T, K, S, CB, DepthwiseForm::kSiluSums>, grid, block,
                  shared < totals ? totals : shared, stream, walk);
  }
  if (!clips) return launch(depthwise_tiled<T, K, S, CB, DepthwiseForm::kSilu>, grid, block, shared, stream, walk);
  TiledWalk w = walk;
  if (e.act != Act::kClip) {
    w.a.epilogue.a = e.act == Act::kRelu ? 0.f : -INFINITY;
    w.a.epilogue.b = INFINITY;
  }
  return launch(depthwise_tiled<T, K, S, CB, DepthwiseForm::kClip>, grid, block, shared, stream, w);
}

template <class T, int K, int S>
cudaError_t launch_channels(const TiledWalk& walk, dim3 grid, size_t shared, cudaStream_t stream) {
  switch (walk.tile.channels) {
    case 32:
      return launch_form<T, K, S, 32>(walk, grid, shared, stream);
    case 48:
      return launch_form<T, K, S, 48>(walk, grid, shared, stream);
    case 64:
      return launch_form<T, K, S, 64>(walk, grid, shared, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

template <class T>
cudaError_t launch_window(const DepthwiseArgs& a, int kernel, int stride, const DepthwiseTiling& tile,
                          cudaStream_t stream) {
  const int across = (a.out_w + tile.columns - 1) / tile.columns, down = (a.out_h + tile.rows - 1) / tile.rows,
            groups = (tile.columns + W - 1) / W;
  TiledWalk walk{};
  walk.a = a;
  walk.tile = tile;
  walk.in_rows = (tile.rows - 1) * stride + kernel;
  walk.in_columns = (tile.columns - 1) * stride + kernel;
  walk.strip_rows = (tile.rows + tile.strips - 1) / tile.strips;
  walk.threads = tile.channels / 2 * groups * tile.strips;
  walk.tiles_w = Divisor(across);
  walk.tiles_h = Divisor(down);
  walk.groups = Divisor(groups);
  const size_t shared = size_t(depthwise_tile_bytes(kernel, stride, tile));
  const dim3 grid(unsigned((a.channels + tile.channels - 1) / tile.channels), unsigned(across * down * a.batch));
  if (kernel == 3)
    return stride == 1 ? launch_channels<T, 3, 1>(walk, grid, shared, stream)
                       : launch_channels<T, 3, 2>(walk, grid, shared, stream);
  return stride == 1 ? launch_channels<T, 5, 1>(walk, grid, shared, stream)
                     : launch_channels<T, 5, 2>(walk, grid, shared, stream);
}

}  // namespace
}  // namespace tenon::cuda
