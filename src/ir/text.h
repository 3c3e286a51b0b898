// Graphs as text: what `tenon dump` and golden tests show.
//
//   graph "net" {
//     %x: f32[batch, 3, 8, 8] = input
//     %w: f32[4, 3, 3, 3] = random(7)
//     %b: f32[4] = {0, 0.5, 1, 2}
//     %y: f32[batch, 4, 8, 8] = Conv(%x, %w, %b) {pads = [1, 1, 1, 1]} "conv1" from "conv1 + bn1"
//     return %y
//   }
//
// Nodes stand in topological order. Dimensions are written as SymbolTable::text writes them. Attributes at their
// default are left out. `_` is an absent operand. Names that are not plain words are quoted: %"a b".
// A constant without dimensions is a scalar. Constants are listed when small, else `hash(0x…)` names their content.
// Further forms, for tests: `fill(v)` repeats a number, `random(seed)` draws from [-1, 1), `random(seed, low, high)`
// from [low, high).
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace tenon::ir {

struct PrintOptions {
  int64_t max_listed = 64;  ///< constants of at most this many elements are listed
  bool names = true;        ///< node names and origins
};

std::string print(const Graph& graph, const PrintOptions& options = {});
/// One node as a line without the line break.
std::string print_node(const Graph& graph, NodeId node, const PrintOptions& options = {});
/// A constant's line.
std::string print_constant(const Graph& graph, ValueId value, const PrintOptions& options = {});
/// The value names that a line refers to with %, the defined one included, in order.
std::vector<std::string> referenced_names(std::string_view line);
std::string print_type(const Graph& graph, const Value& value);

struct ParseOptions {
  /// Attribute schema of an operator; null for an unknown one, which is then an error.
  std::function<const AttrSchema*(std::string_view op)> schema;
  /// The constant with a content hash; without it `hash(…)` is an error.
  std::function<Tensor(uint64_t hash, DType dtype, const Dims& dims)> constant;
};

/// Parses the form that print() writes. Types of node outputs may be left out; they are then not known until
/// inference runs. Throws kInvalidModel with line and column. Bodies nest at most 32 deep.
Graph parse(std::string_view text, const ParseOptions& options);

}  // namespace tenon::ir
