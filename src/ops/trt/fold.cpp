#include "ops/trt/fold.h"

#include <algorithm>

#include "ops/trt/regions.h"

namespace tenon::ops::trt {
namespace {

/// Whether a value is computed from one of `nodes`.
bool depends_on(const ir::Graph& graph, const std::vector<ValueId>& values, const std::set<ir::NodeId>& nodes) {
  std::vector<ValueId> open = values;
  std::set<ir::NodeId> seen;
  while (!open.empty()) {
    const ir::NodeId producer = open.back() == ir::kNone ? ir::kNone : graph.value(open.back()).producer;
    open.pop_back();
    if (producer == ir::kNone || !seen.insert(producer).second) continue;
    if (nodes.count(producer)) return true;
    open.insert(open.end(), graph.node(producer).inputs.begin(), graph.node(producer).inputs.end());
  }
  return false;
}

/// Readers and the name of one value go over to another.
void pass_on(ir::Graph& graph, ValueId from, ValueId to) {
  const std::string name = graph.value(from).name;
  const bool output = graph.is_output(from);
  graph.replace_uses(from, to);  // names of outputs move with them
  if (output) return;
  graph.rename(from, graph.unique_name(name));
  graph.rename(to, name);
}

/// Puts the core node in the place of `nodes`; `now` learns what stands for its values.
void put_back(ir::Graph& graph, const Expanded& made, const std::set<ir::NodeId>& nodes,
              std::map<ValueId, ValueId>& now) {
  const ir::Node& shown = graph.node(made.named);
  const bool named = shown.alive && nodes.count(made.named);
  const std::string name = named ? shown.name : made.core.name, metadata = named ? shown.metadata : made.core.metadata;
  const ir::NodeId core = graph.add_node(made.core.op, made.core.inputs, deep_copy(made.core.attrs, graph.symbols),
                                         made.core.outputs.size(), name);
  graph.node(core).metadata = metadata;
  if (name == made.core.name) graph.node(core).origin = made.core.origin;
  for (size_t i = 0; i < made.results.size(); ++i) {
    if (made.results[i] == ir::kNone) continue;
    pass_on(graph, made.results[i], graph.node(core).outputs[i]);
    now[made.results[i]] = graph.node(core).outputs[i];
  }
  const std::vector<ir::NodeId> order = graph.topological_order();
  for (auto n = order.rbegin(); n != order.rend(); ++n)
    if (nodes.count(*n)) graph.erase_node(*n);
}

}  // namespace

void Expansions::add(Expanded made) {
  const size_t index = entries_.size();
  Entry entry;
  if (auto outer = owner_.find(made.id); outer != owner_.end()) {
    entry.parent = outer->second;
    entries_[entry.parent].children.push_back(index);
  }
  entry.own.insert(made.nodes.begin(), made.nodes.end());
  for (ir::NodeId n : made.nodes) owner_[n] = index;
  entry.made = std::move(made);
  entries_.push_back(std::move(entry));
}

void Expansions::adopt(ir::NodeId node, ValueId value) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (value < entries_[i].made.first_value || value >= entries_[i].made.end_value) continue;
    owner_[node] = i;
    entries_[i].own.insert(node);
    return;
  }
}

void Expansions::replace(ValueId from, ValueId to) {
  for (Entry& entry : entries_) {
    std::replace(entry.made.core.inputs.begin(), entry.made.core.inputs.end(), from, to);
    std::replace(entry.made.results.begin(), entry.made.results.end(), from, to);
  }
}

ValueId Expansions::output_of(const std::string& core, size_t index) const {
  for (const Entry& entry : entries_)
    if (entry.made.core.name == core && index < entry.made.results.size()) return entry.made.results[index];
  return ir::kNone;
}

void Expansions::keep(ir::NodeId node) {
  auto owner = owner_.find(node);
  if (owner == owner_.end()) return;
  for (size_t i = owner->second; i != kOutermost; i = entries_[i].parent) entries_[i].kept = true;
}

void Expansions::collect(size_t entry, std::set<ir::NodeId>& nodes) const {
  nodes.insert(entries_[entry].own.begin(), entries_[entry].own.end());
  for (size_t child : entries_[entry].children) collect(child, nodes);
}

std::set<ir::NodeId> Expansions::foldable(size_t entry, const Expanded& made, const ir::Graph& graph,
                                          const std::function<bool(ValueId)>& is_seen) const {
  if (entries_[entry].kept) return {};
  std::set<ir::NodeId> nodes;
  collect(entry, nodes);
  std::erase_if(nodes, [&](ir::NodeId n) { return !graph.node(n).alive; });
  for (ValueId v : made.results)
    if (v != ir::kNone && !nodes.count(graph.value(v).producer)) return {};
  for (ir::NodeId n : nodes) {
    for (ValueId v : graph.node(n).outputs) {
      if (v == ir::kNone || std::find(made.results.begin(), made.results.end(), v) != made.results.end()) continue;
      if (is_seen(v) || graph.is_output(v)) return {};
      for (ir::NodeId user : graph.users(v))
        if (!nodes.count(user)) return {};
    }
  }
  return nodes.empty() || depends_on(graph, made.core.inputs, nodes) ? std::set<ir::NodeId>() : nodes;
}

std::map<ValueId, ValueId> Expansions::fold(ir::Graph& graph, const std::function<bool(ValueId)>& is_seen) const {
  std::vector<bool> folded(entries_.size(), false);
  std::map<ValueId, ValueId> now;
  for (size_t i = 0; i < entries_.size(); ++i) {  // the outer ones come first
    const size_t parent = entries_[i].parent;
    folded[i] = parent != kOutermost && folded[parent];
    if (folded[i]) continue;
    Expanded made = entries_[i].made;
    for (ValueId& v : made.core.inputs)
      if (auto found = now.find(v); found != now.end()) v = found->second;
    const std::set<ir::NodeId> nodes = foldable(i, made, graph, is_seen);
    if (nodes.empty()) continue;
    put_back(graph, made, nodes, now);
    folded[i] = true;
  }
  return now;
}

std::optional<std::string> Expansions::folded_name(const ir::Graph& graph, const std::function<bool(ValueId)>& is_seen,
                                                   ir::NodeId layer) const {
  auto owner = owner_.find(layer);
  if (owner == owner_.end()) return std::nullopt;
  std::optional<std::string> name;
  for (size_t i = owner->second; i != kOutermost; i = entries_[i].parent) {
    if (foldable(i, entries_[i].made, graph, is_seen).empty()) break;
    const ir::Node& shown = graph.node(entries_[i].made.named);
    name = shown.alive ? shown.name : entries_[i].made.core.name;
  }
  return name;
}

}  // namespace tenon::ops::trt
