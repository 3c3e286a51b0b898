// Structural rules of a graph that hold before and after every pass. Rules that need operators are in passes/verify.h.
#pragma once
#include "ir/graph.h"

namespace tenon::ir {

/// Checks links, acyclicity, that every read value is an input, a constant or an output of a live node, that inputs
/// have no producer, that every constant has the type of its value, and, with `typed`, that every value that is read
/// has an element type and a rank (kUnsupported if not). Bodies of control flow are checked too. Throws kInternal
/// naming the node or value.
void verify(const Graph& graph, bool typed);

}  // namespace tenon::ir
