// What gemm_split's blocks multiply from: stages of 64 of k, swizzled by 128 bytes, that warps ask the copy engine for;
// those of b before the kernel before this one has ended, as far as they fit.
#pragma once
#include "backends/cuda/device/gemm_split.h"
#include "backends/cuda/device/tensor_maps.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kProducers = 2;                                                    ///< warps that ask for stages
constexpr int kSplitGroup = 128, kSplitThreads = kSplitGroup + kProducers * 32;  ///< that multiply; of a block

template <int kColumns_>
struct SplitForm {
  static constexpr int kColumns = kColumns_, kRows = 64;
  static constexpr int kBytesA = kRows * 128, kStageBytes = kBytesA + kColumns * 128;
  static constexpr int kEights = kColumns / 8;                          ///< of columns
  static constexpr int kOwn = kColumns == 128 ? kEights / 2 : kEights;  ///< that a block finishes, at most
};

struct SplitArgs {
  TmaArgs t;
  void* y;
  int64_t y_pitch;
  int stages;
  int eights;  ///< that a block of a cluster finishes, at most
  RowFactors factors;
};

template <class F>
struct SplitRing {
  const SplitArgs& g;
  unsigned char* ring;
  uint64_t *full, *empty, *received;
  int row, column, splits, rank, first, count;

  /// Eights of columns of the tile that block `block` of the cluster finishes, from this one on.
  __device__ __forceinline__ int first_eight(int block) const { return F::kEights * block / splits; }
  /// Where the copies of a step of k stand.
  struct Walk {
    Pixels p;  ///< of a; of a plain matrix only c
    int kw, kh, kd, tap;
  };
  __device__ __forceinline__ Walk walk(int step) const {
    const TmaArgs& t = g.t;
    Walk k{};
    k.p.c = step * kGemmDepth;
    if (t.axes == 0) return k;
    const int taps = t.kernel[0] * t.kernel[1] * t.kernel[2], block = step / taps;
    k.p.c = block * kGemmDepth;
    k.tap = step - block * taps;
    k.kh = k.tap / t.kernel[2];
    k.kw = k.tap - k.kh * t.kernel[2];
    k.kd = k.kh / t.kernel[1];
    k.kh -= k.kd * t.kernel[1];
    uint32_t w = uint32_t(row), h = t.out[2].split(w), d = t.out[1].split(h);
    k.p.n = int(t.out[0].split(d));
    k.p.w = int(w) * t.stride[2] - t.pad[2];
    k.p.h = int(h) * t.stride[1] - t.pad[1];
    k.p.d = int(d) * t.stride[0] - t.pad[0];
    return k;
  }
  /// On to the next step that this warp asks for.
  __device__ __forceinline__ void next(Walk& k) const {
    const TmaArgs& t = g.t;
    if (t.axes == 0) {
      k.p.c += kGemmDepth * kProducers;
      return;
    }
#pragma unroll 1
    for (int i = 0; i < kProducers; ++i) {
      ++k.tap;
      if (++k.kw < t.kernel[2]) continue;
      k.kw = 0;
      if (++k.kh < t.kernel[1]) continue;
      k.kh = 0;
      if (++k.kd < t.kernel[0]) continue;
      k.kd = k.tap = 0;
      k.p.c += kGemmDepth;
    }
  }
  __device__ __forceinline__ void copy_a(Walk& k, int stage) const {
    const TmaArgs& t = g.t;
    void* const to = ring + stage * F::kStageBytes;
    if (t.axes == 0) {
      copy_box(to, t.maps.a, full + stage, k.p.c, row, 0);
      return;
    }
    k.p.dw = uint16_t(k.kw * t.dilation[2]);
    k.p.dh = uint16_t(k.kh * t.dilation[1]);
    k.p.dd = uint16_t(k.kd * t.dilation[0]);
    if (t.axes == 2)
      copy_pixels(to, t.maps.a, full + stage, k.p);
    else
      copy_voxels(to, t.maps.a, full + stage, k.p);
  }
  __device__ __forceinline__ void copy_b(const Walk& k, int stage) const {
    void* const to = ring + stage * F::kStageBytes + F::kBytesA;
    const bool conv = g.t.axes > 0;
    expect_bytes(full + stage, F::kStageBytes);
    copy_box(to, g.t.maps.b, full + stage, k.p.c, conv ? k.tap : column, conv ? column : 0);
  }
  /// One thread.
  __device__ __forceinline__ void make_barriers() const {
    for (int s = 0; s < g.stages; ++s) {
      init_barrier(full + s, 1);
      init_barrier(empty + s, 1);
    }
    init_barrier(received, 1);
    publish_barriers();
    if (splits > 1)
      expect_bytes(received, uint32_t(splits * (first_eight(rank + 1) - first_eight(rank)) * kSplitGroup * 16));
  }
  /// One thread of producer warp `number`, which asks for every so many steps.
  __device__ __forceinline__ void produce(int number) const {
    Walk k = walk(first + number);
    const bool early = g.t.b_constant;
    if (early) {
      Walk e = k;
      for (int i = number; i < g.stages && i < count; i += kProducers) {
        copy_b(e, i);
        next(e);
      }
    }
    begin();
    finish_early();
    int stage = number;
    uint32_t parity = 1;
    for (int i = number; i < count; i += kProducers) {
      for (; stage >= g.stages; stage -= g.stages) parity ^= 1;
      if (i >= g.stages) wait_barrier(empty + stage, parity);
      if (i >= g.stages || !early) copy_b(k, stage);
      copy_a(k, stage);
      next(k);
      stage += kProducers;
    }
  }
};

}  // namespace
}  // namespace tenon::cuda
