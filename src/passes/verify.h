#pragma once
#include "ir/graph.h"

namespace tenon::passes {

/// ir::verify, and that every operator is known and has as many operands as it accepts. Throws kInternal or
/// kUnsupported naming the node.
void verify(const ir::Graph& graph);

}  // namespace tenon::passes
