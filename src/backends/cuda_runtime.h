// Which CUDA runtime the process works with.
#pragma once
#include <string>

namespace tenon {

/// Whether the process has loaded the stand-in for the CUDA runtime, which hands out host memory: there is no GPU then.
bool host_runtime_loaded();
/// Whether the process has loaded NVIDIA's CUDA runtime as a shared library, and there is a GPU for it. What was linked
/// statically does not show.
bool cuda_runtime_in_process();
/// Why default_backend() is the processor although there is a GPU that nobody has ruled out; else empty.
std::string unused_gpu();

}  // namespace tenon
