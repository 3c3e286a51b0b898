// The sum of two convolutions without windows is one convolution of both operands' channels: what a residual block
// with a projection ends with. The channels stand beside each other from the start where their makers write them so.
#include <algorithm>

#include "ops/nn/conv.h"
#include "ops/shape/axis_attrs.h"
#include "passes/channels.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

/// Whether the operand can be written, and read by its other readers, as part of a wider tensor.
bool may_stand_beside(const ir::Graph& g, ir::ValueId v) {
  const ir::Node* made = g.producer(v);
  if (!made || g.is_output(v) || !g.value(v).ranked) return false;
  if (made->op != "Conv" && made->op != "Pool" && !elementwise(g, *made)) return false;
  const auto& users = g.users(v);
  const ir::Dim& channels = shape_of(g, v).back();
  return channels.is_const() && channels.constant() % 8 == 0 &&
         std::all_of(users.begin(), users.end(), [&](ir::NodeId n) { return g.node(n).op == "Conv"; });
}

std::optional<Weighted> projection(const ir::Graph& g, ir::ValueId v) {
  const ir::Node* node = made_by(g, v, "Conv");
  if (!node || !read_once(g, v) || !may_stand_beside(g, node->inputs[0])) return std::nullopt;
  return is_product_of_pixels(g, *node) ? weighted(g, *node) : std::nullopt;
}

Match sum(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto a = projection(g, node.inputs[0]), b = projection(g, node.inputs[1]);
  if (!a || !b) return std::nullopt;
  const ir::ValueId x = a->node->inputs[0], z = b->node->inputs[0];
  ir::Shape xs = shape_of(g, x), zs = shape_of(g, z);
  xs.pop_back();
  zs.pop_back();
  if (x == z || xs != zs || a->channels != b->channels || g.value(x).dtype != g.value(z).dtype) return std::nullopt;
  ir::Patch p(g, "a sum of two convolutions: one of both operands' channels");
  std::vector<ir::ValueId> inputs{p.node("Concat", {x, z}, ops::AxisAttrs{int64_t(xs.size())}),
                                  p.node("Concat", {a->weights, b->weights}, ops::AxisAttrs{1})};
  if (a->bias != ir::kNone && b->bias != ir::kNone)
    inputs.push_back(p.node("Add", {a->bias, b->bias}));
  else if (a->bias != ir::kNone || b->bias != ir::kNone)
    inputs.push_back(a->bias != ir::kNone ? a->bias : b->bias);
  p.replace(node.outputs[0], p.node("Conv", inputs, a->node->attrs));
  return p;
}

constexpr Rule kRules[] = {{"Add", sum}};

}  // namespace

int merge_sums(ir::Graph& graph, PassContext& context) {
  return context.options().sums_in_place ? apply_rules(graph, context, kRules) : 0;
}

}  // namespace tenon::passes
