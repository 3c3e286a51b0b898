// Tensors with their channels last or in groups, from and to row-major.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace tenon::cuda {

/// [outer, channels, inner]; `vector` divides 32. Packed, `padded` channels, a multiple of `vector`, lie last or in
/// groups of `vector`.
struct RepackParams {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t outer = 1, channels = 1, inner = 1, padded = 1;
  int vector = 1;
  bool channels_last = false;
};
/// Row-major x to packed y; channels beyond the last are 0. Elements of `bytes` bytes: 1, 2, 4, 8.
cudaError_t pack(const RepackParams& params, int bytes, cudaStream_t stream);
/// Packed x to row-major y.
cudaError_t unpack(const RepackParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
