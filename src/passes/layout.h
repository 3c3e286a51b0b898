// Which operators can work on channels-last tensors, and how they are changed to do so.
#pragma once
#include <vector>

#include "ir/graph.h"

namespace tenon::passes {

/// Permutation to channels-last: [0, 2, …, rank - 1, 1], and back.
std::vector<int64_t> to_channels_last(size_t rank);
std::vector<int64_t> to_channels_first(size_t rank);

/// How a node relates to the layout of its operands.
enum class LayoutRole {
  kFixed,       ///< its operands and results are as the model wrote them
  kPrefers,     ///< must be made channels-last (convolutions)
  kFollows,     ///< works in either layout, the same for all operands and results
  kTransposes,  ///< a Transpose: operand and result choose on their own
  kEnds,        ///< takes either layout; the result has none (pooled to [N, C])
};
LayoutRole layout_role(const ir::Graph& graph, const ir::Node& node);

/// True if operand or result `v` of a node with a role other than kFixed has a layout, i.e. the role's rank.
bool has_layout(const ir::Graph& graph, const ir::Node& node, ir::ValueId v);

/// Changes attributes and constant operands of a kPrefers, kFollows or kEnds node to channels-last. The operands that
/// have a layout are replaced by the caller.
void make_channels_last(ir::Graph& graph, ir::NodeId n);

}  // namespace tenon::passes
