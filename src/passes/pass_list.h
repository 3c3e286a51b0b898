// Declarations of every pass; pipeline.cpp says when each runs.
#pragma once
#include "ir/patch.h"
#include "passes/passes.h"

namespace tenon::passes {

int expand_einsum(ir::Graph& graph, PassContext& context);
int simplify(ir::Graph& graph, PassContext& context);
int fold_shapes(ir::Graph& graph, PassContext& context);
int algebra(ir::Graph& graph, PassContext& context);
int fold_weights(ir::Graph& graph, PassContext& context);
int fuse_epilogue(ir::Graph& graph, PassContext& context);
int fuse_pointwise(ir::Graph& graph, PassContext& context);
int recognize_activations(ir::Graph& graph, PassContext& context);
int quantize(ir::Graph& graph, PassContext& context);
int quantize_weights(ir::Graph& graph, PassContext& context);
int precision(ir::Graph& graph, PassContext& context);
int recognize_normalizations(ir::Graph& graph, PassContext& context);
int recognize_attention(ir::Graph& graph, PassContext& context);
int recognize_squeeze_excite(ir::Graph& graph, PassContext& context);
int excite_convolutions(ir::Graph& graph, PassContext& context);
int scale_convolutions(ir::Graph& graph, PassContext& context);
int patch_convolutions(ir::Graph& graph, PassContext& context);
int simplify_chains(ir::Graph& graph, PassContext& context);
int merge_siblings(ir::Graph& graph, PassContext& context);
int fuse_expansions(ir::Graph& graph, PassContext& context);
int merge_sums(ir::Graph& graph, PassContext& context);
int move_transposes(ir::Graph& graph, PassContext& context);
int layout(ir::Graph& graph, PassContext& context);
int read_images(ir::Graph& graph, PassContext& context);
int fold_constants(ir::Graph& graph, PassContext& context);
int dead_code(ir::Graph& graph, PassContext& context);
int common_subexpressions(ir::Graph& graph, PassContext& context);

}  // namespace tenon::passes
