#include "backends/cuda/device/gemm_tma_f32_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_tma_tf32(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream) {
  switch (tile) {  // in the order of kTmaTf32Tiles
    case 0:
      return launch_tma_f32<TmaF32Form<false, 1, 256, 4>>(a, conv, cluster, blocks, stream);
    case 1:
      return launch_tma_f32<TmaF32Form<false, 2, 128, 4>>(a, conv, cluster, blocks, stream);
    case 2:
      return launch_tma_f32<TmaF32Form<false, 1, 128, 6>>(a, conv, cluster, blocks, stream);
    case 3:
      return launch_tma_f32<TmaF32Form<false, 1, 64, 8>>(a, conv, cluster, blocks, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace tenon::cuda
