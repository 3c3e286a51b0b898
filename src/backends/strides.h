// Walking operands of different strides together: what kernels of every device share.
#pragma once
#include <vector>

#include "backends/kernel.h"

namespace tenon {

/// Element strides of an operand as it stands (rows of the last axis `pitch` apart).
ir::Dims element_strides(const TensorDesc& desc);
/// The same against the dims of a result that it broadcasts to; 0 along repeated axes.
ir::Dims broadcast_strides(const TensorDesc& desc, const ir::Dims& dims);
/// Drops axes of size 1 and merges neighbours that every operand walks as one. `strides[k]` belongs to operand k.
void collapse(ir::Dims& dims, std::vector<ir::Dims>& strides);

/// dims split at an axis, which may count from the back: outer x size x inner.
struct AxisSplit {
  int64_t outer = 1, size = 1, inner = 1;
};
AxisSplit split_at(const ir::Dims& dims, int64_t axis);

}  // namespace tenon
