// What shape inference knows: integers that are numbers become constants, Reshape takes its target as numbers where
// 0 (as in the input) and one -1 (the rest) suffice. The subgraphs that computed them are then dead.
#include "ops/op.h"
#include "ops/shape/reshape.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

std::optional<ir::Tensor> known_tensor(const ir::Value& v) {
  if (v.constant || !v.ranked || !v.contents || !ir::is_static(*v.contents) || !ir::is_static(v.shape))
    return std::nullopt;
  if (!ir::is_integer(v.dtype) && v.dtype != ir::DType::kBool) return std::nullopt;
  ir::Tensor t(v.dtype, ir::static_dims(v.shape));
  if (t.count() != int64_t(v.contents->size())) return std::nullopt;
  for (int64_t i = 0; i < t.count(); ++i) t.set_int(i, (*v.contents)[size_t(i)].constant());
  return t;
}

Match constant_target(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::ValueId y = node.outputs[0];
  if (node.inputs.size() < 2 || g.constant(node.inputs[1]) || !g.value(y).ranked) return std::nullopt;
  const auto target = reshape_target(shape_of(g, node.inputs[0]), shape_of(g, y));
  if (!target) return std::nullopt;
  ir::Patch p(g, "the target shape needs no computation");
  p.replace(y, reshape_to(p, node.inputs[0], *target));
  return p;
}

constexpr Rule kRules[] = {{"Reshape", constant_target}};

}  // namespace

int fold_shapes(ir::Graph& graph, PassContext& context) {
  int count = 0;
  for (ir::NodeId n : graph.topological_order()) {
    const std::vector<ir::ValueId> outputs = graph.node(n).outputs;
    for (ir::ValueId v : outputs) {
      if (v == ir::kNone || graph.users(v).empty() || graph.is_output(v)) continue;
      auto t = known_tensor(graph.value(v));
      if (!t) continue;
      context.note(graph.node(n), "its elements are known from shapes");
      graph.replace_uses(v, graph.add_constant(std::move(*t), graph.unique_name(graph.value(v).name + ".known")));
      ir::erase_unread(graph, v);
      ++count;
    }
  }
  return count + apply_rules(graph, context, kRules);
}

}  // namespace tenon::passes
