#include "passes/pass_list.h"

namespace tenon::passes {

std::span<const Pass> pipeline() {
  static constexpr Pass kPasses[] = {
      // Make small what the importer wrote.
      {"expand_einsum", expand_einsum},
      {"fold_constants", fold_constants},
      {"fold_shapes", fold_shapes},
      // 8-bit operands, while values still have the contents that were calibrated under their names.
      {"quantize", quantize},
      {"simplify", simplify},
      {"common_subexpressions", common_subexpressions},
      {"dead_code", dead_code},
      // What the exporter spelled out, before arithmetic by constants moves its factors.
      {"recognize_normalizations", recognize_normalizations},
      {"recognize_activations", recognize_activations},
      {"algebra", algebra},
      {"fold_weights", fold_weights},
      {"quantize_weights", quantize_weights},
      // Transformers: rows of projections instead of moved heads.
      {"simplify_chains", simplify_chains},
      {"recognize_attention", recognize_attention},
      {"patch_convolutions", patch_convolutions},
      {"simplify_chains", simplify_chains},
      // Layout.
      {"move_transposes", move_transposes},
      {"layout", layout},
      {"simplify", simplify},
      // Fewer passes over memory.
      {"merge_sums", merge_sums},
      {"fuse_epilogue", fuse_epilogue},
      {"merge_siblings", merge_siblings},
      {"precision", precision},
      {"simplify", simplify},
      {"recognize_squeeze_excite", recognize_squeeze_excite},
      {"excite_convolutions", excite_convolutions},
      {"scale_convolutions", scale_convolutions},
      {"fuse_expansions", fuse_expansions},
      {"read_images", read_images},
      {"fuse_pointwise", fuse_pointwise},
      {"dead_code", dead_code},
  };
  return kPasses;
}

}  // namespace tenon::passes
