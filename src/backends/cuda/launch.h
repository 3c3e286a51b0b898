// Launching kernels from .cu files, with programmatic dependent launch.
//
// Every kernel of this library calls begin() in all its threads before it reads or writes device memory: from compute
// capability 9.0 its launch may overlap the end of the kernel before it. It may call finish_early() once its remaining
// work no longer fills the GPU.
#pragma once
#include <cuda_runtime.h>

#include <utility>

#include "backends/cuda/kernel_attributes.h"

namespace tenon::cuda {

__device__ __forceinline__ void begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void finish_early() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// The shared memory that a launch asks for, 128-byte aligned.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char memory[];
  return reinterpret_cast<T*>(memory);
}

/// Launches `kernel` in clusters of `cluster` blocks, neighbours along z; 1 for none, more need compute capability 9.0.
/// Returns the launch's error.
template <class... Params, class... Args>
cudaError_t launch_cluster(void (*kernel)(Params...), unsigned cluster, dim3 grid, dim3 block, size_t shared,
                           cudaStream_t stream, Args&&... args) {
  const void* const function = reinterpret_cast<const void*>(kernel);
  if (const cudaError_t code = allow_shared(function, shared); code != cudaSuccess) return code;
  const int64_t threads = int64_t(grid.x) * grid.y * grid.z * block.x * block.y * block.z;
  if (const cudaError_t code = prefer_memory_split(function, threads); code != cudaSuccess) return code;
  cudaLaunchAttribute attributes[2]{};
  unsigned count = 0;
  if (wait_by_themselves({__CUDA_ARCH_LIST__})) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim.x = attributes[count].val.clusterDim.y = 1;
    attributes[count++].val.clusterDim.z = cluster;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = count;
  return cudaLaunchKernelEx(&config, kernel, Params(std::forward<Args>(args))...);
}

/// Launches `kernel` without clusters.
template <class... Params, class... Args>
cudaError_t launch(void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                   Args&&... args) {
  return launch_cluster(kernel, 1, grid, block, shared, stream, std::forward<Args>(args)...);
}

}  // namespace tenon::cuda
