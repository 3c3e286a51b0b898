#include "backends/cuda/device/gemm_small_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_small_bf16(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  return launch_small_tile<__nv_bfloat16>(a, tile, splits, stream);
}

}  // namespace tenon::cuda
