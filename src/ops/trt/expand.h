// Core nodes, which a parser made, as several layers of the TensorRT dialect; raise.h has those that are one. Rules
// stand in expand_*.cpp.
#pragma once
#include <functional>
#include <optional>
#include <string_view>

#include "ops/trt/fold.h"

namespace tenon::ops::trt {

/// Which layers there are.
struct LayerSet {
  int level = 11;  ///< the release that is answered as
  /// Whether a dialect node has a layer type that knows its settings; all have if it is empty.
  std::function<bool(const ir::Node&)> has = {};
};

/// Whether there is a rule that makes several layers of this operator.
bool is_expanded(std::string_view op);

/// Replaces a core node by several layers; none, and nothing changed, if it has no rule, its layers are not all there
/// or would not give outputs of the same types. The first layer takes the node's name, the others that with a number;
/// nodes of bodies keep theirs. Outputs become other values with the names of the old ones. `regions` are the numbers
/// of loops and conditionals that are taken.
std::optional<Expanded> expand_node(ir::Graph& graph, ir::NodeId node, const LayerSet& there, int64_t& regions);

/// Attributes of the scale layer that a BatchNormalization with constant parameters is; none for any other node.
std::optional<ir::Attrs> scale_of(const ir::Graph& graph, const ir::Node& node);

}  // namespace tenon::ops::trt
