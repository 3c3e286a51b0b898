#include "backends/cuda/device/gemm_split_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_split_bf16(const GemmArgs& a, bool conv, int tile, int splits, int64_t most, cudaStream_t stream) {
  return launch_split_tile<__nv_bfloat16>(a, Elem::kBF16, conv, tile, splits, most, stream);
}
cudaError_t gemm_split_scaled_bf16(const GemmArgs& a, const RowFactors& factors, int tile, int splits, int64_t most,
                                   cudaStream_t stream) {
  return launch_scaled_tile<__nv_bfloat16>(a, factors, Elem::kBF16, tile, splits, most, stream);
}

}  // namespace tenon::cuda
