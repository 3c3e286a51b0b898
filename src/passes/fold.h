// Evaluation of nodes whose operands are constants.
#pragma once
#include "passes/passes.h"

namespace tenon::passes {

/// Evaluates node `n` and lets its readers take constants instead. False, and nothing changed, if an operand is not
/// constant, the node is random or control flow, an output of the graph is among its outputs, or an output would
/// exceed `limit` bytes beyond its operands' bytes. The node must be typed. Floating-point and quantized results are
/// recorded in the graph's metadata as "fold:<value>" with the printed node, from which they can be computed again.
bool fold_node(ir::Graph& graph, ir::NodeId n, int64_t limit);

/// Records a constant that a pass made, so that recipes of what is folded from it are complete.
void record_constant(ir::Graph& graph, ir::ValueId v);
/// Drops records that no constant of the graph depends on.
void prune_recipes(ir::Graph& graph);

/// Fast evaluation of what folding meets with large tensors: views, permutations, concatenations, broadcasts, choices,
/// f32 arithmetic, conversion from f32. nullopt for anything else. `dims` and `dtype` are those of the output.
std::optional<ir::Tensor> eval_large(const ir::Node& node, const std::vector<ir::Tensor>& inputs, ir::DType dtype,
                                     const ir::Dims& dims);

}  // namespace tenon::passes
