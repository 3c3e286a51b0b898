// Nodes that convert a value to another type.
#pragma once
#include <string>

#include "ir/graph.h"

namespace tenon::nvinfer {

/// Appends a node of `op` (Cast, QuantizeLinear, DequantizeLinear) that makes `v` a `type`, its own type inferred; with
/// a scale above 0 as second input.
ir::ValueId add_conversion(ir::Graph& graph, ir::ValueId v, const char* op, ir::DType type, const std::string& name,
                           float scale);

}  // namespace tenon::nvinfer
