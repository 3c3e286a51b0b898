#include "backends/cuda/device/gemm_tma_f32_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_tma_f32(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream) {
  switch (tile) {  // in the order of kTmaF32Tiles
    case 0:
      return launch_tma_f32<TmaF32Form<true, 1, 128, 4>>(a, conv, cluster, blocks, stream);
    case 1:
      return launch_tma_f32<TmaF32Form<true, 1, 64, 6>>(a, conv, cluster, blocks, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace tenon::cuda
