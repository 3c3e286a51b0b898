// What kernels with a depthwise convolution share: packed weights and tiles.
#pragma once
#include <memory>
#include <string>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/conv_depthwise.h"
#include "backends/cuda/dtype.h"
#include "backends/cuda/kernels/conv_shape.h"

namespace tenon::cuda {

/// Operands of a depthwise convolution, all but addresses that change and the epilogue. `weights` keeps input 1 packed.
DepthwiseArgs depthwise_args(const Problem& p, const ConvShape& s, Elem type, std::shared_ptr<const void>& weights);
/// Why kernels do not have this shape, or an empty string.
std::string refuse_depthwise(const ConvShape& s);

/// Tiles of up to `rows` rows in `strips`. `any` says that depthwise_any() is true.
DepthwiseTiling depthwise_tiling(const ConvShape& s, bool any, int rows, int strips);
/// Why conv_depthwise_tiled() with depthwise_tiling(s, any, rows, strips) does not do `p`, or an empty string.
std::string refuse_depthwise_tiled(const Problem& p, const ConvShape& s, bool any, int rows, int strips);
cudaError_t run_depthwise_tiled(const DepthwiseArgs& a, Elem type, const ConvShape& s, const DepthwiseTiling& tiling,
                                cudaStream_t stream);

}  // namespace tenon::cuda
