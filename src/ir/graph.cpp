#include "ir/graph.h"

#include <algorithm>
#include <queue>
#include <set>

namespace tenon::ir {

ValueId Graph::add_value(std::string value_name, DType dtype, Shape shape) {
  if (value_name.empty()) value_name = unique_name("v");
  require(!names_.count(value_name), ErrorCode::kInvalidModel, "two values are called '", value_name, "'");
  ValueId id = ValueId(values_.size());
  names_.emplace(value_name, id);
  Value v;
  v.name = std::move(value_name);
  v.dtype = dtype;
  v.ranked = true;
  v.shape = std::move(shape);
  values_.push_back(std::move(v));
  users_.emplace_back();
  return id;
}

ValueId Graph::add_input(std::string input_name, DType dtype, Shape shape) {
  ValueId v = add_value(std::move(input_name), dtype, std::move(shape));
  inputs.push_back(v);
  return v;
}

ValueId Graph::add_constant(Tensor tensor, std::string constant_name) {
  ValueId v = add_value(constant_name.empty() ? unique_name("const") : std::move(constant_name), tensor.dtype(),
                        to_shape(tensor.dims()));
  values_[v].constant = std::move(tensor);
  return v;
}

NodeId Graph::add_node(std::string op, std::vector<ValueId> node_inputs, Attrs attrs, size_t output_count,
                       std::string node_name) {
  NodeId id = NodeId(nodes_.size());
  Node n;
  n.op = std::move(op);
  n.name = std::move(node_name);
  n.origin = n.name;
  n.attrs = std::move(attrs);
  for (ValueId v : node_inputs) {
    if (v == kNone) continue;
    require(v < values_.size(), ErrorCode::kInternal, "node input refers to no value");
    users_[v].push_back(id);
  }
  n.inputs = std::move(node_inputs);
  const std::string base = n.name.empty() ? n.op : n.name;
  for (size_t i = 0; i < output_count; ++i) {
    ValueId v = add_value(unique_name(base), DType::kUndefined, {});
    values_[v].ranked = false;
    values_[v].producer = id;
    values_[v].output_index = uint32_t(i);
    n.outputs.push_back(v);
  }
  nodes_.push_back(std::move(n));
  return id;
}

bool Graph::is_output(ValueId v) const { return std::find(outputs.begin(), outputs.end(), v) != outputs.end(); }
bool Graph::is_input(ValueId v) const { return std::find(inputs.begin(), inputs.end(), v) != inputs.end(); }

namespace {
void insert_sorted(std::vector<NodeId>& users, NodeId n) {
  users.insert(std::upper_bound(users.begin(), users.end(), n), n);
}
void erase_one(std::vector<NodeId>& users, NodeId n) {
  auto it = std::find(users.begin(), users.end(), n);
  require(it != users.end(), ErrorCode::kInternal, "use list lost a reader");
  users.erase(it);
}
}  // namespace

void Graph::set_input(NodeId n, size_t index, ValueId v) {
  ValueId& slot = nodes_.at(n).inputs.at(index);
  if (slot != kNone) erase_one(users_[slot], n);
  slot = v;
  if (v != kNone) insert_sorted(users_[v], n);
}

void Graph::add_node_input(NodeId n, ValueId v) {
  nodes_.at(n).inputs.push_back(v);
  if (v != kNone) insert_sorted(users_[v], n);
}

void Graph::set_inputs(NodeId n, std::vector<ValueId> node_inputs) {
  for (ValueId v : nodes_.at(n).inputs)
    if (v != kNone) erase_one(users_[v], n);
  for (ValueId v : node_inputs)
    if (v != kNone) insert_sorted(users_[v], n);
  nodes_[n].inputs = std::move(node_inputs);
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  for (NodeId n : std::vector<NodeId>(users_.at(from)))
    for (size_t i = 0; i < nodes_[n].inputs.size(); ++i)
      if (nodes_[n].inputs[i] == from) set_input(n, i, to);
  if (!is_output(from)) return;
  const bool rename_ok = !is_input(to) && !is_output(to) && !values_[to].constant;
  std::replace(outputs.begin(), outputs.end(), from, to);
  if (!rename_ok) return;
  std::string kept = values_[from].name, other = values_[to].name;
  rename(from, unique_name(kept));
  rename(to, kept);
}

void Graph::rename(ValueId v, std::string new_name) {
  require(!names_.count(new_name), ErrorCode::kInvalidModel, "two values are called '", new_name, "'");
  names_.erase(values_.at(v).name);
  names_.emplace(new_name, v);
  values_[v].name = std::move(new_name);
}

ValueId Graph::find(std::string_view value_name) const {
  auto it = names_.find(value_name);
  return it == names_.end() ? kNone : it->second;
}

void Graph::erase_node(NodeId n) {
  Node& node = nodes_.at(n);
  for (ValueId v : node.outputs)
    require(v == kNone || (users_[v].empty() && !is_output(v)), ErrorCode::kInternal, "node '", node.name, "' (",
            node.op, ") is erased while its output is read");
  set_inputs(n, {});
  node.alive = false;
}

std::vector<NodeId> Graph::topological_order() const {
  std::vector<int> waiting(nodes_.size(), 0);
  std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>> ready;
  std::vector<NodeId> order;
  size_t live = 0;
  for (NodeId n = 0; n < nodes_.size(); ++n) {
    if (!nodes_[n].alive) continue;
    ++live;
    for (ValueId v : nodes_[n].inputs) waiting[n] += v != kNone && values_[v].producer != kNone;
    if (waiting[n] == 0) ready.push(n);
  }
  order.reserve(live);
  while (!ready.empty()) {
    NodeId n = ready.top();
    ready.pop();
    order.push_back(n);
    for (ValueId v : nodes_[n].outputs)
      if (v != kNone)
        for (NodeId user : users_[v])
          if (--waiting[user] == 0) ready.push(user);
  }
  if (order.size() != live) {
    std::string names;
    int shown = 0;
    for (NodeId n = 0; n < nodes_.size() && shown < 5; ++n)
      if (nodes_[n].alive && waiting[n] > 0)
        names += cat(shown++ ? ", '" : "'", nodes_[n].name, "' (", nodes_[n].op, ")");
    fail(ErrorCode::kInvalidModel, "the graph has a cycle through ", names);
  }
  return order;
}

void Graph::compact() {
  const auto order = topological_order();
  std::vector<ValueId> value_map(values_.size(), kNone);
  std::vector<Value> values;
  auto keep = [&](ValueId v) {
    if (v == kNone || value_map[v] != kNone) return;
    value_map[v] = ValueId(values.size());
    values.push_back(std::move(values_[v]));
  };
  for (ValueId v : inputs) keep(v);
  for (NodeId n : order) {
    for (ValueId v : nodes_[n].inputs) keep(v);
    for (ValueId v : nodes_[n].outputs) keep(v);
  }
  for (ValueId v : outputs) keep(v);
  std::vector<Node> nodes;
  std::vector<std::vector<NodeId>> users(values.size());
  for (NodeId n : order) {
    Node node = std::move(nodes_[n]);
    for (ValueId& v : node.inputs)
      if (v != kNone) users[v = value_map[v]].push_back(NodeId(nodes.size()));
    for (ValueId& v : node.outputs)
      if (v != kNone) values[v = value_map[v]].producer = NodeId(nodes.size());
    nodes.push_back(std::move(node));
  }
  for (ValueId& v : inputs) v = value_map[v];
  for (ValueId& v : outputs) v = value_map[v];
  values_ = std::move(values);
  nodes_ = std::move(nodes);
  users_ = std::move(users);
  names_.clear();
  for (ValueId v = 0; v < values_.size(); ++v) names_.emplace(values_[v].name, v);
}

namespace {
void clone_bodies(Graph& graph, const std::shared_ptr<SymbolTable>& symbols) {
  for (NodeId n = 0; n < graph.node_count(); ++n) {
    Attrs& attrs = graph.node(n).attrs;
    for (const Field& f : attrs.schema().fields)
      if (f.kind == FieldKind::kGraph && f.of<std::shared_ptr<Graph>>(attrs.data())) {
        auto body = std::make_shared<Graph>(*f.of<std::shared_ptr<Graph>>(attrs.data()));
        body->symbols = symbols;
        clone_bodies(*body, symbols);
        f.of<std::shared_ptr<Graph>>(attrs.edit_data()) = body;
      }
  }
}
}  // namespace

Graph Graph::clone() const {
  Graph copy = *this;
  copy.symbols = std::make_shared<SymbolTable>(*symbols);
  clone_bodies(copy, copy.symbols);
  return copy;
}

void Graph::check_links() const {
  std::vector<std::vector<NodeId>> users(values_.size());
  for (NodeId n = 0; n < nodes_.size(); ++n) {
    if (!nodes_[n].alive) continue;
    for (ValueId v : nodes_[n].inputs)
      if (v != kNone) users.at(v).push_back(n);
    for (size_t i = 0; i < nodes_[n].outputs.size(); ++i) {
      ValueId v = nodes_[n].outputs[i];
      require(v == kNone || (values_.at(v).producer == n && values_[v].output_index == i), ErrorCode::kInternal,
              "output ", i, " of node '", nodes_[n].name, "' is not linked back");
    }
  }
  for (ValueId v = 0; v < values_.size(); ++v) {
    require(users[v] == users_[v], ErrorCode::kInternal, "readers of value '", values_[v].name, "' are out of date");
    require(users[v].empty() || values_[v].producer == kNone || nodes_[values_[v].producer].alive, ErrorCode::kInternal,
            "value '", values_[v].name, "' is read but its producer is gone");
  }
  for (ValueId v : outputs) require(v < values_.size(), ErrorCode::kInternal, "graph output refers to no value");
}

uint64_t Graph::hash() const {
  Hasher h;
  std::vector<uint64_t> number(values_.size(), 0);
  uint64_t next = 1;
  for (ValueId v : inputs) {
    number[v] = next++;
    h.add(uint64_t(values_[v].dtype));
    for (Dim d : values_[v].shape) h.add_text(symbols->text(d));
  }
  for (NodeId n : topological_order()) {
    const Node& node = nodes_[n];
    h.add_text(node.op);
    node.attrs.hash(h);
    for (ValueId v : node.inputs) h.add(v == kNone ? 0 : values_[v].constant ? values_[v].constant->hash() : number[v]);
    for (ValueId v : node.outputs) {
      if (v != kNone) number[v] = next++;
      h.add(v == kNone ? 0 : uint64_t(values_[v].dtype));
    }
  }
  for (ValueId v : outputs) h.add(values_[v].constant ? values_[v].constant->hash() : number[v]);
  return h.value();
}

std::string Graph::unique_name(std::string_view base) const {
  if (!names_.count(base)) return std::string(base);
  auto it = name_counters_.find(base);
  if (it == name_counters_.end()) it = name_counters_.emplace(std::string(base), 0).first;
  std::string candidate;
  do candidate = cat(base, "_", ++it->second);
  while (names_.count(candidate));
  return candidate;
}

}  // namespace tenon::ir
