// What programs call that were compiled with CUDA's own headers: the names that those headers and nvcc put in place of
// the ones in the source. Such a program starts and works here until it launches a kernel, which is an error.
#include <cstddef>
#include <cstring>

#include "cuda_runtime.h"
#include "cudart.h"

using tenon::no_cuda::result;

namespace {

/// A run of members: where CUDA 13 has it, and where CUDA 12.
struct Moved {
  size_t from, to, size;
};
#define TENON_MOVED(member, to, count) \
  { offsetof(cudaDeviceProp, member), to, (count) * sizeof(int) }
constexpr Moved kMoved12[] = {
    TENON_MOVED(name, 0, 87),  // up to maxGridSize
    TENON_MOVED(clockRate, 348, 1),
    TENON_MOVED(totalConstMem, 352, 8),  // up to texturePitchAlignment
    TENON_MOVED(deviceOverlap, 384, 1),
    TENON_MOVED(multiProcessorCount, 388, 1),
    TENON_MOVED(kernelExecTimeoutEnabled, 392, 1),
    TENON_MOVED(integrated, 396, 2),
    TENON_MOVED(computeMode, 404, 1),
    TENON_MOVED(concurrentKernels, 576, 8),  // up to unifiedAddressing
    TENON_MOVED(memoryClockRate, 608, 1),
    TENON_MOVED(memoryBusWidth, 612, 4),  // up to maxThreadsPerMultiProcessor
    TENON_MOVED(sharedMemPerMultiprocessor, 640, 2),
    TENON_MOVED(regsPerMultiprocessor, 648, 3),
    TENON_MOVED(pageableMemoryAccess, 672, 2),
    TENON_MOVED(sharedMemPerBlockOptin, 696, 2),
};
#undef TENON_MOVED
constexpr size_t kSize12 = 1032;

int registered;  // its address is the handle of every module

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceProperties_v2(void* properties, int device) {
  if (!properties) return result(cudaErrorInvalidValue);
  cudaDeviceProp now;
  const cudaError_t error = cudaGetDeviceProperties(&now, device);
  if (error != cudaSuccess) return error;
  std::memset(properties, 0, kSize12);
  for (const Moved& part : kMoved12) {
    std::memcpy(static_cast<char*>(properties) + part.to, reinterpret_cast<const char*>(&now) + part.from, part.size);
  }
  return cudaSuccess;
}

// Modules with device code are taken in, and nothing in them runs.
void** __cudaRegisterFatBinary(void*) { return reinterpret_cast<void**>(&registered); }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, void*, void*, dim3*, dim3*, int*) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
void __cudaRegisterManagedVar(void**, void**, char*, const char*, int, size_t, int, int) {}
void __cudaRegisterHostVar(void**, const char*, char*, size_t) {}

// `kernel<<<...>>>` calls the kernel if this answers 0.
unsigned int __cudaPushCallConfiguration(dim3, dim3, size_t, cudaStream_t) {
  return static_cast<unsigned int>(result(cudaErrorNoKernelImageForDevice));
}
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, size_t*, void*) { return result(cudaErrorNoKernelImageForDevice); }

#define TENON_NEEDS_GPU(name, parameters) \
  cudaError_t name parameters { return result(cudaErrorNoKernelImageForDevice); }
TENON_NEEDS_GPU(__cudaGetKernel, (void**, const void*))
TENON_NEEDS_GPU(__cudaLaunchKernel, (void*, dim3, dim3, void**, size_t, cudaStream_t))
TENON_NEEDS_GPU(cudaLaunchKernel, (const void*, dim3, dim3, void**, size_t, cudaStream_t))
TENON_NEEDS_GPU(cudaLaunchKernelExC, (const void*, const void*, void**))
TENON_NEEDS_GPU(cudaLaunchCooperativeKernel, (const void*, dim3, dim3, void**, size_t, cudaStream_t))
TENON_NEEDS_GPU(cudaFuncGetAttributes, (void*, const void*))
TENON_NEEDS_GPU(cudaFuncSetAttribute, (const void*, int, int))
TENON_NEEDS_GPU(cudaFuncSetCacheConfig, (const void*, int))
TENON_NEEDS_GPU(cudaOccupancyMaxActiveBlocksPerMultiprocessor, (int*, const void*, int, size_t))
TENON_NEEDS_GPU(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, (int*, const void*, int, size_t, unsigned int))
TENON_NEEDS_GPU(cudaMemcpyToSymbol, (const void*, const void*, size_t, size_t, cudaMemcpyKind))
TENON_NEEDS_GPU(cudaMemcpyToSymbolAsync, (const void*, const void*, size_t, size_t, cudaMemcpyKind, cudaStream_t))
TENON_NEEDS_GPU(cudaMemcpyFromSymbol, (void*, const void*, size_t, size_t, cudaMemcpyKind))
TENON_NEEDS_GPU(cudaMemcpyFromSymbolAsync, (void*, const void*, size_t, size_t, cudaMemcpyKind, cudaStream_t))
TENON_NEEDS_GPU(cudaGetSymbolAddress, (void**, const void*))
TENON_NEEDS_GPU(cudaLibraryLoadData, (void**, const void*, void*, void**, unsigned int, void*, void**, unsigned int))
TENON_NEEDS_GPU(cudaLibraryGetKernel, (void**, void*, const char*))
TENON_NEEDS_GPU(cudaLibraryUnload, (void*))
TENON_NEEDS_GPU(cudaKernelSetAttributeForDevice, (void*, int, int, int))
TENON_NEEDS_GPU(cudaGetDriverEntryPoint, (const char*, void**, unsigned long long, int*))
TENON_NEEDS_GPU(cudaGetDriverEntryPointByVersion, (const char*, void**, unsigned int, unsigned long long, int*))
TENON_NEEDS_GPU(cudaGetSymbolSize, (size_t*, const void*))
#undef TENON_NEEDS_GPU

}  // extern "C"
