// The device code that the plugins of these programs share, and what they saw when they were run.
#pragma once
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

/// What enqueue was given. Counted over all plugins of the program.
struct Seen {
  int runs = 0;
  int host_pointers = 0;  ///< operands that are no device memory
  cudaStream_t stream = nullptr;
};
inline Seen& seen() {
  static Seen all;
  return all;
}

inline bool is_device(void const* memory) {
  cudaPointerAttributes attributes{};
  return cudaPointerGetAttributes(&attributes, memory) == cudaSuccess && attributes.type == cudaMemoryTypeDevice;
}
inline void look(void const* in, void const* out, void const* workspace, cudaStream_t stream) {
  ++seen().runs;
  seen().stream = stream;
  seen().host_pointers += !is_device(in) + !is_device(out) + (workspace && !is_device(workspace));
}

template <class T>
__global__ void leaky_kernel(T const* x, T* y, int64_t count, float slope) {
  int64_t const i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) {
    float const v = static_cast<float>(x[i]);
    y[i] = static_cast<T>(v > 0.0F ? v : slope * v);
  }
}

/// y = x > 0 ? x : slope * x, by way of the workspace if there is one. 0 if both kernels could be launched.
template <class T>
int32_t leaky(void const* x, void* y, void* workspace, int64_t count, float slope, cudaStream_t stream) {
  look(x, y, workspace, stream);
  unsigned const blocks = static_cast<unsigned>((count + 127) / 128);
  T* first = static_cast<T*>(workspace ? workspace : y);
  leaky_kernel<T><<<blocks, 128, 0, stream>>>(static_cast<T const*>(x), first, count, slope);
  if (workspace) {
    leaky_kernel<T><<<blocks, 128, 0, stream>>>(first, static_cast<T*>(y), count, 1.0F);
  }
  return cudaGetLastError() == cudaSuccess ? 0 : 1;
}

inline double leaky_value(double x, double slope) { return x > 0 ? x : slope * x; }
