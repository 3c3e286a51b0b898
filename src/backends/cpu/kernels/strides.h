// Walking operands of different strides together, and cost estimates that kernels share.
#pragma once
#include <vector>

#include "backends/kernel.h"

namespace tenon::cpu {

/// Element strides of an operand as it stands (rows of the last axis `pitch` apart).
ir::Dims element_strides(const TensorDesc& desc);
/// The same against the dims of a result that it broadcasts to; 0 along repeated axes.
ir::Dims broadcast_strides(const TensorDesc& desc, const ir::Dims& dims);
/// Drops axes of size 1 and merges neighbours that every operand walks as one. `strides[k]` belongs to operand k.
void collapse(ir::Dims& dims, std::vector<ir::Dims>& strides);
/// Estimated time of a loop that moves `bytes` and computes for `ns` nanoseconds on one core.
double streaming_us(double bytes, double ns, int threads);
/// Tasks for `ns` nanoseconds of work that falls into `pieces` equal pieces.
int64_t task_count(double ns, int64_t pieces, int threads);

}  // namespace tenon::cpu
