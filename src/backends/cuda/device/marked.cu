#include "backends/cuda/device/marked.h"

#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kSteps = 16;  // of a warp over neighbouring elements
constexpr int kTile = kThreads * kSteps;
constexpr int kScanThreads = 1024;

__device__ __forceinline__ int lane() { return int(threadIdx.x % 32); }
__device__ __forceinline__ int warp() { return int(threadIdx.x / 32); }

/// A bit for each of 32 neighbouring elements from `first` on, the same in all lanes.
template <class Word>
__device__ __forceinline__ uint32_t marks(const MarkedParams& p, uint32_t first) {
  const uint32_t at = first + uint32_t(lane());
  return __ballot_sync(0xffffffffu, at < p.count && (static_cast<const Word*>(p.x)[at] & Word(p.bits)) != 0);
}
/// Where a warp's part of the block's tile begins.
__device__ __forceinline__ uint32_t first_of_warp() { return blockIdx.x * kTile + uint32_t(warp()) * (32 * kSteps); }

template <class Word>
__global__ void __launch_bounds__(kThreads) count_marked(const __grid_constant__ MarkedParams p) {
  __shared__ uint32_t totals[kWarps];
  begin();
  finish_early();
  uint32_t n = 0;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) n += uint32_t(__popc(marks<Word>(p, first_of_warp() + 32 * s)));
  if (lane() == 0) totals[warp()] = n;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < kWarps; ++w) n += totals[w];
  p.before[blockIdx.x] = n;
}

/// Replaces the number of each tile by that of all tiles before it.
__global__ void __launch_bounds__(kScanThreads) scan_marked(const __grid_constant__ MarkedParams p, int tiles) {
  __shared__ uint32_t totals[kScanThreads / 32];
  begin();
  finish_early();
  uint32_t carry = 0;
  for (int first = 0; first < tiles; first += kScanThreads) {
    const int tile = first + int(threadIdx.x);
    const uint32_t own = tile < tiles ? p.before[tile] : 0;
    uint32_t sum = own;
    for (int offset = 1; offset < 32; offset *= 2) {
      const uint32_t left = __shfl_up_sync(0xffffffffu, sum, offset);
      if (lane() >= offset) sum += left;
    }
    if (lane() == 31) totals[warp()] = sum;
    __syncthreads();
    uint32_t before = carry;
    for (int w = 0; w < kScanThreads / 32; ++w) {
      if (w == warp()) before = carry;
      carry += totals[w];
    }
    __syncthreads();
    if (tile < tiles) p.before[tile] = before + sum - own;
  }
  if (threadIdx.x != 0) return;
  p.before[tiles] = carry;
  if (p.found) *p.found = carry;
}

__device__ __forceinline__ void put(const MarkedParams& p, uint32_t all, uint32_t to, uint32_t at) {
  if (p.positions) {
    p.positions[to] = at;
    return;
  }
  for (int d = 0; d < p.extents.rank; ++d) {
    const uint32_t along = d + 1 < p.extents.rank ? p.extents.size[d].take(at) : at;
    p.coordinates[int64_t(p.extents.rank - 1 - d) * all + to] = along;
  }
}

template <class Word>
__global__ void __launch_bounds__(kThreads) place_marked(const __grid_constant__ MarkedParams p) {
  __shared__ uint32_t totals[kWarps];
  begin();
  finish_early();
  uint32_t found[kSteps], n = 0;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    found[s] = marks<Word>(p, first_of_warp() + 32 * s);
    n += uint32_t(__popc(found[s]));
  }
  if (lane() == 0) totals[warp()] = n;
  __syncthreads();
  uint32_t to = p.before[blockIdx.x];
  const uint32_t all = p.before[gridDim.x];
  for (int w = 0; w < warp(); ++w) to += totals[w];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    if (found[s] >> lane() & 1)
      put(p, all, to + uint32_t(__popc(found[s] & ((1u << lane()) - 1))), first_of_warp() + 32 * s + uint32_t(lane()));
    to += uint32_t(__popc(found[s]));
  }
}

template <class Unit>
__global__ void __launch_bounds__(kThreads) take_kernel(const __grid_constant__ TakeParams p) {
  begin();
  finish_early();
  const uint32_t chosen = *p.chosen;
  const bool fit = chosen == 0 || p.positions[chosen - 1] < p.entries;
  if (blockIdx.x == 0 && threadIdx.x == 0) *p.found = fit ? int64_t(chosen) : -1;
  if (!fit) return;
  const int64_t count = int64_t(p.outer) * chosen * p.units.value;
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < count; i += int64_t(gridDim.x) * kThreads) {
    uint32_t row = uint32_t(i);
    const uint32_t u = p.units.take(row), o = row / chosen, at = p.positions[row - o * chosen];
    static_cast<Unit*>(p.y)[i] = static_cast<const Unit*>(p.x)[(int64_t(o) * p.entries + at) * p.units.value + u];
  }
}

/// Calls `fn` with a whole number of `bytes` bytes.
template <class Fn>
cudaError_t with_word(int bytes, const Fn& fn) {
  switch (bytes) {
    case 1:
      return fn(uint8_t());
    case 2:
      return fn(uint16_t());
    case 4:
      return fn(uint32_t());
    default:
      return fn(uint64_t());
  }
}

}  // namespace

int marked_tiles(int64_t count) { return int((count + kTile - 1) / kTile); }

cudaError_t find_marked(const MarkedParams& p, cudaStream_t stream) {
  const int tiles = marked_tiles(p.count);
  return with_word(p.bytes, [&](auto word) {
    using Word = decltype(word);
    if (cudaError_t code = launch(count_marked<Word>, unsigned(tiles), kThreads, 0, stream, p); code != cudaSuccess)
      return code;
    if (cudaError_t code = launch(scan_marked, 1, kScanThreads, 0, stream, p, tiles); code != cudaSuccess) return code;
    return launch(place_marked<Word>, unsigned(tiles), kThreads, 0, stream, p);
  });
}

cudaError_t take_marked(const TakeParams& p, cudaStream_t stream) {
  constexpr int64_t kMostBlocks = 4096;
  const int64_t blocks = (p.most + kThreads - 1) / kThreads;
  const auto grid = unsigned(blocks < 1 ? 1 : blocks > kMostBlocks ? kMostBlocks : blocks);
  if (p.unit_bytes == 16) return launch(take_kernel<uint4>, grid, kThreads, 0, stream, p);
  return with_word(p.unit_bytes,
                   [&](auto word) { return launch(take_kernel<decltype(word)>, grid, kThreads, 0, stream, p); });
}

}  // namespace tenon::cuda
