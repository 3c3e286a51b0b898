// Attention on Hopper (compute capability 9.0 alone): heads of 64 elements, no mask, as many keys as shared memory
// holds.
#pragma once
#include <cuda.h>

#include "backends/cuda/device/attention.h"

namespace tenon::cuda {

/// Keys whose scores a thread holds at a time.
inline constexpr int kWgmmaKeys[] = {128, 192, 208};
inline constexpr int kWgmmaKeysCount = int(sizeof kWgmmaKeys / sizeof *kWgmmaKeys);
inline constexpr int kWgmmaHeadSize = 64;
inline constexpr int kWgmmaQueries = 64, kWgmmaGroups = 2;  ///< queries of a tile, and tiles done at a time
inline constexpr int kWgmmaMostStages = 32;
/// Blocks of `keys` keys, or as many values, that fit in shared memory beside tiles of queries.
constexpr int attention_wgmma_stages(int keys) {
  const int row = kWgmmaHeadSize * 2, room = 225 * 1024 - kWgmmaGroups * 2 * kWgmmaQueries * row;
  const int stages = room / (keys * row);
  return stages < kWgmmaMostStages ? stages : kWgmmaMostStages;
}
/// Whether keys and values of a head fit in shared memory.
constexpr bool attention_wgmma_holds(int keys, int all) { return all <= attention_wgmma_stages(keys) / 2 * keys; }

/// f16 or bf16; addresses are multiples of 16 bytes, strides of 8 elements; `keys` is an index of kWgmmaKeys.
cudaError_t attention_wgmma(Elem type, int keys, const AttentionParams& p, int multiprocessors, cudaStream_t stream);
cudaError_t attention_wgmma_f16(int keys, const AttentionParams& p, int multiprocessors, cudaStream_t stream);
cudaError_t attention_wgmma_bf16(int keys, const AttentionParams& p, int multiprocessors, cudaStream_t stream);

/// Rows of 64 elements as [batch, head, row] for copies of `rows_a_box` rows of one head.
cudaError_t map_heads(const void* data, const HeadStrides& at, Elem type, int rows, int heads, int batch,
                      int rows_a_box, CUtensorMap& to);

}  // namespace tenon::cuda
