// Products of one operand with several constant weights become one product and a Split of its result; convolutions of
// one operand with equal parameters likewise, in channels-last.
#include <algorithm>
#include <map>

#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/split.h"
#include "passes/channels.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

/// Whether every reader can take part of a wider tensor: views and data movement would copy it first.
bool readers_take_parts(const ir::Graph& g, ir::ValueId v) {
  const auto& users = g.users(v);
  return std::all_of(users.begin(), users.end(), [&](ir::NodeId n) {
    const std::string& op = g.node(n).op;
    return op == "Conv" || op == "MatMul" || op == "FusedAttention" || elementwise(g, g.node(n));
  });
}

/// Whether the node's result has its channels last and may share a kernel call with a sibling.
bool mergeable(const ir::Graph& g, const ir::Node& node, const Weighted& w) {
  if (g.constant(node.inputs[0]) || g.is_output(node.outputs[0])) return false;
  if (!readers_take_parts(g, node.outputs[0])) return false;
  if (node.op == "MatMul") return !node.attrs.as<ops::MatMulAttrs>().transpose_a;
  if (node.op != "Conv") return false;
  const auto& a = node.attrs.as<ops::ConvAttrs>();
  const ir::Dims& dims = g.constant(w.weights)->dims();
  const bool pointwise = std::all_of(dims.begin() + 2, dims.end(), [](int64_t d) { return d == 1; });
  return a.channels_last && a.group == 1 && pointwise;
}

bool alike(const ir::Graph& g, const ir::Node& a, const ir::Node& b, const Weighted& wa, const Weighted& wb) {
  if (a.op != b.op || !(a.attrs == b.attrs)) return false;
  const ir::Dims &da = g.constant(wa.weights)->dims(), &db = g.constant(wb.weights)->dims();
  for (size_t i = 0; i < da.size(); ++i)
    if (i != wa.out_axis && da[i] != db[i]) return false;
  const bool both = wa.bias != ir::kNone && wb.bias != ir::kNone;
  return da.size() == db.size() && (!both || g.value(wa.bias).dtype == g.value(wb.bias).dtype);
}

ir::ValueId bias_or_zeros(ir::Patch& p, const Weighted& w, ir::DType type) {
  if (w.bias != ir::kNone) return w.bias;
  const ir::ValueId shape = p.constant(ir::Tensor::vector_i64(std::vector<int64_t>{w.channels}));
  return p.node("Expand", {p.constant(ir::Tensor(type, {})), shape});
}

ir::Patch merged(const ir::Graph& g, const std::vector<Weighted>& siblings) {
  ir::Patch p(g, cat(siblings.size(), " products of one operand in one"));
  const Weighted& first = siblings[0];
  const size_t rank = rank_of(g, first.node->outputs[0]);
  std::vector<ir::ValueId> weights, biases;
  std::vector<int64_t> sizes;
  const auto biased = std::find_if(siblings.begin(), siblings.end(), [](const auto& w) { return w.bias != ir::kNone; });
  const bool any_bias = biased != siblings.end();
  for (const Weighted& w : siblings) {
    weights.push_back(w.weights);
    sizes.push_back(w.channels);
    if (any_bias) biases.push_back(bias_or_zeros(p, w, g.value(biased->bias).dtype));
  }
  std::vector<ir::ValueId> inputs{first.node->inputs[0],
                                  p.node("Concat", weights, ops::AxisAttrs{int64_t(first.out_axis)})};
  if (any_bias) inputs.push_back(p.node("Concat", biases, ops::AxisAttrs{0}));
  const ir::ValueId y = p.node(first.node->op, inputs, first.node->attrs);
  const ir::ValueId part_sizes = p.constant(ir::Tensor::vector_i64(sizes));
  const auto parts = p.nodes("Split", {y, part_sizes}, ops::SplitAttrs{int64_t(rank) - 1, false}, siblings.size());
  for (size_t i = 0; i < siblings.size(); ++i) p.replace(siblings[i].node->outputs[0], parts[i]);
  return p;
}

}  // namespace

int merge_siblings(ir::Graph& graph, PassContext& context) {
  if (!context.options().parts_in_place) return 0;
  std::vector<ir::ValueId> operands;
  std::map<ir::ValueId, std::vector<ir::NodeId>> by_operand;
  for (ir::NodeId n : graph.topological_order()) {
    const auto w = weighted(graph, graph.node(n), true);
    if (!w || !mergeable(graph, graph.node(n), *w)) continue;
    auto& list = by_operand[graph.node(n).inputs[0]];
    if (list.empty()) operands.push_back(graph.node(n).inputs[0]);
    list.push_back(n);
  }
  int count = 0;
  for (ir::ValueId x : operands) {
    std::vector<ir::NodeId>& list = by_operand[x];
    while (list.size() > 1) {
      std::vector<Weighted> group;
      std::vector<ir::NodeId> rest;
      for (ir::NodeId n : list) {
        const Weighted w = *weighted(graph, graph.node(n), true);
        const auto fits = [&](const Weighted& other) { return alike(graph, *other.node, *w.node, other, w); };
        if (std::all_of(group.begin(), group.end(), fits))
          group.push_back(w);
        else
          rest.push_back(n);
      }
      if (group.size() > 1) count += apply_patch(graph, context, merged(graph, group));
      list = std::move(rest);
    }
  }
  return count;
}

}  // namespace tenon::passes
