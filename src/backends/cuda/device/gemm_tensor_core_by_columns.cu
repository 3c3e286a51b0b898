#include "backends/cuda/device/gemm_tensor_core_kernel.h"

namespace tenon::cuda {

cudaError_t gemm_tensor_core_by_columns(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream) {
  return launch_type<GemmForm::kColumns>(a, type, tile, splits, stream);
}

}  // namespace tenon::cuda
