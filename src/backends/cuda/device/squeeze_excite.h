// A factor a channel from the means of all channels: pooling and two small products in one kernel.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Blocks that share an image at most, as a cluster where the device has those.
inline constexpr int kExciteParts = 8;
/// The hidden width of the packed weights, and the channels of a part, are multiples of this.
inline constexpr int kExciteMultiple = 8;

struct SqueezeExciteArgs {
  const void* x;   ///< [batch][positions][channels], positions x_pitch apart
  const void* w1;  ///< [parts][hidden][slice], of x's type, zeros beyond the operands
  const void* w2;  ///< [parts][slice][hidden], the same
  void* y;         ///< [batch][channels]
  int64_t x_pitch;
  int batch, positions, channels;
  int hidden;             ///< a multiple of kExciteMultiple
  int slice;              ///< channels of one part, a multiple of kExciteMultiple
  int parts;              ///< up to kExciteParts; more than 1 needs compute capability 9.0
  Epilogue inner, outer;  ///< biases and activations of the products
};

/// Bytes of shared memory that a launch needs.
int64_t squeeze_excite_shared(const SqueezeExciteArgs& args, Elem type);
cudaError_t squeeze_excite(const SqueezeExciteArgs& args, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
