// Whether the program's CUDA runtime is NVIDIA's, with a GPU, or the stand-in on host memory.
#pragma once
#include <cuda_runtime_api.h>
#include <dlfcn.h>

inline bool gpu_present() {
  int count = 0;
  return dlsym(RTLD_DEFAULT, "tenonNoCudaSubmit") == nullptr && cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}
