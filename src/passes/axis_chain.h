// Chains of views and transpositions, as one permutation of the factors of a source's dimensions.
#pragma once
#include <optional>
#include <vector>

#include "ir/patch.h"

namespace tenon::passes {

/// v = view(transpose(view(source))): dimensions of `source` are products of `atoms`, which stand in v as `order` says.
struct AxisChain {
  ir::ValueId source = ir::kNone;
  std::vector<ir::Dim> atoms;                          ///< sizes other than 1, in the order of the source
  std::vector<size_t> order;                           ///< atoms as they stand in v
  std::vector<std::vector<size_t>> source_dims, dims;  ///< atoms of each dimension of the source and of v
  size_t nodes = 0, transposes = 0;                    ///< length of the chain
};

/// Follows `v` up through Reshape, other views and Transpose. nullopt if `v` is made by none of them or its dimensions
/// do not factor.
std::optional<AxisChain> axis_chain(const ir::Graph& graph, ir::ValueId v);

/// Merges atoms that are neighbours both in the source and in v.
void merge_atoms(const ir::Graph& graph, AxisChain& chain);

/// Emits the shortest chain from `source` (of shape `from`, with the chain's atoms) to shape `to`: at most a Reshape, a
/// Transpose and a Reshape. kNone if a target shape cannot be written with numbers.
ir::ValueId emit_chain(ir::Patch& patch, ir::ValueId source, const ir::Shape& from, const AxisChain& merged,
                       const ir::Shape& to);
/// How many nodes that takes, and whether one of them transposes.
size_t emitted_nodes(const ir::Shape& from, const AxisChain& merged, const ir::Shape& to);

}  // namespace tenon::passes
