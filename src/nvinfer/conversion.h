// Nodes that convert a value to another type.
#pragma once
#include <string>

#include "ir/graph.h"

namespace tenon::nvinfer {

/// Appends a node of `op` (Cast, QuantizeLinear, DequantizeLinear) that makes `v` a `type`, its own type inferred; with
/// a scale above 0 as second input.
ir::ValueId add_conversion(ir::Graph& graph, ir::ValueId v, const char* op, ir::DType type, const std::string& name,
                           float scale);

/// Throws kUnsupported if the interface of this level has no name for the type of an input or output.
void require_named(const std::string& tensor, ir::DType type);

/// The type that a tensor of `type` shows: f32 for f64, and where i64 has no name, or with `narrow`, i32, as in
/// TensorRT up to 8; others their own.
ir::DType shown_type(ir::DType type, bool narrow);

/// Puts casts beside inputs and outputs whose type has no name, so that users give and get what shown_type() tells.
/// Throws kUnsupported as require_named() does.
void cast_ends(ir::Graph& graph, bool narrow);

}  // namespace tenon::nvinfer
