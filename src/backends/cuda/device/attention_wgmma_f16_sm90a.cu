#include "backends/cuda/device/attention_wgmma_kernel.h"

namespace tenon::cuda {

cudaError_t attention_wgmma_f16(int keys, const AttentionParams& p, int multiprocessors, cudaStream_t stream) {
  return launch_heads_of<__half>(keys, p, multiprocessors, stream);
}

}  // namespace tenon::cuda
