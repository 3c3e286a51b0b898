// Core nodes, which a parser made, as layers.
#pragma once
#include <memory>

#include "nvinfer/layer.h"

namespace tenon::nvinfer {

/// The layer of a core node: by the type that fits its operator, else as a plugin layer whose metadata names the
/// operator.
std::unique_ptr<Layer> raise(Network& network, ir::NodeId node);

}  // namespace tenon::nvinfer
