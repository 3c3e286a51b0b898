// Conversion between element types.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace tenon::cuda {

/// Types of the operators that are exact on whole numbers.
enum class Plain : int { kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kU16, kI32, kU32, kI64, kBool };

/// y[i] = x[i]: towards zero into integers, NaN as 0, numbers beyond 64 bits as the nearest, then modulo the target's
/// range; into bool whether it is not 0.
struct CastParams {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t count = 0;
  Plain from = Plain::kF32, to = Plain::kF32;
};
cudaError_t cast(const CastParams& params, cudaStream_t stream);

}  // namespace tenon::cuda
