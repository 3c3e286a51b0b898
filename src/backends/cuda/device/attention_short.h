// Attention on Hopper (compute capability 9.0 alone) over few keys: heads of 64 elements, no mask. A block takes 64
// queries of a head, and groups of warps share the keys.
#pragma once
#include <cuda.h>

#include "backends/cuda/device/attention.h"

namespace tenon::cuda {

inline constexpr int kShortHeadSize = 64, kShortQueries = 64;
/// Groups of 128 threads, and keys of each.
struct ShortTile {
  int groups, keys;
  constexpr int all() const { return groups * keys; }
};
inline constexpr ShortTile kShortTiles[] = {{2, 64}, {4, 64}, {4, 96}, {4, 128}};
inline constexpr int kShortTileCount = int(sizeof kShortTiles / sizeof *kShortTiles);

/// f16 or bf16; addresses are multiples of 16 bytes, strides of 8 elements; no more keys than the tile has.
cudaError_t attention_short(Elem type, int tile, const AttentionParams& p, cudaStream_t stream);
cudaError_t attention_short_f16(int tile, const AttentionParams& p, cudaStream_t stream);
cudaError_t attention_short_bf16(int tile, const AttentionParams& p, cudaStream_t stream);

/// Rows of 64 elements as [batch, head, row], for copies of `rows_a_box` rows of one head.
cudaError_t map_heads(const void* data, const HeadStrides& at, Elem type, int rows, int heads, int batch,
                      int rows_a_box, CUtensorMap& to);

}  // namespace tenon::cuda
