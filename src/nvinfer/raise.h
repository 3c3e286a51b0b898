// Core nodes, which a parser made, as layers.
#pragma once
#include <memory>
#include <string_view>

#include "nvinfer/layer.h"

namespace tenon::nvinfer {

/// True if a constant at this input of a parser's node is a tensor, which a constant layer gives, rather than the
/// layer's own weights or parameters.
bool reads_tensor(const ir::Node& node, size_t input);

/// Whether a dialect node that a parser's node became has a layer type at this level, and its numbers enumerators.
bool has_layer_type(const ir::Node& node);

/// The layer of a parser's node: of the type that means the same, else a plugin layer whose metadata names the
/// operator.
std::unique_ptr<Layer> raise(Network& network, ir::NodeId node);

}  // namespace tenon::nvinfer
