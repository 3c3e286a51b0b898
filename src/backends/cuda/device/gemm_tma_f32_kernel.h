// The kernel of gemm_tma_f32.h. One thread keeps a ring of stages full; groups of 128 threads split or round their rows
// of a in registers, multiply, and store from there: four lanes hold 32 bytes of a row.
//
// To f32's accuracy an operand is the sum of two TF32 numbers, see gemm_tensor_core_tile.h. Of b the larger part is
// what tensor cores read of it as it lies in the ring; what they leave out is written beside it by warps that do
// nothing else. An infinite element of a is left out of the products with that rest, so that a's may be infinite or no
// number.
#pragma once
#include "backends/cuda/device/epilogue_apart.h"
#include "backends/cuda/device/gemm_tma_f32.h"
#include "backends/cuda/device/gemm_tma_ring.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/round_tf32.h"
#include "backends/cuda/device/wgmma_tf32.h"

namespace tenon::cuda {
namespace {

struct TmaF32Args : TmaArgs {
  float* y = nullptr;
  int64_t y_pitch = 0;
};

/// `kM` times 64 rows of a group of warps and kColumns columns. Operands are split in two, or else rounded.
template <bool kSplit_, int kM_, int kColumns_, int kStages_>
struct TmaF32Form {
  static constexpr bool kSplit = kSplit_;
  static constexpr int kM = kM_, kColumns = kColumns_, kStages = kStages_;
  static constexpr int kGroups = 2, kRows = 64 * kM * kGroups, kThreads = 128 * (kGroups + 1);
  static constexpr int kDepth = 32, kEights = kDepth / 8;
  static constexpr int kBytesA = kRows * 128, kBytesB = kColumns * 128, kCopied = kBytesA + kBytesB;
  static constexpr int kStageBytes = kCopied + (kSplit ? kBytesB : 0);
  static constexpr size_t kShared = size_t(kStages) * kStageBytes + 1024;
  static constexpr int kFewRegisters = 40, kManyRegisters = 232;
  static_assert(kShared <= 227 * 1024 - 256);
};

/// Parts of an eight of k of 64 rows of a: the larger one, the same without infinities, and the smaller one.
struct SplitRows {
  uint32_t high[4], finite[4], low[4];
  __device__ __forceinline__ void split(const uint32_t (&bits)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float v = __uint_as_float(bits[i]);
      const bool infinite = fabsf(v) == INFINITY;
      // The largest numbers would be rounded to infinity.
      high[i] = (bits[i] + (fabsf(v) < 0x1p127f ? 0x1000u : 0u)) & 0xffffe000u;
      finite[i] = infinite ? 0 : high[i];
      low[i] = infinite ? 0 : __float_as_uint(v - __uint_as_float(high[i]));
    }
  }
};

template <class F>
struct TmaF32Block : TmaRing<F> {
  using Tile = typename TmaRing<F>::Tile;
  using TmaRing<F>::stages, TmaRing<F>::full, TmaRing<F>::empty;
  using TmaRing<F>::tile, TmaRing<F>::first_tile, TmaRing<F>::next_tile;
  const TmaF32Args& args;
  uint64_t* split;  ///< b's rest is written

  /// A place in the ring.
  struct Place {
    uint32_t stage = 0, parity = 0;
    __device__ __forceinline__ void next() {
      if (++stage == F::kStages) {
        stage = 0;
        parity ^= 1;
      }
    }
  };

  /// Writes what tensor cores leave out of b's stages. Warps 1 to 3 of the block.
  __device__ __forceinline__ void write_rest() const {
    begin();
    Place at;
    for (int number = first_tile(); number < args.tiles; number = next_tile(number))
      for (int i = 0; i < args.steps; ++i, at.next()) {
        uint4* const b = reinterpret_cast<uint4*>(stages + at.stage * F::kStageBytes + F::kBytesA);
        wait_barrier(full + at.stage, at.parity);
#pragma unroll 4
        for (int c = int(threadIdx.x) - 32; c < F::kBytesB / 16; c += 96) {
          const uint4 v = b[c];
          b[c + F::kBytesB / 16] = make_uint4(rest(v.x), rest(v.y), rest(v.z), rest(v.w));
        }
        publish_to_products();
        __syncwarp();
        if (threadIdx.x % 32 == 0) arrive_barrier(split + at.stage);
      }
  }

  __device__ __forceinline__ void consume(int group) const {
    begin();
    Place at;
    for (int number = first_tile(); number < args.tiles; number = next_tile(number)) {
      Tile t = tile(number);
      t.row += group * F::kM * 64;
      float sums[F::kM][F::kColumns / 8][4];
      for (int i = 0; i < args.steps; ++i, at.next()) {
        if constexpr (F::kSplit)
          add_split(at, group, i == 0, sums[0]);
        else
          add_rounded(at, group, i == 0, sums);
      }
      if (next_tile(number) >= args.tiles) finish_early();
#pragma unroll
      for (int m = 0; m < F::kM; ++m) finish(sums[m], t, m * 64);
    }
  }

 private:
  static __device__ __forceinline__ uint32_t rest(uint32_t bits) {
    const float left = __uint_as_float(bits) - __uint_as_float(bits & 0xffffe000u);
    return __float_as_uint(left) + 0x1000u;
  }

  /// This warp's part of an eight of k of 64 rows of a stage.
  __device__ __forceinline__ void load_rows(uint32_t (&raw)[4], uint32_t stage, int first, int k) const {
    const int lane = threadIdx.x % 32, row = first + threadIdx.x % 128 / 32 * 16 + lane % 16;
    load_matrices(raw, stages + stage * F::kStageBytes + row * 128 + ((k * 2 + lane / 16) ^ (row & 7)) * 16);
  }
  /// This warp has read a stage.
  __device__ __forceinline__ void release(uint32_t stage) const {
    const int lane = threadIdx.x % 32;
    __syncwarp();
    if (args.cluster == 1) {
      if (lane == 0) arrive_barrier(empty + stage);
    } else if (lane < 2) {
      arrive_in_cluster(empty + stage, lane);
    }
  }

  /// The products of a stage of split operands, of the small parts first, in sums of their own: tensor cores cut off
  /// what they add.
  __device__ __forceinline__ void add_split(const Place& at, int group, bool first,
                                            float (&sums)[F::kColumns / 8][4]) const {
    const unsigned char* const b = stages + at.stage * F::kStageBytes + F::kBytesA;
    SplitRows a[F::kEights];
    wait_barrier(full + at.stage, at.parity);
#pragma unroll
    for (int k = 0; k < F::kEights; ++k) {
      uint32_t raw[4];
      load_rows(raw, at.stage, group * 64, k);
      a[k].split(raw);
    }
    wait_barrier(split + at.stage, at.parity);
    float part[F::kColumns / 8][4];
    fence_products();
#pragma unroll
    for (int k = 0; k < F::kEights; ++k) {
      multiply_tf32(part, a[k].low, describe_rows(b + k * 32), k > 0);
      multiply_tf32(part, a[k].finite, describe_rows(b + F::kBytesB + k * 32), 1);
    }
#pragma unroll
    for (int k = 0; k < F::kEights; ++k) multiply_tf32(part, a[k].high, describe_rows(b + k * 32), 1);
    commit_products();
    wait_products();
    pin(part);
    release(at.stage);
#pragma unroll
    for (int n = 0; n < F::kColumns / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[n][e] = first ? part[n][e] : sums[n][e] + part[n][e];
  }

  __device__ __forceinline__ void add_rounded(const Place& at, int group, bool first,
                                              float (&sums)[F::kM][F::kColumns / 8][4]) const {
    const unsigned char* const b = stages + at.stage * F::kStageBytes + F::kBytesA;
    uint32_t a[F::kM][F::kEights][4];
    wait_barrier(full + at.stage, at.parity);
#pragma unroll
    for (int m = 0; m < F::kM; ++m)
#pragma unroll
      for (int k = 0; k < F::kEights; ++k) {
        load_rows(a[m][k], at.stage, (group * F::kM + m) * 64, k);
        round_to_tf32(a[m][k]);
      }
    fence_products();
#pragma unroll
    for (int k = 0; k < F::kEights; ++k)
#pragma unroll
      for (int m = 0; m < F::kM; ++m) multiply_tf32(sums[m], a[m][k], describe_rows(b + k * 32), !first || k > 0);
    commit_products();
    wait_products();
#pragma unroll
    for (int m = 0; m < F::kM; ++m) pin(sums[m]);
    release(at.stage);
  }

  /// Stores 64 rows from `down` of the group's on: of two rows and four pairs of columns at a time.
  __device__ __forceinline__ void finish(const float (&sums)[F::kColumns / 8][4], const Tile& t, int down) const {
    constexpr int kTogether = 4;  // eights of columns whose other operand is under way at a time
    const Epilogue& e = args.epilogue;
    const int row = t.row + down + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
    const int column = t.column + threadIdx.x % 4 * 2;
    const uint32_t y_row = uint32_t(t.z) * args.rows + row;
#pragma unroll
    for (int n0 = 0; n0 < F::kColumns / 8; n0 += kTogether) {
      float v[4 * kTogether];
      Words<float, 4 * kTogether> extra;
      extra.clear();
#pragma unroll
      for (int n = 0; n < kTogether; ++n) {
        const int at = column + (n0 + n) * 8;
        const bool there = at < args.columns;
        const float2 bias = e.bias && there ? *reinterpret_cast<const float2*>(e.bias + at) : float2{};
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          v[n * 4 + half * 2] = fmaf(sums[n0 + n][half * 2], args.alpha, bias.x);
          v[n * 4 + half * 2 + 1] = fmaf(sums[n0 + n][half * 2 + 1], args.alpha, bias.y);
          if (e.join == Join::kNone || !there || row + half * 8 >= args.rows) continue;
          const float* const from =
              static_cast<const float*>(e.extra) + int64_t(e.extra_rows.divide(y_row + half * 8)) * e.extra_pitch;
          const float2 pair = e.extra_step ? *reinterpret_cast<const float2*>(from + at) : float2{*from, *from};
          extra.put(n * 4 + half * 2, pair.x);
          extra.put(n * 4 + half * 2 + 1, pair.y);
        }
      }
      apply_apart(e, v, extra);
#pragma unroll
      for (int n = 0; n < kTogether; ++n)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int at = column + (n0 + n) * 8;
          if (at < args.columns && row + half * 8 < args.rows)
            *reinterpret_cast<float2*>(args.y + int64_t(y_row + half * 8) * args.y_pitch + at) = {
                v[n * 4 + half * 2], v[n * 4 + half * 2 + 1]};
        }
    }
  }
};

template <class F>
__global__ void __launch_bounds__(F::kThreads, 1) gemm_tma_f32_kernel(const __grid_constant__ TmaF32Args g) {
  __shared__ uint64_t barriers[3 * F::kStages];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
  const TmaF32Block<F> block{{g, aligned, barriers, barriers + F::kStages, blockIdx.z}, g, barriers + 2 * F::kStages};
  if (threadIdx.x == 0) {
    for (int s = 0; s < F::kStages; ++s) {
      init_barrier(block.full + s, 1);
      init_barrier(block.empty + s, F::kGroups * 4 * g.cluster);
      init_barrier(block.split + s, 3);
    }
    publish_barriers();
  }
  __syncthreads();
  if (g.cluster > 1) meet_cluster();
  if (threadIdx.x < 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(F::kFewRegisters));
    if (threadIdx.x == 0)
      block.produce();
    else if (F::kSplit && threadIdx.x >= 32)
      block.write_rest();
    else
      begin();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(F::kManyRegisters));
    block.consume(int(threadIdx.x) / 128 - 1);
  }
  __syncwarp();
  if (g.cluster > 1) meet_cluster();
}

template <class F>
cudaError_t launch_tma_f32(const GemmArgs& a, bool conv, int cluster, int blocks, cudaStream_t stream) {
  TmaF32Args g;
  if (const cudaError_t code = make_tma_args(a, Elem::kF32, conv, F::kRows, F::kColumns, cluster, g);
      code != cudaSuccess)
    return code;
  g.y = a.sums ? a.sums : static_cast<float*>(a.y);
  g.y_pitch = a.sums ? a.sums_pitch : a.y_pitch;
  const int clusters = g.tiles < blocks / cluster ? g.tiles : blocks / cluster;
  return launch_cluster(gemm_tma_f32_kernel<F>, unsigned(cluster), dim3(unsigned(clusters), 1, unsigned(cluster)),
                        dim3(F::kThreads), F::kShared, stream, g);
}

}  // namespace
}  // namespace tenon::cuda
