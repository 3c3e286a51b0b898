// Kernels that let concatenations and splits be done in place.
#pragma once
#include <span>
#include <vector>

#include "select/select.h"

namespace tenon::select {

/// A concatenation or split along the last axis costs nothing where the kernels around it take rows with a pitch: takes
/// such kernels for them where that costs less than the copy. `reports[i]` is of `nodes[i]`, `choices` of every node.
void prefer_in_place(const ir::Graph& graph, const Backend& backend, std::span<const ir::NodeId> nodes,
                     std::span<NodeReport> reports, std::vector<plan::Choice>& choices);

}  // namespace tenon::select
