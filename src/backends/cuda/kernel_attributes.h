// What the driver is told of a kernel before it is launched.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <initializer_list>

namespace tenon::cuda {

/// Threads that a large GPU runs at a time.
inline constexpr int64_t kThreadsAtOnce = 132 * 2048;

/// Before a launch of `threads` threads. A multiprocessor must be idle to divide its memory between cache and shared
/// memory another way, which takes longer than short kernels do; library kernels want most of it shared, so short
/// kernels do as well. Longer ones, which may live on their cache, leave it to the driver.
inline cudaError_t prefer_memory_split(const void* kernel, int64_t threads) {
  return cudaFuncSetAttribute(
      kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
      threads <= kThreadsAtOnce ? cudaSharedmemCarveoutMaxShared : cudaSharedmemCarveoutDefault);
}

/// Before a launch with `bytes` of dynamic shared memory on the current device. What a kernel was allowed before stays
/// allowed: another thread may be about to launch it with more.
cudaError_t allow_shared(const void* kernel, size_t bytes);

/// Whether kernels that are compiled for `architectures`, as __CUDA_ARCH_LIST__ has them, wait by themselves for the
/// kernel before them on the current device, so that their launches may overlap its end.
bool wait_by_themselves(std::initializer_list<int> architectures);

/// The first compute capability, times ten, that launches may overlap on.
inline constexpr int kFirstOverlap = 90;

}  // namespace tenon::cuda
