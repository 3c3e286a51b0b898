#include "backends/cuda/device/gemm_tma_launch.h"

namespace tenon::cuda {

cudaError_t gemm_tma_f16(const GemmArgs& a, bool conv, int tile, int cluster, int blocks, cudaStream_t stream) {
  return launch_tma_tile<__half>(a, Elem::kF16, conv, tile, cluster, blocks, stream);
}

}  // namespace tenon::cuda
