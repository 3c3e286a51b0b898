// The graph of a plan at concrete input sizes.
#pragma once
#include <map>
#include <vector>

#include "ir/graph.h"

namespace tenon::runtime {

struct ConcreteGraph {
  ir::Graph graph;
  std::vector<ir::NodeId> order;  ///< nodes that have to run, in order: constant and unread ones are left out
  bool fully_static = true;       ///< false if a shape depends on element values known only while running
};

/// Copies `source` with each input's dims set, infers every shape, and evaluates what became constant. `values` gives
/// elements of inputs that shapes depend on, where known. Throws kShapeMismatch naming the node where shapes disagree.
ConcreteGraph concretize(const ir::Graph& source, const std::vector<ir::Dims>& input_dims,
                         const std::map<ir::ValueId, ir::Tensor>& values = {});

/// Whether the node's value can be computed once its inputs are constants: pure, small, with a reference.
bool foldable(const ir::Graph& graph, ir::NodeId node);

}  // namespace tenon::runtime
