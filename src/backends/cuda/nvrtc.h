// Kernels compiled from source text at run time by NVRTC, which is loaded when it is first needed.
#pragma once
#include <cuda_runtime_api.h>

#include <memory>
#include <string>
#include <vector>

namespace tenon::cuda {

/// Why source text cannot be compiled for compute capability sm / 10: NVRTC is missing or does not know it. Empty if it
/// can.
std::string nvrtc_refusal(int sm);

/// Machine code for compute capability sm / 10, from memory, from the cache folder, or compiled now. Thread-safe;
/// different sources compile at the same time, the same source once. Throws Error with the compiler's messages.
std::shared_ptr<const std::vector<char>> compile_source(int sm, const std::string& source);

/// A kernel of one parameter block, ready to be launched in any context.
class CompiledKernel {
 public:
  /// `source` defines `extern "C" __global__ void <entry>(Parameters)`, which from compute capability 9.0 waits for the
  /// kernel before it by itself.
  CompiledKernel(int sm, const std::string& source, const char* entry);
  ~CompiledKernel();
  CompiledKernel(const CompiledKernel&) = delete;
  CompiledKernel& operator=(const CompiledKernel&) = delete;
  /// Launches as launch.h does.
  cudaError_t launch(unsigned blocks, unsigned threads, cudaStream_t stream, void* parameters) const;

 private:
  bool waits_;  ///< for the kernel before it
  cudaLibrary_t library_ = nullptr;
  cudaKernel_t kernel_ = nullptr;
};

/// The kernel of `source`, shared by all that ask for it.
std::shared_ptr<const CompiledKernel> compiled_kernel(int sm, const std::string& source, const char* entry);

}  // namespace tenon::cuda
