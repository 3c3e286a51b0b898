#include "backends/cuda/device/attention_short_kernel.h"

namespace tenon::cuda {

cudaError_t attention_short_bf16(int tile, const AttentionParams& p, cudaStream_t stream) {
  return launch_short_tile<__nv_bfloat16>(tile, p, stream);
}

}  // namespace tenon::cuda
