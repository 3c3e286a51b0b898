// Functions of the driver that the runtime has no counterpart of.
#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>

namespace tenon::cuda {

/// The driver's function of type Fn, or null where it has none of that name.
template <class Fn>
Fn* driver_function(const char* name) {
  constexpr unsigned kCuda12 = 12000;
  void* fn = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t code = cudaGetDriverEntryPointByVersion(name, &fn, kCuda12, cudaEnableDefault, &found);
  return code == cudaSuccess && found == cudaDriverEntryPointSuccess ? reinterpret_cast<Fn*>(fn) : nullptr;
}

}  // namespace tenon::cuda
