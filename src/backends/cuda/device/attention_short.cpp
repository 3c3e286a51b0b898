#include "backends/cuda/device/attention_short.h"

#include "backends/cuda/device/tensor_maps.h"

namespace tenon::cuda {

cudaError_t map_heads(const void* data, const HeadStrides& at, Elem type, int rows, int heads, int batch,
                      int rows_a_box, CUtensorMap& to) {
  const auto encode = tensor_map_encoder();
  if (!encode) return cudaErrorNotSupported;
  const cuuint64_t sizes[] = {kShortHeadSize, cuuint64_t(rows), cuuint64_t(heads), cuuint64_t(batch)};
  // The distance along an axis of one does not matter, but must be one that is accepted.
  const cuuint64_t steps[] = {cuuint64_t(at.row) * 2, cuuint64_t(heads > 1 ? at.head : at.row) * 2,
                              cuuint64_t(batch > 1 ? at.batch : at.row) * 2};
  const cuuint32_t box[] = {kShortHeadSize, cuuint32_t(rows_a_box), 1, 1}, ones[] = {1, 1, 1, 1};
  const CUresult code = encode(&to, tensor_map_type(type), 4, const_cast<void*>(data), sizes, steps, box, ones,
                               CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return code == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t attention_short(Elem type, int tile, const AttentionParams& p, cudaStream_t stream) {
  if (type == Elem::kF16) return attention_short_f16(tile, p, stream);
  if (type == Elem::kBF16) return attention_short_bf16(tile, p, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
