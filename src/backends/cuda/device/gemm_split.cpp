#include "backends/cuda/device/gemm_split.h"

#include <algorithm>

namespace tenon::cuda {
namespace {

constexpr int64_t kBarriers = 1024, kAlignment = 1024;
constexpr int64_t kHalf = 113 * 1024;  ///< two blocks fit a multiprocessor
constexpr int64_t kEnough = 4;         ///< stages that keep the copy engine busy

}  // namespace

bool gemm_split_does(const Epilogue& e, bool scaled) {
  if (e.join == Join::kMul || (e.join != Join::kNone && (e.extra_step != 1 || e.extra_rows.value != 1))) return false;
  const bool cuts = e.act == Act::kNone || e.act == Act::kRelu || e.act == Act::kClip;
  return cuts || (!scaled && (e.act == Act::kSilu || e.act == Act::kHardSwish));
}

SplitMemory gemm_split_memory(int tile, int splits, int64_t steps, int64_t most) {
  const GemmTile t = kSplitTiles[tile];
  if (t.columns == 128 && splits == 1) return {0, 0};
  const int64_t stage = int64_t(t.rows + t.columns) * 128, eights = (t.columns / 8 + splits - 1) / splits * splits;
  const int64_t fixed = kBarriers + kAlignment + (splits > 1 ? eights * t.rows * 32 : 0);
  const int64_t wanted = std::min<int64_t>((steps + splits - 1) / splits, kMostSplitStages);
  const auto room = [&](int64_t bytes) { return std::min((bytes - fixed) / stage, wanted); };
  const int64_t half = room(std::min(most, kHalf)), stages = half >= std::min(wanted, kEnough) ? half : room(most);
  if (stages < std::min<int64_t>(wanted, 2)) return {0, 0};
  return {int(stages), fixed - kBarriers + stages * stage};
}

cudaError_t gemm_split(const GemmArgs& a, Elem type, bool conv, int tile, int splits, int64_t most,
                       cudaStream_t stream) {
  if (type == Elem::kF16) return gemm_split_f16(a, conv, tile, splits, most, stream);
  if (type == Elem::kBF16) return gemm_split_bf16(a, conv, tile, splits, most, stream);
  return cudaErrorInvalidValue;
}
cudaError_t gemm_split_scaled(const GemmArgs& a, const RowFactors& factors, Elem type, int tile, int splits,
                              int64_t most, cudaStream_t stream) {
  if (type == Elem::kF16) return gemm_split_scaled_f16(a, factors, tile, splits, most, stream);
  if (type == Elem::kBF16) return gemm_split_scaled_bf16(a, factors, tile, splits, most, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
