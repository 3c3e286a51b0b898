#include "backends/cuda/device/gemm_tensor_core_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_tensor_core_by_rows_f32(const GemmArgs& a, int tile, int splits, cudaStream_t stream) {
  return launch_tile<float, GemmForm::kRows>(a, tile, splits, stream);
}

}  // namespace tenon::cuda
