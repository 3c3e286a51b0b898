// Names that ONNX nodes define and read, and an order in which every name is defined before it is read.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "onnx/model.h"

namespace tenon::importer {

/// 'node 3 "conv1" (Conv)', with the domain where it is not ONNX's own.
std::string describe(const onnx::Node& node, size_t index);

/// Names that the node reads: its inputs, and what its body graphs take from outside. "" is left out.
std::vector<std::string> reads_of(const onnx::Node& node);

/// Indices of `nodes` so that each comes after those whose outputs it reads; nodes that need not move keep their order.
/// Throws kInvalidModel when two nodes define one name (both are named) or nodes form a cycle (its nodes are named).
std::vector<size_t> node_order(const std::vector<onnx::Node>& nodes);

}  // namespace tenon::importer
