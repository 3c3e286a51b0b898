// How a block of the kernels over gemm_tensor_core_tile.h's ring begins and ends.
#pragma once
#include "backends/cuda/device/gemm_tensor_core_tile.h"

namespace tenon::cuda {
namespace {

/// A block's share of the steps of k, one of its cluster's.
struct GemmSteps {
  int first, count, rank;
};

/// Finds this block's tile and its share of `steps`, and starts the copies of the ring's first stages, a group each:
/// those of constant weights before the kernel ahead has ended.
template <class Tiled>
__device__ __forceinline__ GemmSteps start_tile(Tiled& t, int steps, int splits) {
  t.column0 = blockIdx.x * Tiled::kTileColumns;
  t.row0 = blockIdx.y * Tiled::kTileRows;
  const int rank = splits > 1 ? int(blockIdx.z) % splits : 0;
  const int matrix = splits > 1 ? int(blockIdx.z) / splits : int(blockIdx.z);
  t.group = matrix % t.g.groups;
  t.z = matrix / t.g.groups;
  const int first = steps * rank / splits, count = steps * (rank + 1) / splits - first;
  t.place(first);

  constexpr int kStages = Tiled::kRing;
  if (t.g.b_constant) {
#pragma unroll
    for (int s = 0; s < kStages - 1; ++s)
      if (s < count) t.load_b(s);
  }
  begin();
  finish_early();
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < count) {
      if (!t.g.b_constant) t.load_b(s);
      t.load_a(s);
    }
    commit_copies();
  }
  return {first, count, rank};
}

/// Starts the copies of the step that takes the place of the one before step `i` in the ring, a group.
template <class Tiled>
__device__ __forceinline__ void load_ahead(Tiled& t, int i, int count) {
  const int ahead = i + Tiled::kRing - 1;
  if (ahead < count) {
    t.load_b(ahead % Tiled::kRing);
    t.load_a(ahead % Tiled::kRing);
  }
  commit_copies();
}

/// Adds the products of a tile that multiplies from shared memory to `sums`, step by step. Copies are through then, and
/// other threads may still read the ring.
template <class Tiled>
__device__ __forceinline__ void multiply_steps(Tiled& t, int count, float (&sums)[Tiled::kM][Tiled::kN][4]) {
  for (int i = 0; i < count; ++i) {
    wait_copies<Tiled::kRing - 2>();
    __syncthreads();
    load_ahead(t, i, count);
    t.multiply(i % Tiled::kRing, sums);
  }
  wait_copies<0>();
}

/// Adds up the cluster's sums and writes the tile. Copies are through and nobody reads the ring.
template <class Tiled>
__device__ __forceinline__ void end_tile(Tiled& t, int splits, int rank, const float (&sums)[Tiled::kM][Tiled::kN][4]) {
  t.keep(sums);
  if (splits == 1) {
    __syncthreads();
    t.finish(1, 0);
  } else {
    sync_cluster();
    t.finish(splits, rank);
    sync_cluster();
  }
}

/// Launches `kernel` with a block for each tile of y and each of `splits` parts of k.
template <class Tiled>
cudaError_t launch_tiles(void (*kernel)(GemmArgs, int, int), size_t shared, const GemmArgs& g, int splits,
                         cudaStream_t stream) {
  const int taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
  const int depth = Tiled::kWindows ? taps * g.chunks * Tiled::kPiece : g.depth;
  const int steps = (depth + Tiled::kDepth - 1) / Tiled::kDepth;
  const dim3 grid((g.columns + Tiled::kTileColumns - 1) / Tiled::kTileColumns,
                  (g.rows + Tiled::kTileRows - 1) / Tiled::kTileRows, unsigned(g.batch * g.groups * splits));
  return launch_cluster(kernel, unsigned(splits), grid, dim3(Tiled::kThreads), shared, stream, g, steps, splits);
}

}  // namespace
}  // namespace tenon::cuda
