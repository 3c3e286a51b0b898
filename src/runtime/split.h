// Where shapes depend on data: what can be computed before they are known, and what is left then.
#pragma once
#include <vector>

#include "runtime/concretize.h"

namespace tenon::runtime {

/// Values of the nodes whose shapes are known from the inputs, as far as other nodes or the graph's outputs read them.
/// Empty if there are no such nodes.
std::vector<ir::ValueId> known_values(const ConcreteGraph& concrete);

struct Rest {
  std::vector<ir::NodeId> order;  ///< nodes that have to run, in order
  std::vector<bool> reads_input;  ///< by input of the graph
};
/// What has to run once `known` values are there.
Rest rest_of(const ConcreteGraph& concrete, const std::vector<ir::ValueId>& known);

}  // namespace tenon::runtime
