#include "backends/cuda/device/gemm_wgmma_f32_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_wgmma_f32_conv(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  return launch_wgmma_f32_tile<GemmForm::kConv>(a, tile, splits, stream);
}

}  // namespace tenon::cuda
