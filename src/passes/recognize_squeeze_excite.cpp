// Global average pooling and two convolutions of its single pixel become SqueezeExcite.
#include "ops/fused/pointwise_program.h"
#include "ops/fused/squeeze_excite.h"
#include "ops/nn/conv.h"
#include "ops/nn/pool.h"
#include "passes/channels.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

/// A product with a constant bias and no operands in its epilogue.
bool is_product(const ir::Graph& g, const ir::Node& node) {
  if (node.op != "Conv" || node.inputs.size() != 3 || node.inputs[2] == ir::kNone) return false;
  const auto& a = node.attrs.as<ops::ConvAttrs>();
  return is_product_of_pixels(g, node) && g.constant(node.inputs[2]) &&
         (a.epilogue.empty() || ops::parse_pointwise(a.epilogue).input_count <= 1);
}

bool is_mean(const ir::Node& node) {
  const auto& a = node.attrs.as<ops::PoolAttrs>();
  return a.kind == ops::PoolKind::kAverage && a.kernel.empty() && a.channels_last && node.outputs.size() == 1;
}

Match recognize(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& second = g.node(n);
  if (!is_product(g, second) || !read_once(g, second.inputs[0])) return std::nullopt;
  const ir::Node* first = made_by(g, second.inputs[0], "Conv");
  if (!first || !is_product(g, *first) || !read_once(g, first->inputs[0])) return std::nullopt;
  const ir::Node* pool = made_by(g, first->inputs[0], "Pool");
  if (!pool || !is_mean(*pool)) return std::nullopt;
  const ir::ValueId x = pool->inputs[0], y = second.outputs[0];
  const ir::Shape& dims = shape_of(g, x);
  if (dims.size() < 3 || dims.back() != shape_of(g, y).back()) return std::nullopt;
  for (ir::ValueId v : {pool->outputs[0], first->outputs[0], y})
    if (g.value(v).dtype != g.value(x).dtype) return std::nullopt;
  ir::Patch p(g, "computes factors of channels");
  ops::SqueezeExciteAttrs attrs{first->attrs.as<ops::ConvAttrs>().epilogue, second.attrs.as<ops::ConvAttrs>().epilogue};
  p.replace(
      y, p.node("SqueezeExcite", {x, first->inputs[1], first->inputs[2], second.inputs[1], second.inputs[2]}, attrs));
  return p;
}

}  // namespace

int recognize_squeeze_excite(ir::Graph& graph, PassContext& context) {
  if (!context.options().squeeze_excite) return 0;
  static constexpr Rule kRules[] = {{"Conv", recognize}};
  return apply_rules(graph, context, kRules);
}

}  // namespace tenon::passes
