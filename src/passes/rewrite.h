// Rules: small local rewrites, tried at every node of an operator.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "ir/patch.h"
#include "passes/passes.h"

namespace tenon::passes {

/// What a rule returns where it applies.
using Match = std::optional<ir::Patch>;

struct Rule {
  std::string_view op;  ///< operator of the node it is tried at, "*" for any
  Match (*match)(const ir::Graph&, ir::NodeId);
};

/// Tries the rules at every node in topological order, and again at new nodes and their neighbours, until
/// none applies. New nodes are typed, and folded at once where all their operands are constants. A patch that would
/// change the name of a graph output is not applied. Returns the number of patches.
int apply_rules(ir::Graph& graph, PassContext& context, std::span<const Rule> rules);

/// Applies one patch outside a rule list, under the same conventions. False if it was not applied.
bool apply_patch(ir::Graph& graph, PassContext& context, ir::Patch patch, std::vector<ir::NodeId>* added = nullptr);

// What rules ask about a graph.

/// The producer of `v` if it is a live node of operator `op`, else null.
const ir::Node* made_by(const ir::Graph& graph, ir::ValueId v, std::string_view op);
/// True if exactly one operand of one node reads `v`, and the graph does not output it.
bool read_once(const ir::Graph& graph, ir::ValueId v);
/// The element of a constant with one element, or nullopt.
std::optional<double> scalar(const ir::Graph& graph, ir::ValueId v);
/// 16 times the number of elements, at most 2^40, for comparing costs; unknown dimensions count as 16.
int64_t relative_size(const ir::Shape& shape);
/// The number that every element of a floating-point constant is, if there is one and it is finite.
std::optional<double> uniform(const ir::Graph& graph, ir::ValueId v);
bool is_scalar(const ir::Graph& graph, ir::ValueId v, double expected, double tolerance = 1e-6);
/// The integers of a constant or of fully known contents.
std::optional<std::vector<int64_t>> known_ints(const ir::Graph& graph, ir::ValueId v);
const ir::Shape& shape_of(const ir::Graph& graph, ir::ValueId v);
size_t rank_of(const ir::Graph& graph, ir::ValueId v);
/// For a commutative binary node: the other operand if one satisfies `f(value id)`, with that one first.
template <class F>
std::optional<std::pair<ir::ValueId, ir::ValueId>> either(const ir::Node& node, F&& f) {
  if (f(node.inputs[0])) return std::pair{node.inputs[0], node.inputs[1]};
  if (f(node.inputs[1])) return std::pair{node.inputs[1], node.inputs[0]};
  return std::nullopt;
}
/// The shape operand with which Reshape views a tensor of shape `from` as `to`: numbers, 0 for a dimension that stays
/// where it is, -1 for at most one other symbolic one. nullopt if that does not suffice.
std::optional<std::vector<int64_t>> reshape_target(const ir::Shape& from, const ir::Shape& to);
/// A view of `v` with constant dims, as a Reshape node of `patch`.
ir::ValueId reshape_to(ir::Patch& patch, ir::ValueId v, const std::vector<int64_t>& dims);

}  // namespace tenon::passes
