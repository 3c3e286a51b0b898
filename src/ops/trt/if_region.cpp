// A conditional of boundary nodes as one If node.
#include "ops/control/control.h"
#include "ops/trt/regions.h"

namespace tenon::ops::trt {
namespace {

/// What one branch needs, as a closed graph; `captures` receives what it takes from outside.
std::shared_ptr<ir::Graph> branch(const ir::Graph& g, const RegionMap& map, const Region& region,
                                  const std::set<NodeId>& inside, const std::vector<ValueId>& sinks,
                                  std::vector<ValueId>& captures) {
  auto body = std::make_shared<ir::Graph>(g.symbols);
  std::map<ValueId, ValueId> known;
  const auto capture = [&](ValueId v) {
    auto [it, added] = known.try_emplace(v, ir::kNone);
    if (added) {
      const ir::Value& value = g.value(v);
      it->second = body->add_input(body->unique_name(value.name), value.dtype, value.shape);
      body->value(it->second).ranked = value.ranked;
      body->value(it->second).contents = value.contents;
      captures.push_back(v);
    }
    return it->second;
  };
  NodeCopier copy(g, *body, capture);
  for (NodeId n : region.of("trt.IfInput")) {
    const ValueId v = g.node(n).inputs[0];
    copy.set(g.node(n).outputs[0], g.constant(v) ? body->add_constant(*g.constant(v)) : capture(v));
  }
  copy.copy(map.needed(sinks, inside), true);
  for (ValueId v : sinks) body->outputs.push_back(copy.value(v));
  return body;
}

}  // namespace

void lower_conditional(ir::Graph& graph, RegionMap& map, const Region& region) {
  const auto& conditions = region.of("trt.Condition");
  require(conditions.size() == 1, ErrorCode::kInvalidModel, "there are ", conditions.size(),
          " conditions, one is needed");
  const std::set<NodeId> inside = map.dependents(region);
  const ValueId condition = graph.node(conditions[0]).inputs[0];
  const NodeId maker = graph.value(condition).producer;
  require(maker == ir::kNone || !inside.count(maker), ErrorCode::kInvalidModel, "the condition is made inside");
  std::vector<ValueId> when_true, when_false, then_captures, else_captures;
  for (NodeId n : region.of("trt.IfOutput")) {
    when_true.push_back(graph.node(n).inputs[0]);
    when_false.push_back(graph.node(n).inputs[1]);
  }
  require(!when_true.empty(), ErrorCode::kInvalidModel, "there are no outputs");
  IfAttrs attrs;
  attrs.then_branch = branch(graph, map, region, inside, when_true, then_captures);
  attrs.else_branch = branch(graph, map, region, inside, when_false, else_captures);
  attrs.then_captures = int64_t(then_captures.size());
  std::vector<ValueId> inputs{condition};
  inputs.insert(inputs.end(), then_captures.begin(), then_captures.end());
  inputs.insert(inputs.end(), else_captures.begin(), else_captures.end());
  const auto& outputs = region.of("trt.IfOutput");
  const NodeId made = graph.add_node("If", std::move(inputs), attrs, outputs.size(), graph.node(conditions[0]).name);
  infer_node(graph, made);
  for (size_t i = 0; i < outputs.size(); ++i)
    graph.replace_uses(graph.node(outputs[i]).outputs[0], graph.node(made).outputs[i]);
  map.erase(region, inside);
}

}  // namespace tenon::ops::trt
