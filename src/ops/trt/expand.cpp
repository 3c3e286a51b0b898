#include "ops/trt/expand.h"

#include <algorithm>
#include <cmath>

#include "ops/nn/batch_norm.h"
#include "ops/trt/expand_context.h"
#include "ops/trt/raise.h"

namespace tenon::ops::trt {

std::vector<ValueId> ExpandContext::layer_n(std::string_view op, std::vector<ValueId> inputs, const Settings& settings,
                                            size_t count) {
  ir::Attrs attrs(find_layer(op)->attrs);
  for (const auto& [name, value] : settings) {
    const ir::Field* field = attrs.find(name);
    require(field != nullptr, ErrorCode::kInternal, op, " has no field '", name, "'");
    std::visit([&](const auto& v) { field->of<std::decay_t<decltype(v)>>(attrs.edit_data()) = v; }, value);
  }
  const ir::NodeId n = graph().add_node(std::string(op), std::move(inputs), std::move(attrs), count);
  infer_node(graph(), n);
  layers.push_back(n);
  return graph().node(n).outputs;
}

std::vector<ValueId> ExpandContext::boundary(std::string_view op, std::vector<ValueId> inputs,
                                             const BoundaryAttrs& attrs, size_t count) {
  const ir::NodeId n = graph().add_node(std::string(op), std::move(inputs), attrs, count);
  infer_node(graph(), n);
  layers.push_back(n);
  return graph().node(n).outputs;
}

void ExpandContext::set_next(ValueId recurrence, ValueId value) {
  const ir::Value &now = graph().value(recurrence), &next = graph().value(value);
  bool same = now.dtype == next.dtype && next.ranked && now.shape.size() == next.shape.size();
  for (size_t d = 0; same && d < now.shape.size(); ++d)
    same = now.shape[d] == next.shape[d] || (!now.shape[d].is_const() && !next.shape[d].is_const());
  require(same, ErrorCode::kUnsupported, "a state changes its type");
  const BoundaryAttrs attrs{.region = graph().node(now.producer).attrs.as<BoundaryAttrs>().region,
                            .kind = int64_t(now.producer)};
  graph().add_node("trt.Next", {value}, attrs, 0);
}

namespace {

const ExpandRule* find_rule(std::string_view op) {
  static const std::vector<ExpandRule> rules = [] {
    std::vector<ExpandRule> all;
    for (const auto& family :
         {expand_layout_rules(), expand_compute_rules(), expand_window_rules(), expand_norm_rules(),
          expand_generate_rules(), expand_region_rules(), expand_recurrent_rules()})
      all.insert(all.end(), family.begin(), family.end());
    return all;
  }();
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const ExpandRule& r) { return r.op == op; });
  return found == rules.end() ? nullptr : &*found;
}

/// Runs the rule in a graph aside: whether it gives all outputs, of the same types, by layers that are there.
bool fits(const ir::Graph& graph, const ir::Node& node, const ExpandRule& rule, const LayerSet& there) {
  try {
    ir::Graph aside(graph.symbols);
    int64_t regions = 0;
    ExpandContext context(aside, node, copy_inputs(graph, node, aside), there.level, regions);
    rule.expand(context);
    const bool loose = rule.other_symbols || find_op(node.op).data_dependent;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      const ValueId made = context.outputs[i];
      if (made == ir::kNone || aside.value(made).producer == ir::kNone) return false;
      if (!same_type(aside.value(made), graph.value(node.outputs[i]), loose)) return false;
    }
    return std::all_of(context.layers.begin(), context.layers.end(),
                       [&](ir::NodeId n) { return !there.has || there.has(aside.node(n)); });
  } catch (const Error&) {  // what the layers cannot say stays as it is
    return false;
  }
}

/// Names of what was made.
void name_layers(ir::Graph& graph, const ir::Node& core, const std::vector<ir::NodeId>& layers,
                 const std::vector<std::pair<std::string, std::string>>& own) {
  const ir::NodeId first = static_cast<ir::NodeId>(graph.node_count() - own.size());
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i].first.empty()) continue;  // of a body, under its own name
    ir::Node& node = graph.node(first + static_cast<ir::NodeId>(i));
    node.name = own[i].first, node.origin = own[i].second;
  }
  for (size_t i = 1; i < layers.size(); ++i) graph.node(layers[i]).name = cat(core.name, "_", i);
}

}  // namespace

bool is_expanded(std::string_view op) { return find_rule(op) != nullptr; }

std::optional<Expanded> expand_node(ir::Graph& graph, ir::NodeId id, const LayerSet& there, int64_t& regions) {
  const ir::Node node = graph.node(id);
  const ExpandRule* rule = scale_of(graph, node) ? nullptr : find_rule(node.op);  // a scale needs no rule
  if (!rule || !fits(graph, node, *rule, there)) return std::nullopt;
  Expanded made;
  made.id = id, made.core = node;
  made.first_value = static_cast<ValueId>(graph.value_count());
  const auto first = static_cast<ir::NodeId>(graph.node_count());
  ExpandContext context(graph, node, node.inputs, there.level, regions);
  rule->expand(context);
  std::vector<std::pair<std::string, std::string>> own;
  for (ir::NodeId n = first; n < graph.node_count(); ++n) own.emplace_back(graph.node(n).name, graph.node(n).origin);
  put_in_place(graph, id, context, first);
  name_layers(graph, node, context.layers, own);
  made.named = context.layers.empty() ? first : context.layers[0];
  made.end_value = static_cast<ValueId>(graph.value_count());
  for (size_t i = 0; i < node.outputs.size(); ++i)
    made.results.push_back(node.outputs[i] == ir::kNone ? ir::kNone : context.outputs[i]);
  for (ir::NodeId n = first; n < graph.node_count(); ++n) made.nodes.push_back(n);
  return made;
}

std::optional<ir::Attrs> scale_of(const ir::Graph& graph, const ir::Node& node) {
  if (node.op != "BatchNormalization") return std::nullopt;
  const Tensor* p[4];
  for (size_t i = 0; i < 4; ++i)
    if (p[i] = graph.constant(node.inputs.at(i + 1)); !p[i]) return std::nullopt;
  Tensor scale(p[0]->dtype(), p[0]->dims()), shift(p[0]->dtype(), p[0]->dims());
  for (int64_t k = 0; k < scale.count(); ++k) {
    const double factor = p[0]->get(k) / std::sqrt(p[3]->get(k) + double(node.attrs.as<BatchNormAttrs>().epsilon));
    scale.set(k, factor);
    shift.set(k, p[1]->get(k) - p[2]->get(k) * factor);
  }
  ir::Attrs made(find_layer("trt.Scale")->attrs);
  made.find("mode")->of<int64_t>(made.edit_data()) = 1;  // a channel
  made.find("scale")->of<Tensor>(made.edit_data()) = std::move(scale);
  made.find("shift")->of<Tensor>(made.edit_data()) = std::move(shift);
  return made;
}

}  // namespace tenon::ops::trt
