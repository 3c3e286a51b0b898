// Tensors as the copy engine sees them in boxes.
#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// A tensor of up to five axes, the first fastest, with elements between neighbours along each of the others; read or
/// written in boxes whose first size is 64 elements, swizzled by 128 bytes.
struct TensorBoxes {
  const void* data;
  int axes;
  int64_t sizes[5], steps[4];
  int box[5];
};
cudaError_t map_boxes(const TensorBoxes& t, Elem type, CUtensorMap& to);

}  // namespace tenon::cuda
