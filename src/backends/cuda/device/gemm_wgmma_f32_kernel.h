// The kernel of gemm_wgmma_f32.h: the ring of stages of gemm_tensor_core_tile.h, multiplied by warpgroups of 64 rows.
//
// Rows of a are split in registers. Of b the larger part is what tensor cores read of it as it lies in the ring; what
// they leave out is written beside the ring, rounded, while the products of the stage before run.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_special.h"
#include "backends/cuda/device/gemm_wgmma_f32.h"
#include "backends/cuda/device/wgmma_tf32.h"

namespace tenon::cuda {
namespace {

/// The parts of this warp's rows of a stage of a.
template <class Tiled>
__device__ __forceinline__ void split_rows(const Tiled& t, int stage, Tf32Pair<4> (&a)[Tiled::kDepth / 8]) {
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane % 16;
  const float* const tile = t.shared + stage * Tiled::kStage;
#pragma unroll
  for (int k = 0; k < Tiled::kDepth / 8; ++k) {
    uint32_t raw[4];
    load_matrices(raw, tile + swizzled<float, kChunks>(row, k * 2 + lane / 16));
    a[k].split(raw);
  }
}

/// Writes what tensor cores leave out of a stage of b, at the same places.
template <class Tiled>
__device__ __forceinline__ void write_rest(const Tiled& t, int stage, float* to) {
  const uint4* const from =
      reinterpret_cast<const uint4*>(t.shared + stage * Tiled::kStage + Tiled::kTileRows * Tiled::kDepth);
  constexpr int kEach = Tiled::kTileColumns * Tiled::kDepth / 4 / Tiled::kThreads;
  const auto rest = [](uint32_t bits) {
    const float left = __uint_as_float(bits) - __uint_as_float(bits & 0xffffe000u);
    return __float_as_uint(left) + 0x1000u;
  };
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int at = threadIdx.x + i * Tiled::kThreads;
    const uint4 v = from[at];
    reinterpret_cast<uint4*>(to)[at] = make_uint4(rest(v.x), rest(v.y), rest(v.z), rest(v.w));
  }
}

/// Starts the products of a stage: of the small parts first.
template <class Tiled>
__device__ __forceinline__ void start_products(const Tiled& t, int stage, const float* rest,
                                               const Tf32Pair<4> (&a)[Tiled::kDepth / 8], float (&part)[Tiled::kN][4]) {
  const float* const b = t.shared + stage * Tiled::kStage + Tiled::kTileRows * Tiled::kDepth;
  fence_products();
#pragma unroll
  for (int k = 0; k < Tiled::kDepth / 8; ++k) {
    multiply_tf32(part, a[k].low, describe_rows(b + k * 8), k > 0);
    multiply_tf32(part, a[k].high, describe_rows(rest + k * 8), 1);
  }
#pragma unroll
  for (int k = 0; k < Tiled::kDepth / 8; ++k) multiply_tf32(part, a[k].high, describe_rows(b + k * 8), 1);
  commit_products();
}

template <class Tiled, int kBlocks>
__global__ void __launch_bounds__(Tiled::kThreads, kBlocks)
    gemm_wgmma_f32(const __grid_constant__ GemmArgs g, int steps, int splits) {
  unsigned char* const memory = dynamic_shared<unsigned char>();
  const uint32_t start = static_cast<uint32_t>(__cvta_generic_to_shared(memory));
  Tiled t(g, reinterpret_cast<float*>(memory + (1024 - start % 1024) % 1024));
  constexpr int kStages = Tiled::kRing, kRest = Tiled::kTileColumns * Tiled::kDepth;
  float* const rest = t.shared + kStages * Tiled::kStage;
  const GemmSteps mine = start_tile(t, steps, splits);
  float sums[1][Tiled::kN][4] = {}, part[Tiled::kN][4] = {};
  Tf32Pair<4> a[2][Tiled::kDepth / 8];
  const auto prepare = [&](int step, Tf32Pair<4>(&to)[Tiled::kDepth / 8]) {
    split_rows(t, step % kStages, to);
    write_rest(t, step % kStages, rest + step % 2 * kRest);
    publish_to_products();
  };
  // The products of step i and, meanwhile, what step i + 1 needs.
  const auto advance = [&](int i, const Tf32Pair<4>(&now)[Tiled::kDepth / 8], Tf32Pair<4>(&next)[Tiled::kDepth / 8]) {
    start_products(t, i % kStages, rest + i % 2 * kRest, now, part);
    if (i + 1 < mine.count) {
      wait_copies<kStages - 3>();
      __syncthreads();
      prepare(i + 1, next);
    }
    // After the fence, which waits for copies that are under way.
    load_ahead(t, i, mine.count);
    wait_products();
    pin(part);
#pragma unroll
    for (int n = 0; n < Tiled::kN; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[0][n][e] += part[n][e];
    __syncthreads();
  };
  wait_copies<kStages - 2>();
  __syncthreads();
  prepare(0, a[0]);
  __syncthreads();
  for (int i = 0; i < mine.count; i += 2) {
    advance(i, a[0], a[1]);
    if (i + 1 < mine.count) advance(i + 1, a[1], a[0]);
  }
  wait_copies<0>();
  repeat_special(t, mine, sums);
  end_tile(t, splits, mine.rank, sums);
}

template <GemmForm kForm, int BM, int BN, int kStages, int kBlocks>
cudaError_t launch_wgmma_f32(const GemmArgs& g, int splits, cudaStream_t stream) {
  using Tiled = GemmTiled<float, BM, BN, 16, BN, kStages, kForm>;
  constexpr size_t kShared = sizeof(float) * (Tiled::kStage * kStages + 2 * BN * Tiled::kDepth) + 1024;
  static_assert(kShared >= Tiled::kShared);
  return launch_tiles<Tiled>(gemm_wgmma_f32<Tiled, kBlocks>, kShared, g, splits, stream);
}

/// In the order of kWgmmaF32Tiles.
template <GemmForm kForm>
cudaError_t launch_wgmma_f32_tile(const GemmArgs& g, int tile, int splits, cudaStream_t stream) {
  switch (tile) {
    case 0:
      return launch_wgmma_f32<kForm, 128, 128, 4, 1>(g, splits, stream);
    case 1:
      return launch_wgmma_f32<kForm, 64, 128, 3, 2>(g, splits, stream);
    case 2:
      return launch_wgmma_f32<kForm, 64, 64, 4, 2>(g, splits, stream);
    case 3:
      return launch_wgmma_f32<kForm, 64, 32, 5, 3>(g, splits, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace tenon::cuda
