#include "backends/cuda/device/gemm_wgmma_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_wgmma_conv(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream) {
  return launch_wgmma_type<GemmForm::kConv>(a, type, tile, splits, stream);
}

}  // namespace tenon::cuda
