#include "backends/cuda/device/conv_depthwise_tiled_kernel.h"

namespace tenon::cuda {

cudaError_t conv_depthwise_tiled_bf16(const DepthwiseArgs& a, int kernel, int stride, const DepthwiseTiling& tile,
                                      cudaStream_t stream) {
  return launch_window<__nv_bfloat16>(a, kernel, stride, tile, stream);
}

}  // namespace tenon::cuda
