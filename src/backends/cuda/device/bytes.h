// Elements that are moved and not computed with are told apart by size alone.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace tenon::cuda {

/// Calls `fn` with a value of `bytes` bytes, which are 1, 2, 4, 8 or 16.
template <class Fn>
cudaError_t with_bytes(int bytes, const Fn& fn) {
  switch (bytes) {
    case 1:
      return fn(uint8_t());
    case 2:
      return fn(uint16_t());
    case 4:
      return fn(uint32_t());
    case 8:
      return fn(uint2());
    case 16:
      return fn(uint4());
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace tenon::cuda
