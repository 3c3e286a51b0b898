#include "backends/cuda/device/conv_stem_wgmma.h"

#include <algorithm>

namespace tenon::cuda {
namespace {

constexpr int kMaxBlocks = 8, kMaxRowSteps = 4;

constexpr int divided(int a, int b) { return (a + b - 1) / b; }

/// Patches of `a.blocks` blocks; false if two of them do not fit.
bool plan_patch(StemWgmmaArgs& a, int64_t shared_bytes) {
  const int pixels = (a.blocks * stem_block_columns(a.stride) - 1) * a.stride + 4 * a.row_steps;
  a.patch_units = a.stride == 1 ? (pixels + 1) / 2 + 1 : divided(pixels, a.stride) * (a.stride / 2);
  a.row_bytes = a.stride == 1 ? (a.patch_units - 1) * 32 : a.patch_units * 16;
  const int64_t patch = int64_t(a.kernel[0]) * a.patch_rows * a.row_bytes;
  const int64_t weights = int64_t(stem_steps(a)) * a.tile_columns * 32;
  for (a.blocks_per_sm = 2; a.blocks_per_sm > 0; --a.blocks_per_sm) {
    const int64_t stages = (shared_bytes / a.blocks_per_sm - 2048 - weights) / patch;
    if (stages < 2) continue;
    a.stages = int(std::min<int64_t>(stages, kStemMostStages));
    a.shared = int(weights + a.stages * patch);
    return true;
  }
  return false;
}

/// Clocks of a multiprocessor, as measured on an H200: copies run beside the rest.
int64_t clocks(const StemWgmmaArgs& a, int multiprocessors) {
  const int rows = a.kernel[0] * a.patch_rows, across = divided(a.out[2], stem_block_columns(a.stride));
  const int64_t copies = divided(a.patch_units, 32) * divided(rows, 24) * 1500;
  const int64_t products = int64_t(stem_steps(a)) * a.tile_columns / 2 * a.blocks_per_sm;
  const int64_t tile = std::max(copies, 1300 + a.blocks * (1100 + products * 5 / 4));
  const int64_t tiles = int64_t(a.images) * a.out[0] * divided(a.out[1], stem_block_rows(a.stride)) *
                        divided(across, a.blocks) * divided(a.columns, a.tile_columns);
  const int64_t rounds = (tiles - 1) / (int64_t(multiprocessors) * a.blocks_per_sm) + 1;
  return rounds * tile + copies;
}

}  // namespace

bool plan_stem(StemWgmmaArgs& a, int multiprocessors, int64_t shared_bytes, int blocks) {
  a.shift = a.pad[2] % 2;
  a.row_steps = divided(a.kernel[2] + a.shift, 4);
  a.patch_rows = (stem_block_rows(a.stride) - 1) * a.stride + a.kernel[1];
  const int most = std::min(divided(a.out[2], stem_block_columns(a.stride)), kMaxBlocks);
  StemWgmmaArgs best;
  if (a.row_steps > kMaxRowSteps) return false;
  for (a.blocks = blocks > 0 ? blocks : 1; a.blocks <= (blocks > 0 ? std::min(blocks, most) : most); ++a.blocks)
    if (plan_patch(a, shared_bytes) && (best.blocks == 0 || clocks(a, multiprocessors) < clocks(best, multiprocessors)))
      best = a;
  if (best.blocks == 0) return false;
  a = best;
  return true;
}

}  // namespace tenon::cuda
