// How a multiprocessor divides its memory between first-level cache and shared memory.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace tenon::cuda {

/// Threads that a large GPU runs at a time.
inline constexpr int64_t kThreadsAtOnce = 132 * 2048;

/// Before a launch of `threads` threads. A multiprocessor must be idle to divide its memory another way, which takes
/// longer than short kernels do; library kernels want most of it shared, so short kernels do as well. Longer ones,
/// which may live on their cache, leave it to the driver.
inline cudaError_t prefer_memory_split(const void* kernel, int64_t threads) {
  return cudaFuncSetAttribute(
      kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
      threads <= kThreadsAtOnce ? cudaSharedmemCarveoutMaxShared : cudaSharedmemCarveoutDefault);
}

}  // namespace tenon::cuda
