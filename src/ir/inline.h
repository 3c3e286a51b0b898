// Copies a closed graph into another one.
#pragma once
#include <span>
#include <vector>

#include "ir/graph.h"

namespace tenon::ir {

/// Adds copies of `body`'s nodes and constants to `into`, with `args` in place of its inputs, and returns the values in
/// place of its outputs. Types are copied, names made unique, `prefix` put in front of node names. Both graphs have the
/// same symbol table. Throws kInternal if the number of arguments differs.
std::vector<ValueId> inline_graph(Graph& into, const Graph& body, std::span<const ValueId> args,
                                  std::string_view prefix = {});

}  // namespace tenon::ir
