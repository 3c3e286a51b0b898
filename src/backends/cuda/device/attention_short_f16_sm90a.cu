#include "backends/cuda/device/attention_short_kernel.h"

namespace tenon::cuda {

cudaError_t attention_short_f16(int tile, const AttentionParams& p, cudaStream_t stream) {
  return launch_short_tile<__half>(tile, p, stream);
}

}  // namespace tenon::cuda
