#include "backends/cuda/device/attention_wgmma_kernel.h"

namespace tenon::cuda {

cudaError_t attention_wgmma_bf16(int keys, const AttentionParams& p, int multiprocessors, cudaStream_t stream) {
  return launch_heads_of<__nv_bfloat16>(keys, p, multiprocessors, stream);
}

}  // namespace tenon::cuda
