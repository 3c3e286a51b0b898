#include "ir/patch.h"

#include <algorithm>
#include <set>

namespace tenon::ir {

ValueId Patch::constant(Tensor tensor, std::string name) {
  constants_.push_back({std::move(tensor), std::move(name), ValueId(first_new_ + next_)});
  return first_new_ + next_++;
}

std::vector<ValueId> Patch::nodes(std::string op, std::vector<ValueId> inputs, Attrs attrs, size_t outputs) {
  std::vector<ValueId> out(outputs);
  for (size_t i = 0; i < outputs; ++i) out[i] = first_new_ + next_ + ValueId(i);
  nodes_.push_back({std::move(op), std::move(inputs), std::move(attrs), first_new_ + next_, outputs});
  next_ += ValueId(outputs);
  return out;
}

bool Patch::is_new_node_output(ValueId v) const {
  return is_new(v) &&
         std::none_of(constants_.begin(), constants_.end(), [v](const NewConstant& c) { return c.id == v; });
}

std::string join_origins(const std::string& a, const std::string& b) {
  if (a.empty() || a == b) return b;
  std::string out = a;
  std::set<std::string_view> seen;
  auto each = [](std::string_view list, auto&& f) {
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find(" + ", at), list.size());
      f(list.substr(at, end - at));
      at = end + 3;
    }
  };
  each(a, [&](std::string_view s) { seen.insert(s); });
  std::string added;
  each(b, [&](std::string_view s) {
    if (!s.empty() && seen.insert(s).second) added += cat(" + ", s);
  });
  return out + added;
}

int erase_unread(Graph& graph, ValueId v, std::vector<NodeId>* erased) {
  int count = 0;
  std::vector<ValueId> work{v};
  while (!work.empty()) {
    const NodeId n = work.back() == kNone ? kNone : graph.value(work.back()).producer;
    work.pop_back();
    if (n == kNone || !graph.node(n).alive) continue;
    const auto& outputs = graph.node(n).outputs;
    if (std::any_of(outputs.begin(), outputs.end(),
                    [&](ValueId o) { return o != kNone && (!graph.users(o).empty() || graph.is_output(o)); }))
      continue;
    const std::vector<ValueId> inputs = graph.node(n).inputs;
    if (erased) erased->push_back(n);
    graph.erase_node(n);
    ++count;
    work.insert(work.end(), inputs.begin(), inputs.end());
  }
  return count;
}

std::vector<NodeId> Patch::apply(Graph& graph) && {
  std::vector<ValueId> map(next_, kNone);
  auto real = [&](ValueId v) { return v == kNone || v < first_new_ ? v : map.at(v - first_new_); };
  require(graph.value_count() == first_new_, ErrorCode::kInternal,
          "a patch is applied to a graph that has changed since");
  for (auto& c : constants_)
    map[c.id - first_new_] =
        graph.add_constant(std::move(c.tensor), c.name.empty() ? std::string() : graph.unique_name(c.name));
  std::vector<NodeId> added;
  const NodeId last = replacements_.empty() ? kNone : graph.value(replacements_.back().first).producer;
  const std::string base = last == kNone ? std::string() : graph.node(last).name;
  for (auto& n : nodes_) {
    for (ValueId& v : n.inputs) v = real(v);
    const NodeId id = graph.add_node(n.op, std::move(n.inputs), std::move(n.attrs), n.outputs, base);
    for (size_t i = 0; i < n.outputs; ++i) map[n.first_output - first_new_ + i] = graph.node(id).outputs[i];
    added.push_back(id);
  }
  std::vector<NodeId> erased = sources_;
  for (auto [old, by] : replacements_) {
    if (const NodeId p = graph.value(old).producer; p != kNone) erased.push_back(p);
    graph.replace_uses(old, real(by));
  }
  for (auto [old, by] : replacements_) erase_unread(graph, old, &erased);
  std::sort(erased.begin(), erased.end());
  std::string origin, metadata;
  for (NodeId n : erased) {
    if (std::find(added.begin(), added.end(), n) != added.end()) continue;
    origin = join_origins(origin, graph.node(n).origin);
    if (!graph.node(n).metadata.empty()) metadata = join_origins(metadata, graph.node(n).metadata);
  }
  for (NodeId n : added) {
    graph.node(n).origin = origin;
    graph.node(n).metadata = metadata;
  }
  return added;
}

}  // namespace tenon::ir
