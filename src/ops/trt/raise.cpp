#include "ops/trt/raise.h"

#include "ops/support.h"
#include "ops/trt/expand.h"

namespace tenon::ops::trt {
namespace {

const RaiseRule* find_rule(std::string_view op) {
  static const std::vector<RaiseRule> rules = [] {
    std::vector<RaiseRule> all = raise_compute_rules();
    for (const RaiseRule& rule : raise_movement_rules()) all.push_back(rule);
    return all;
  }();
  for (const RaiseRule& rule : rules)
    if (!rule.op.empty() && rule.op == op) return &rule;
  return nullptr;
}

/// True if the node's outputs still have the types of `before`.
bool same_types(const ir::Graph& graph, const ir::Node& node, const std::vector<ir::Value>& before, bool by_data) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == ir::kNone) continue;
    if (!same_type(graph.value(node.outputs[i]), before[i], by_data)) return false;
  }
  return true;
}

/// Whether dims of the result may follow from elements that only a run knows: each inference names them anew.
bool computes_dims(const ir::Graph& graph, const ir::Node& node) {
  if (find_op(node.op).data_dependent) return true;
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const ValueId v = node.inputs[i];
    if (v != ir::kNone && !graph.constant(v) && ir::is_integer(graph.value(v).dtype)) return true;
  }
  return false;
}

void restore_types(ir::Graph& graph, const ir::Node& node, const std::vector<ir::Value>& before) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != ir::kNone) graph.value(node.outputs[i]) = before[i];
  }
}

}  // namespace

Ints RaiseContext::ints(size_t i) const {
  const Tensor* t = constant(i);
  return t && ir::is_integer(t->dtype()) ? t->to_ints() : Ints{};
}

const Shape& RaiseContext::shape(size_t i) const {
  const ir::Value& value = graph_.value(node_.inputs.at(i));
  require(value.ranked, ErrorCode::kShapeMismatch, "the rank of '", value.name, "' is not known");
  return value.shape;
}

const Shape& RaiseContext::result() const {
  const ir::Value& value = graph_.value(node_.outputs.at(0));
  require(value.ranked, ErrorCode::kShapeMismatch, "the rank of '", value.name, "' is not known");
  return value.shape;
}

size_t RaiseContext::axis(int64_t axis) const { return normalized_axis(axis, shape(0).size()); }

void RaiseContext::become(std::string_view name) {
  layer = name;
  made = ir::Attrs(find_layer(name)->attrs);
}

bool has_layers(std::string_view op) { return find_rule(op) || is_expanded(op); }

bool same_type(const ir::Value& now, const ir::Value& before, bool by_data) {
  if (now.dtype != before.dtype || now.ranked != before.ranked || now.shape.size() != before.shape.size()) return false;
  for (size_t d = 0; d < now.shape.size(); ++d) {
    const bool free = by_data && !now.shape[d].is_const() && !before.shape[d].is_const();
    if (!(now.shape[d] == before.shape[d]) && !free) return false;
  }
  return true;
}

bool raise_node(ir::Graph& graph, ir::NodeId id, bool (*has)(const ir::Node&)) {
  const ir::Node core = graph.node(id);
  const RaiseRule* rule = find_rule(core.op);
  if (!rule) return false;
  std::vector<ir::Value> before;
  for (ValueId v : core.outputs) before.push_back(v == ir::kNone ? ir::Value() : graph.value(v));
  try {
    RaiseContext c(graph, core);
    rule->raise(c);
    if (c.layer.empty()) return false;
    graph.node(id).op = c.layer;
    graph.node(id).attrs = std::move(c.made);
    if (!has || has(graph.node(id))) {
      graph.set_inputs(id, std::move(c.inputs));
      infer_node(graph, id);
      const bool same = same_types(graph, core, before, computes_dims(graph, core));
      restore_types(graph, core, before);
      if (same) return true;
    }
  } catch (const Error&) {  // what the layer cannot say stays as it is
    restore_types(graph, core, before);
  }
  graph.node(id).op = core.op;
  graph.node(id).attrs = core.attrs;
  graph.set_inputs(id, core.inputs);
  return false;
}

}  // namespace tenon::ops::trt
