// A product by a factor a channel joins the convolution without a window that alone reads it.
#include <algorithm>

#include "ops/fused/pointwise.h"
#include "ops/fused/pointwise_program.h"
#include "ops/fused/scaled_conv.h"
#include "ops/nn/conv.h"
#include "passes/channels.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

/// The operands x and scale of a product that `v` is, x having v's shape and scale one number a channel and image.
std::optional<std::pair<ir::ValueId, ir::ValueId>> scaled(const ir::Graph& g, ir::ValueId v) {
  const ir::Node* n = g.producer(v);
  const auto e = n && read_once(g, v) ? elementwise(g, *n) : std::nullopt;
  if (!e || e->operands.size() != 2 || e->program.instrs.size() != 1 || e->program.results.size() != 1 ||
      e->program.instrs[0].fn != ops::PointwiseFn::kMul || e->program.results[0].kind != ops::PointwiseArg::Kind::kTemp)
    return std::nullopt;
  for (const ops::PointwiseArg& a : e->program.instrs[0].args)
    if (a.kind != ops::PointwiseArg::Kind::kInput) return std::nullopt;
  ir::Shape factors = shape_of(g, v);
  std::fill(factors.begin() + 1, factors.end() - 1, ir::Dim(1));
  for (size_t k : {0u, 1u}) {
    const ir::ValueId x = e->operands[k], scale = e->operands[1 - k];
    if (shape_of(g, x) == shape_of(g, v) && shape_of(g, scale) == factors && x != scale) return std::pair{x, scale};
  }
  return std::nullopt;
}

ir::Patch scale_conv(const ir::Graph& g, const ir::Node& node, ir::ValueId x, ir::ValueId scale) {
  ir::Patch p(g, "multiplies its input by factors of channels");
  std::vector<ir::ValueId> inputs{x, node.inputs[1], node.inputs.size() > 2 ? node.inputs[2] : ir::kNone, scale};
  if (node.inputs.size() > 3) inputs.insert(inputs.end(), node.inputs.begin() + 3, node.inputs.end());
  p.replace(node.outputs[0],
            p.node("ScaledConv", inputs, ops::ScaledConvAttrs{node.attrs.as<ops::ConvAttrs>().epilogue}));
  return p;
}

}  // namespace

int scale_convolutions(ir::Graph& graph, PassContext& context) {
  const int64_t most = context.options().scaled_channels;
  const std::vector<ir::DType>& types = context.options().scaled_types;
  const auto takes = [&](ir::DType t) { return std::find(types.begin(), types.end(), t) != types.end(); };
  if (most == 0) return 0;
  int count = 0;
  for (ir::NodeId n : graph.topological_order()) {
    const ir::Node& node = graph.node(n);
    if (!node.alive || node.op != "Conv" || !is_product_of_pixels(graph, node)) continue;
    const ir::Shape& shape = shape_of(graph, node.inputs[0]);
    const auto found = shape.size() >= 3 ? scaled(graph, node.inputs[0]) : std::nullopt;
    if (!found || !shape.back().is_const() || shape.back().constant() > most || shape.back().constant() % 8 != 0 ||
        graph.constant(node.inputs[1])->dims()[0] % 8 != 0)
      continue;
    const ir::DType type = graph.value(found->first).dtype, factor = graph.value(found->second).dtype;
    if (!takes(type) || (factor != type && !(factor == ir::DType::kF32 && takes(factor))) ||
        graph.value(node.inputs[0]).dtype != type || graph.value(node.outputs[0]).dtype != type)
      continue;
    count += apply_patch(graph, context, scale_conv(graph, node, found->first, found->second));
  }
  return count;
}

}  // namespace tenon::passes
