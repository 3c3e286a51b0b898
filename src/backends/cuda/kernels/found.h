// What kernels share whose outputs' sizes are found in the data.
#pragma once
#include "backends/cuda/cuda.h"

namespace tenon::cuda {

/// The estimate for a kernel that needs `workspace` bytes, where that and room for the most that outputs can be are a
/// small part of the device's memory.
inline Support supports_with_room(const Problem& p, int64_t workspace) {
  int64_t bytes = workspace;
  for (const TensorDesc& d : p.outputs)
    if (d.dtype != ir::DType::kUndefined) bytes += ir::storage_bytes(d.dtype, d.count());
  const int64_t memory = info_of(p).memory_bytes;
  if (memory > 0 && bytes > memory / 8)
    return Support::no("the most that could be found takes ", bytes, " bytes, accepted are ", memory / 8);
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace tenon::cuda
