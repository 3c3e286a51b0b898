#include "backends/cuda/device/gemm_split_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_split_f16(const GemmArgs& a, bool conv, int tile, int splits, int64_t most, cudaStream_t stream) {
  return launch_split_tile<__half>(a, Elem::kF16, conv, tile, splits, most, stream);
}
cudaError_t gemm_split_scaled_f16(const GemmArgs& a, const RowFactors& factors, int tile, int splits, int64_t most,
                                  cudaStream_t stream) {
  return launch_scaled_tile<__half>(a, factors, Elem::kF16, tile, splits, most, stream);
}

}  // namespace tenon::cuda
