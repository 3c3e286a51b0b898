#include "backends/cuda/device/attention_mma.h"

namespace tenon::cuda {

cudaError_t attention_mma_f16(AttentionTile tile, const AttentionParams& p, cudaStream_t stream) {
  return launch_attention_type<__half>(tile, p, stream);
}

}  // namespace tenon::cuda
