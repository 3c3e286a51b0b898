#include "backends/cuda/device/tensor_boxes.h"

#include "backends/cuda/device/tensor_maps.h"

namespace tenon::cuda {

cudaError_t map_boxes(const TensorBoxes& t, Elem type, CUtensorMap& to) {
  const auto encode = tensor_map_encoder();
  if (!encode) return cudaErrorNotSupported;
  cuuint64_t sizes[5], steps[4];
  cuuint32_t box[5], ones[5];
  for (int i = 0; i < t.axes; ++i) {
    sizes[i] = cuuint64_t(t.sizes[i]);
    box[i] = cuuint32_t(t.box[i]);
    ones[i] = 1;
    if (i > 0) steps[i - 1] = cuuint64_t(t.steps[i - 1]) * 2;
  }
  const CUresult code = encode(&to, tensor_map_type(type), cuuint32_t(t.axes), const_cast<void*>(t.data), sizes, steps,
                               box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return code == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
