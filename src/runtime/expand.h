// Fused operators that one kind of device has no kernels for, taken apart again.
#pragma once
#include "ir/graph.h"

namespace tenon::runtime {

/// Replaces SqueezeExcite, ConvExcite, ScaledConv of f16 and convolutions that read channels first but write them last,
/// which the passes make for GPUs, by the operators that they stand for. Types and shapes are inferred again. Returns
/// the number of nodes replaced.
int expand_for_host(ir::Graph& graph);
/// The same for ExpandDepthwise, which the passes make for processors.
int expand_for_device(ir::Graph& graph);

}  // namespace tenon::runtime
