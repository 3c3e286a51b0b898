#include "backends/cuda/device/tensor_boxes.h"

namespace tenon::cuda {

cudaError_t map_boxes(const TensorBoxes& t, Elem type, CUtensorMap& to) {
  static const auto encode = [] {
    void* fn = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    const cudaError_t code =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &fn, 12000, cudaEnableDefault, &found);
    const bool there = code == cudaSuccess && found == cudaDriverEntryPointSuccess;
    return there ? reinterpret_cast<decltype(cuTensorMapEncodeTiled)*>(fn) : nullptr;
  }();
  if (!encode) return cudaErrorNotSupported;
  cuuint64_t sizes[5], steps[4];
  cuuint32_t box[5], ones[5];
  for (int i = 0; i < t.axes; ++i) {
    sizes[i] = cuuint64_t(t.sizes[i]);
    box[i] = cuuint32_t(t.box[i]);
    ones[i] = 1;
    if (i > 0) steps[i - 1] = cuuint64_t(t.steps[i - 1]) * 2;
  }
  const CUtensorMapDataType kind =
      type == Elem::kF16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  const CUresult code = encode(&to, kind, cuuint32_t(t.axes), const_cast<void*>(t.data), sizes, steps, box, ones,
                               CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return code == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
