// Core nodes, which a parser made, as several layers of the TensorRT dialect; raise.h has those that are one.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "ops/trt/lower.h"

namespace tenon::ops::trt {

/// Whether there is a rule that makes several layers of this operator.
bool is_expanded(std::string_view op);

/// The dialect operators that a core node is together, in order; empty if it has no such rule, or if its layers would
/// not give outputs of the same types.
std::vector<std::string_view> layers_of(const ir::Graph& graph, ir::NodeId node);

/// Replaces a core node by the layers that layers_of() tells; gives their nodes, in that order. The first takes the
/// node's name, the others that with a number. Outputs become other values with the names of the old ones.
/// Core nodes that compute a layer's parameters may stand between them.
std::vector<ir::NodeId> expand_node(ir::Graph& graph, ir::NodeId node);

/// Attributes of the scale layer that a BatchNormalization with constant parameters is; none for any other node.
std::optional<ir::Attrs> scale_of(const ir::Graph& graph, const ir::Node& node);

}  // namespace tenon::ops::trt
