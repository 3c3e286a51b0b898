// Weights are the left operand, so that a product's width is pixels: lines of a tile stand one after the other with
// what surrounds them, and a tap of the window is a constant number of places away from all of them. What the tile sees
// of 64 channels of a plane, a slab, is copied once for all its taps. One thread copies slabs, another weights; two
// groups of warps take turns at multiplying, and finish their tiles in between.
#include <algorithm>

#include "backends/cuda/device/conv_halo.h"
#include "backends/cuda/device/tensor_boxes.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/device/turned_tile.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 384, kMostSlabs = 8, kTaps = 8, kTapBytes = kHaloChannels * 128;

struct Halo {
  struct {
    CUtensorMap x, w, y, extra;
  } maps;
  int tiles = 0, columns = 0, kernel_d = 0, kernel_h = 0, kernel_w = 0, dilation_d = 0, dilation_h = 0, dilation_w = 0;
  int pad_d = 0, pad_h = 0, pad_w = 0, in_d = 0;
  int channel_steps = 0, slabs = 0, slab_bytes = 0, copied_bytes = 0, extra_bytes = 0;
  int lines = 0, pixels = 0, pitch = 0;
  Divisor results, across, down, depths;
  Epilogue epilogue;
};

struct Ring {
  uint32_t stages, stage = 0, parity = 0;
  __device__ __forceinline__ void next() {
    if (++stage == stages) stage = 0, parity ^= 1;
  }
  __device__ __forceinline__ void skip(uint32_t steps) {
    stage += steps;
    parity ^= stage / stages & 1;
    stage %= stages;
  }
  __device__ __forceinline__ uint32_t before() const { return (stage == 0 ? stages : stage) - 1; }
};

struct Barriers {
  uint64_t slab_full[kMostSlabs], slab_empty[kMostSlabs], tap_full[kTaps], tap_empty[kTaps], extra_there[2];
};
constexpr int kSharedBytes = 227 * 1024 - 512;
static_assert(sizeof(Barriers) <= 512);

template <int kEights>
struct Block {
  static constexpr int kPlaces = kEights * 8, kKeepBytes = turned_bytes(kPlaces);
  const Halo& g;
  unsigned char *slabs, *taps, *kept;
  Barriers& b;

  struct Tile {
    int result, pixel, line, depth, image;
    int first_d, count_d;  ///< planes of the window that exist
  };
  __device__ __forceinline__ Tile tile(int number) const {
    Tile t;
    uint32_t rest = uint32_t(number);
    t.result = int(g.results.take(rest)) * kHaloChannels;
    t.pixel = int(g.across.take(rest)) * g.pixels;
    t.line = int(g.down.take(rest)) * g.lines;
    t.depth = int(g.depths.take(rest));
    t.image = int(rest);
    const int front = t.depth - g.pad_d;
    t.first_d = front < 0 ? (-front + g.dilation_d - 1) / g.dilation_d : 0;
    const int end = (g.in_d - front + g.dilation_d - 1) / g.dilation_d;
    t.count_d = max(0, min(end, g.kernel_d) - t.first_d);
    return t;
  }
  __device__ __forceinline__ int taps_together() const { return g.kernel_h * g.kernel_w; }
  __device__ __forceinline__ int slabs_of(const Tile& t) const { return t.count_d * g.channel_steps; }

  __device__ __forceinline__ void copy_slabs() const {
    prefetch_map(g.maps.x);
    begin();
    Ring ring{uint32_t(g.slabs), 0, 1};
    for (int number = blockIdx.x; number < g.tiles; number += gridDim.x) {
      const Tile t = tile(number);
      for (int d = t.first_d; d < t.first_d + t.count_d; ++d)
        for (int c = 0; c < g.channel_steps; ++c) {
          wait_barrier(b.slab_empty + ring.stage, ring.parity);
          expect_bytes(b.slab_full + ring.stage, g.copied_bytes);
          copy_box(slabs + ring.stage * g.slab_bytes, g.maps.x, b.slab_full + ring.stage, c * kHaloChannels,
                   t.pixel - g.pad_w, t.line - g.pad_h, t.depth - g.pad_d + d * g.dilation_d, t.image);
          ring.next();
        }
    }
    finish_early();
  }
  __device__ __forceinline__ void copy_weights() const {
    prefetch_map(g.maps.w);
    const int each = taps_together();
    Ring ring{kTaps, 0, 1};
    for (int number = blockIdx.x; number < g.tiles; number += gridDim.x) {
      const Tile t = tile(number);
      for (int d = t.first_d; d < t.first_d + t.count_d; ++d)
        for (int c = 0; c < g.channel_steps; ++c)
          for (int tap = d * each; tap < (d + 1) * each; ++tap) {
            wait_barrier(b.tap_empty + ring.stage, ring.parity);
            expect_bytes(b.tap_full + ring.stage, kTapBytes);
            copy_box(taps + ring.stage * kTapBytes, g.maps.w, b.tap_full + ring.stage, c * kHaloChannels, tap,
                     t.result);
            ring.next();
          }
    }
    begin();
  }

  template <class T>
  __device__ __forceinline__ void consume(int group) const {
    const int thread = threadIdx.x % 128, each = taps_together(), line_step = g.dilation_h * g.pitch * 128;
    unsigned char* const mine = kept + group * kKeepBytes;
    const bool extra = g.epilogue.join != Join::kNone;
    Ring slab{uint32_t(g.slabs)}, tap{kTaps};
    uint32_t turn = 0, extra_parity = 0;
    begin();
    if (group == 1) pass_turn(0);
    for (int number = blockIdx.x; number < g.tiles; number += gridDim.x, ++turn) {
      const Tile t = tile(number);
      const int count = slabs_of(t);
      if (int(turn & 1) != group) {
        slab.skip(count);
        tap.skip(count * each);
        continue;
      }
      float sums[kEights][4];
      if (extra && thread == 0) fetch_extra(mine, group, t);
      wait_turn(group);
      int kw = 0, line_tap = 0;  // taps of the line of the window, and of the slab, that are done
      uint32_t line = 0, at = 0;
      const int steps = count * each;
      for (int i = 0; i < steps; ++i) {
        if (line_tap == 0) {
          wait_barrier(b.slab_full + slab.stage, slab.parity);
          at = line = shared_address(slabs) + slab.stage * g.slab_bytes;
        }
        wait_barrier(b.tap_full + tap.stage, tap.parity);
        const uint64_t w = describe_rows(taps + tap.stage * kTapBytes), x = describe_rows_at(at);
        fence_products();
#pragma unroll
        for (int k = 0; k < 4; ++k) multiply_rows<T>(sums, w + uint64_t(k * 2), x + uint64_t(k * 2), i + k > 0);
        commit_products();
        wait_products<1>();
        if (i > 0 && thread == 0) {
          arrive_barrier(b.tap_empty + tap.before());
          if (line_tap == 0) arrive_barrier(b.slab_empty + slab.before());
        }
        tap.next();
        at += g.dilation_w * 128;
        if (++kw == g.kernel_w) kw = 0, line += line_step, at = line;
        if (++line_tap == each) line_tap = 0, slab.next();
      }
      pass_turn(1 - group);
      wait_products();
      if (thread == 0) {
        arrive_barrier(b.tap_empty + tap.before());
        arrive_barrier(b.slab_empty + slab.before());
      }
      pin(sums);
      if (extra) {
        wait_barrier(b.extra_there + group, extra_parity);
        extra_parity ^= 1;
      } else {
        if (thread == 0) wait_stores_read();
        sync_group(group);
      }
      finish_turned<T>(g.epilogue, sums, t.result, g.columns, {g.pixels, g.lines, g.pitch}, mine);
      publish_to_products();
      sync_group(group);
      if (thread == 0) {
        store_box(g.maps.y, mine, t.result, t.pixel, t.line, t.depth, t.image);
        commit_stores();
      }
    }
    if (thread == 0) wait_stores();
  }

 private:
  __device__ __forceinline__ void fetch_extra(unsigned char* to, int group, const Tile& t) const {
    wait_stores_read();
    expect_bytes(b.extra_there + group, g.extra_bytes);
    copy_box(to, g.maps.extra, b.extra_there + group, t.result, t.pixel, t.line, t.depth, t.image);
  }
};

template <int kEights, class T>
__global__ void __launch_bounds__(kThreads, 1) halo_kernel(const __grid_constant__ Halo g) {
  __shared__ Barriers barriers;
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
  unsigned char* const kept = aligned + kTaps * kTapBytes;
  const Block<kEights> block{g, kept + 2 * turned_bytes(kEights * 8), aligned, kept, barriers};
  if (threadIdx.x == 0) {
    for (int i = 0; i < g.slabs; ++i) init_barrier(barriers.slab_full + i, 1), init_barrier(barriers.slab_empty + i, 1);
    for (int i = 0; i < kTaps; ++i) init_barrier(barriers.tap_full + i, 1), init_barrier(barriers.tap_empty + i, 1);
    for (int i = 0; i < 2; ++i) init_barrier(barriers.extra_there + i, 1);
    publish_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0)
      block.copy_slabs();
    else if (threadIdx.x == 32)
      block.copy_weights();
    else
      begin();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    block.template consume<T>(int(threadIdx.x) / 128 - 1);
  }
}

int divided(int64_t a, int64_t b) { return int((a + b - 1) / b); }
int halo(const HaloArgs& a, int axis) { return (a.kernel[axis] - 1) * a.dilation[axis]; }
int slab_lines(const HaloArgs& a, const HaloTile& t) { return t.lines + halo(a, 1); }
int slab_bytes(const HaloArgs& a, const HaloTile& t) {
  return divided(int64_t(t.pixels + halo(a, 2)) * slab_lines(a, t) * 128, 1024) * 1024;
}
/// What fits besides the slabs, less what products read behind the last.
int slabs_that_fit(const HaloArgs& a, const HaloTile& t, int places) {
  const int behind = std::max(0, places + halo(a, 2) - t.lines * (t.pixels + halo(a, 2)));
  const int rest = kSharedBytes - kTaps * kTapBytes - 2 * turned_bytes(places) - behind * 128 - 1024;
  return std::min(rest / slab_bytes(a, t), kMostSlabs);
}

cudaError_t map_image(const HaloArgs& a, const void* data, const int (&sizes)[3], int channels, int64_t pitch,
                      int pixels, int lines, Elem type, CUtensorMap& to) {
  const int64_t line = sizes[2] * pitch, plane = sizes[1] * line;
  return map_boxes({data,
                    5,
                    {channels, sizes[2], sizes[1], sizes[0], a.images},
                    {pitch, line, plane, sizes[0] * plane},
                    {kHaloChannels, pixels, lines, 1, 1}},
                   type, to);
}

template <int kEights, class T>
cudaError_t launch_halo(const HaloArgs& a, Elem type, int blocks, cudaStream_t stream) {
  const HaloTile t = halo_tile(a, kEights * 8);
  if (t.lines == 0) return cudaErrorInvalidValue;
  Halo g;
  g.lines = t.lines;
  g.pixels = t.pixels;
  g.pitch = t.pixels + halo(a, 2);
  g.results = Divisor(divided(a.columns, kHaloChannels));
  g.across = Divisor(divided(a.out[2], t.pixels));
  g.down = Divisor(divided(a.out[1], t.lines));
  g.depths = Divisor(a.out[0]);
  g.tiles = t.count;
  g.columns = a.columns;
  g.kernel_d = a.kernel[0], g.kernel_h = a.kernel[1], g.kernel_w = a.kernel[2];
  g.dilation_d = a.dilation[0], g.dilation_h = a.dilation[1], g.dilation_w = a.dilation[2];
  g.pad_d = a.pad[0], g.pad_h = a.pad[1], g.pad_w = a.pad[2], g.in_d = a.in[0];
  g.channel_steps = divided(a.c, kHaloChannels);
  g.slabs = slabs_that_fit(a, t, kEights * 8);
  g.slab_bytes = slab_bytes(a, t);
  g.copied_bytes = g.pitch * slab_lines(a, t) * 128;
  g.extra_bytes = t.pixels * t.lines * 128;
  g.epilogue = a.epilogue;
  const int taps = a.kernel[0] * a.kernel[1] * a.kernel[2];
  cudaError_t code = map_image(a, a.x, a.in, a.c, a.x_pitch, g.pitch, slab_lines(a, t), type, g.maps.x);
  if (code != cudaSuccess) return code;
  code =
      map_boxes({a.w, 3, {a.c, taps, a.columns}, {a.c, a.w_pitch}, {kHaloChannels, 1, kHaloChannels}}, type, g.maps.w);
  if (code != cudaSuccess) return code;
  code = map_image(a, a.y, a.out, a.columns, a.y_pitch, t.pixels, t.lines, type, g.maps.y);
  if (code != cudaSuccess) return code;
  const Epilogue& e = a.epilogue;
  if (e.join != Join::kNone)
    code = map_image(a, e.extra, a.out, a.columns, e.extra_pitch, t.pixels, t.lines, type, g.maps.extra);
  if (code != cudaSuccess) return code;
  return launch(halo_kernel<kEights, T>, dim3(unsigned(std::min(g.tiles, blocks))), dim3(kThreads), kSharedBytes,
                stream, g);
}

template <class T>
cudaError_t launch_places(const HaloArgs& a, Elem type, int places, int blocks, cudaStream_t stream) {
  switch (places) {
    case 136:
      return launch_halo<17, T>(a, type, blocks, stream);
    case 208:
      return launch_halo<26, T>(a, type, blocks, stream);
    case 232:
      return launch_halo<29, T>(a, type, blocks, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

HaloTile halo_tile(const HaloArgs& a, int places) {
  HaloTile best;
  const int64_t others = int64_t(divided(a.columns, kHaloChannels)) * a.out[0] * a.images;
  for (int across = divided(a.out[2], places); across <= a.out[2]; ++across) {
    HaloTile t;
    t.pixels = divided(a.out[2], across);
    const int pitch = t.pixels + halo(a, 2);
    if (pitch < 16) break;
    if (pitch > 256 || t.pixels > places) continue;
    t.lines = std::min((places - t.pixels) / pitch + 1, a.out[1]);
    t.lines = divided(a.out[1], divided(a.out[1], t.lines));
    if (slab_lines(a, t) > 256 || slabs_that_fit(a, t, places) < 2) continue;
    const int64_t count = divided(a.out[2], t.pixels) * divided(a.out[1], t.lines) * others;
    if (count >= int64_t(1) << 31) continue;
    t.count = int(count);
    if (best.lines == 0 || t.count < best.count) best = t;
  }
  return best;
}

cudaError_t conv_halo(const HaloArgs& a, Elem type, int places, int blocks, cudaStream_t stream) {
  if (type == Elem::kF16) return launch_places<__half>(a, type, places, blocks, stream);
  if (type == Elem::kBF16) return launch_places<__nv_bfloat16>(a, type, places, blocks, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
