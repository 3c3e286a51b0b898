// The ring of stages that gemm_tma's blocks multiply from, and which tiles of y they do. Stages hold 128 bytes of k for
// a tile's rows of a and columns of b, swizzled; one thread keeps the ring full, through the ends of tiles.
#pragma once
#include "backends/cuda/device/tensor_maps.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kTmaDepth = kGemmDepth;  ///< k of a stage of 16-bit elements: rows of 128 bytes

/// `kM` times 64 rows of a group of warps, `kColumns` columns, `kGroups` groups that multiply; a group finishes 64 rows
/// and `kPanels` times 64 columns at a time, and has `kBuffers` of them on their way.
template <int kM_, int kColumns_, int kGroups_, bool kAlternate_, int kStages_, int kPanels_, int kBuffers_ = 1>
struct TmaForm {
  static constexpr int kM = kM_, kColumns = kColumns_, kGroups = kGroups_, kStages = kStages_, kPanels = kPanels_;
  static constexpr int kBuffers = kBuffers_;
  static constexpr bool kAlternate = kAlternate_;
  static constexpr int kDepth = kTmaDepth;
  static constexpr int kRows = 64 * kM * (kAlternate ? 1 : kGroups), kThreads = 128 * (kGroups + 1);
  static constexpr int kBytesA = kRows * 128, kBytesB = kColumns * 128, kCopied = kBytesA + kBytesB;
  static constexpr int kStageBytes = kCopied;
  static constexpr int kAcross = kColumns / (64 * kPanels), kParts = kM * kAcross;
  static constexpr int kPanelBytes = 64 * 128, kKeepBytes = kPanels * kPanelBytes;  ///< of 64 columns, of a part
  static constexpr size_t kShared = kStages * kStageBytes + kGroups * kBuffers * kKeepBytes + 1024;
  static constexpr int kFewRegisters = kGroups == 2 ? 40 : 32, kManyRegisters = kGroups == 2 ? 232 : 160;
  static_assert(kColumns % (64 * kPanels) == 0 && (!kAlternate || kGroups == 2) && kShared <= 227 * 1024 - 256);
};

/// A form has kRows and kColumns of a tile, kDepth elements of k in 128 bytes, kStages of kStageBytes each, the first
/// kCopied of which are kBytesA of a and then b's, and groups that multiply.
template <class F>
struct TmaRing {
  const TmaArgs& g;
  unsigned char* stages;
  uint64_t *full, *empty;
  uint32_t rank;

  struct Tile {
    int row, column, z;
  };
  /// Tile `number` of the cluster; its blocks do neighbours.
  __device__ __forceinline__ Tile tile(int number) const {
    const int across = number % g.tiles_across, rest = number / g.tiles_across;
    const int down = rest % g.tiles_down, z = rest / g.tiles_down;
    if (g.shares_a) return {down * F::kRows, (across * g.cluster + int(rank)) * F::kColumns, z};
    return {(down * g.cluster + int(rank)) * F::kRows, across * F::kColumns, z};
  }
  __device__ __forceinline__ int first_tile() const { return int(blockIdx.x); }
  __device__ __forceinline__ int next_tile(int number) const { return number + int(gridDim.x); }

  /// The first row of a's tile and column of b's that this block copies: all, or its half for the whole cluster.
  __device__ __forceinline__ int first_a() const { return g.shares_a ? int(rank) * (F::kRows / 2) : 0; }
  __device__ __forceinline__ int first_b() const {
    return g.cluster > 1 && !g.shares_a ? int(rank) * (F::kColumns / 2) : 0;
  }
  /// Where the copies of a tile's k stand.
  struct Walk {
    Tile t;
    int c, kw, kh, kd, tap;  ///< first channel, and the tap of the window
    uint32_t w, h, d, n;     ///< the tile's first pixel
  };
  __device__ __forceinline__ Walk walk(const Tile& t) const {
    Walk k{t, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (g.axes == 0) return k;
    k.w = uint32_t(t.row + first_a());
    k.h = g.out[2].split(k.w);
    k.d = g.out[1].split(k.h);
    k.n = g.out[0].split(k.d);
    return k;
  }
  __device__ __forceinline__ void next(Walk& k) const {
    if (g.axes == 0) {
      k.c += F::kDepth;
      return;
    }
    ++k.tap;
    if (++k.kw < g.kernel[2]) return;
    k.kw = 0;
    if (++k.kh < g.kernel[1]) return;
    k.kh = 0;
    if (++k.kd < g.kernel[0]) return;
    k.kd = k.tap = 0;
    k.c += F::kDepth;
  }
  __device__ __forceinline__ void copy_a(const Walk& k, uint32_t stage) const {
    void* const to = stages + stage * F::kStageBytes + first_a() * 128;
    if (g.axes == 0) {
      const int row = k.t.row + first_a(), z = g.a_batched ? k.t.z : 0;
      if (g.shares_a)
        copy_box_to(3, to, g.maps.a, full + stage, k.c, row, z);
      else
        copy_box(to, g.maps.a, full + stage, k.c, row, z);
      return;
    }
    const Pixels p = {k.c,
                      int(k.w) * g.stride[2] - g.pad[2],
                      int(k.h) * g.stride[1] - g.pad[1],
                      int(k.d) * g.stride[0] - g.pad[0],
                      int(k.n),
                      uint16_t(k.kw * g.dilation[2]),
                      uint16_t(k.kh * g.dilation[1]),
                      uint16_t(k.kd * g.dilation[0])};
    if (g.axes == 2) {
      if (g.shares_a)
        copy_pixels_to(3, to, g.maps.a, full + stage, p);
      else
        copy_pixels(to, g.maps.a, full + stage, p);
    } else if (g.shares_a) {
      copy_voxels_to(3, to, g.maps.a, full + stage, p);
    } else {
      copy_voxels(to, g.maps.a, full + stage, p);
    }
  }
  __device__ __forceinline__ void copy_b(const Walk& k, uint32_t stage) const {
    void* const to = stages + stage * F::kStageBytes + F::kBytesA + first_b() * 128;
    const int column = k.t.column + first_b();
    const int y = g.axes > 0 ? k.tap : column, z = g.axes > 0 ? column : g.b_batched ? k.t.z : 0;
    if (g.cluster == 1 || g.shares_a)
      copy_box(to, g.maps.b, full + stage, k.c, y, z);
    else
      copy_box_to(3, to, g.maps.b, full + stage, k.c, y, z);
  }

  /// One thread.
  __device__ __forceinline__ void produce() const {
    prefetch_map(g.maps.a);
    prefetch_map(g.maps.b);
    int early = 0;  // stages whose part of b was asked for before begin()
    if (g.b_constant && first_tile() < g.tiles) {
      Walk k = walk(tile(first_tile()));
      for (; early < F::kStages && early < g.steps; ++early) {
        expect_bytes(full + early, F::kCopied);
        copy_b(k, early);
        next(k);
      }
    }
    begin();
    uint32_t stage = 0, parity = 1;
    for (int number = first_tile(); number < g.tiles; number = next_tile(number)) {
      Walk k = walk(tile(number));
      for (int i = 0; i < g.steps; ++i) {
        if (early > 0) {
          --early;
        } else {
          wait_barrier(empty + stage, parity);
          expect_bytes(full + stage, F::kCopied);
          copy_b(k, stage);
        }
        copy_a(k, stage);
        next(k);
        if (++stage == F::kStages) {
          stage = 0;
          parity ^= 1;
        }
      }
    }
    finish_early();
  }

  __device__ __forceinline__ void release(uint32_t stage, int thread) const {
    if (g.cluster == 1) {
      if (thread == 0) arrive_barrier(empty + stage);
    } else if (thread < 2) {
      arrive_in_cluster(empty + stage, thread);
    }
  }
};

}  // namespace
}  // namespace tenon::cuda
