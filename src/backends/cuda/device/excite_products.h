// The products of squeeze and excitation from sums of positions that a kernel before left in parts.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

struct ExciteProductsArgs {
  const float* sums;  ///< [batch][parts][channels]
  const void* w1;     ///< [hidden][channels], 16-byte aligned
  const void* w2;     ///< [channels][hidden], the same
  void* y;            ///< [batch][channels]
  int batch, parts, positions;
  int channels;           ///< a multiple of 8
  int hidden;             ///< a multiple of 8, rows and columns of zeros beyond the operands
  int blocks;             ///< that share the channels of an image
  Epilogue inner, outer;  ///< biases and activations of the products
};

/// For 16-bit types. Blocks take up to `most` bytes of shared memory.
cudaError_t excite_products(const ExciteProductsArgs& args, Elem type, int64_t most, cudaStream_t stream);

/// sums[image][part][channel] of x [batch][positions][channels], whose positions lie x_pitch apart and are shared out
/// over the parts.
cudaError_t sum_positions(const void* x, int64_t x_pitch, const ExciteProductsArgs& args, float* sums, Elem type,
                          cudaStream_t stream);

}  // namespace tenon::cuda
