// y = softmax(scale q k' + mask) v of every batch entry and head, on the device.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Where rows lie: elements between neighbouring batch entries, heads and rows. A row's elements are contiguous.
struct HeadStrides {
  int64_t batch = 0, head = 0, row = 0;
};
enum class MaskType : int { kNone, kF32, kF16, kBF16, kBool };

struct AttentionParams {
  const void *q, *k, *v;
  void* y;
  HeadStrides q_at, k_at, v_at, y_at;
  const void* mask;  ///< added to the scores, or bool and true where a key is seen
  MaskType mask_type;
  int64_t mask_batch, mask_head, mask_query, mask_key;  ///< elements, 0 where broadcast
  int batch, heads, heads_a_key_head;                   ///< neighbouring heads of q share a head of k and v
  int queries, keys, size, value_size;
  float scale;
  bool causal;  ///< query i sees the keys up to i + keys - queries
};

/// Any sizes; value_size is at most kMaxSimtSize.
inline constexpr int kMaxSimtSize = 512;
cudaError_t attention_simt(Elem type, const AttentionParams& p, cudaStream_t stream);

/// How a block of four warps, in f32 at times eight, shares queries and keys.
enum class AttentionTile : int { kRows16, kRows32, kRows64, kRows128 };
struct AttentionTileShape {
  int warps_m, warps_k;  ///< warps beside each other along queries and keys
  int tiles, keys;       ///< of one warp: tiles of 16 queries, and keys a step
  constexpr int rows() const { return warps_m * tiles * 16; }
  constexpr int step() const { return warps_k * keys; }
};
/// Sizes of heads that are compiled; others are padded to the next one.
constexpr int padded_head_size(int size) { return (size + 31) / 32 * 32; }
constexpr AttentionTileShape shape_of(AttentionTile t, int padded, bool f32 = false) {
  constexpr AttentionTileShape kShapes[] = {{1, 4, 1, 32}, {2, 2, 1, 64}, {4, 1, 1, 64}, {4, 1, 2, 64}};
  constexpr AttentionTileShape kShapesF32[] = {{1, 4, 1, 32}, {2, 2, 1, 32}, {4, 1, 1, 32}, {8, 1, 1, 32}};
  if (f32) return kShapesF32[int(t)];
  AttentionTileShape shape = kShapes[int(t)];
  if (t == AttentionTile::kRows128 && padded > 64) shape.keys = 32;  // as many as registers hold
  return shape;
}
/// Where the sums of a block lie in shared memory, behind staged keys and values or partial results.
constexpr int attention_sums_at(AttentionTileShape t, int padded, bool f32 = false) {
  const int staged = 4 * t.step() * (padded * (f32 ? 2 : 1) + 8) * 2, results = t.warps_k * t.rows() * (padded + 8) * 4;
  return staged > results ? staged : results;
}
/// Bytes of shared memory of a block.
constexpr int attention_shared_bytes(AttentionTileShape t, int padded, bool f32 = false) {
  return attention_sums_at(t, padded, f32) + 2 * t.warps_k * t.rows() * 4;
}
/// On tensor cores: sizes up to kMaxMmaSize, they and all strides multiples of 8, addresses of 16 bytes; a mask is f32,
/// bool or of the operands' type. f32 operands are multiplied as pairs of TF32 numbers.
inline constexpr int kMaxMmaSize = 128;
cudaError_t attention_mma(Elem type, AttentionTile tile, const AttentionParams& p, cudaStream_t stream);
cudaError_t attention_mma_f16(AttentionTile tile, const AttentionParams& p, cudaStream_t stream);
cudaError_t attention_mma_bf16(AttentionTile tile, const AttentionParams& p, cudaStream_t stream);
cudaError_t attention_mma_f32(AttentionTile tile, const AttentionParams& p, cudaStream_t stream);

}  // namespace tenon::cuda
