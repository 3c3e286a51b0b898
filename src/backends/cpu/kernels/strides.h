// Strides of operands, and cost estimates that kernels share.
#pragma once
#include "backends/strides.h"

namespace tenon::cpu {

/// Estimated time of a loop that moves `bytes` and computes for `ns` nanoseconds on one core.
double streaming_us(double bytes, double ns, int threads);
/// Tasks for `ns` nanoseconds of work that falls into `pieces` equal pieces.
int64_t task_count(double ns, int64_t pieces, int threads);

}  // namespace tenon::cpu
