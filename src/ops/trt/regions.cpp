#include "ops/trt/regions.h"

#include <algorithm>

namespace tenon::ops::trt {

const std::vector<NodeId>& Region::of(std::string_view op) const {
  static const std::vector<NodeId> none;
  auto it = nodes.find(op);
  return it == nodes.end() ? none : it->second;
}

namespace {

void share_symbols(ir::Graph& body, const std::shared_ptr<ir::SymbolTable>& symbols) {
  body.symbols = symbols;
  for (NodeId n = 0; n < body.node_count(); ++n) {
    const ir::Attrs& attrs = body.node(n).attrs;
    for (const ir::Field& f : attrs.schema().fields)
      if (f.kind == ir::FieldKind::kGraph)
        if (const auto& inner = f.of<std::shared_ptr<ir::Graph>>(attrs.data())) share_symbols(*inner, symbols);
  }
}

}  // namespace

ir::Attrs deep_copy(const ir::Attrs& given, const std::shared_ptr<ir::SymbolTable>& symbols) {
  ir::Attrs attrs = given;
  for (const ir::Field& f : attrs.schema().fields) {
    if (f.kind != ir::FieldKind::kGraph || !f.of<std::shared_ptr<ir::Graph>>(attrs.data())) continue;
    auto& body = f.of<std::shared_ptr<ir::Graph>>(attrs.edit_data());
    body = std::make_shared<ir::Graph>(body->clone());
    share_symbols(*body, symbols);
  }
  return attrs;
}

ValueId NodeCopier::value(ValueId v) {
  if (v == ir::kNone) return v;
  if (auto it = known_.find(v); it != known_.end()) return it->second;
  const ir::Tensor* constant = from_.constant(v);
  if (constant && &from_ == &to_) return v;
  return known_[v] = constant ? to_.add_constant(*constant, to_.unique_name(from_.value(v).name)) : outside_(v);
}

void NodeCopier::copy(const std::vector<NodeId>& nodes, bool deep) {
  for (NodeId n : nodes) {
    const ir::Node node = from_.node(n);  // a copy: `to_` may be the same graph and grow
    std::vector<ValueId> inputs;
    for (ValueId v : node.inputs) inputs.push_back(value(v));
    const NodeId made = to_.add_node(node.op, std::move(inputs), deep ? deep_copy(node.attrs, to_.symbols) : node.attrs,
                                     node.outputs.size(), node.name);
    to_.node(made).origin = node.origin;
    to_.node(made).metadata = node.metadata;
    infer_node(to_, made);
    for (size_t i = 0; i < node.outputs.size(); ++i) known_[node.outputs[i]] = to_.node(made).outputs[i];
  }
}

RegionMap::RegionMap(ir::Graph& graph) : graph_(graph) {
  for (NodeId n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.node(n);
    if (!node.alive || &node.attrs.schema() != ir::schema_of<BoundaryAttrs>()) continue;
    Region& region = regions_[node.attrs.as<BoundaryAttrs>().region];
    region.id = node.attrs.as<BoundaryAttrs>().region;
    region.nodes[node.op].push_back(n);
  }
}

const Region* RegionMap::region_of(NodeId n) const {
  const ir::Node& node = graph_.node(n);
  if (&node.attrs.schema() != ir::schema_of<BoundaryAttrs>()) return nullptr;
  auto it = regions_.find(node.attrs.as<BoundaryAttrs>().region);
  return it == regions_.end() ? nullptr : &it->second;
}

std::set<NodeId> RegionMap::dependents(const Region& region) const {
  std::set<NodeId> found;
  std::vector<NodeId> work;
  for (const char* op : {"trt.Recurrence", "trt.Iterator", "trt.IfInput"})
    for (NodeId n : region.of(op)) work.push_back(n);
  while (!work.empty()) {
    const NodeId n = work.back();
    work.pop_back();
    const Region* boundary = region_of(n);
    const bool own = boundary && boundary->id == region.id;
    if (!own && !found.insert(n).second) continue;
    const std::string& op = graph_.node(n).op;
    if (own && (op == "trt.LoopOutput" || op == "trt.IfOutput")) continue;  // the region ends here
    const Region* other = own ? nullptr : boundary;
    // All that another region gives depends on all that it takes.
    if (other)
      for (NodeId output : other->outputs())
        if (!found.count(output)) work.push_back(output);
    for (ValueId v : graph_.node(n).outputs)
      for (NodeId user : graph_.users(v))
        if (!found.count(user) && user != n) work.push_back(user);
  }
  return found;
}

std::vector<NodeId> RegionMap::needed(const std::vector<ValueId>& sinks, const std::set<NodeId>& within) const {
  std::set<NodeId> found;
  std::vector<ValueId> work = sinks;
  while (!work.empty()) {
    const ValueId v = work.back();
    work.pop_back();
    const NodeId p = v == ir::kNone ? ir::kNone : graph_.value(v).producer;
    if (p == ir::kNone || !within.count(p) || !found.insert(p).second) continue;
    for (ValueId input : graph_.node(p).inputs) work.push_back(input);
  }
  std::vector<NodeId> ordered;
  for (NodeId n : graph_.topological_order())
    if (found.count(n)) ordered.push_back(n);
  return ordered;
}

bool RegionMap::holds_other(const Region& region, const std::set<NodeId>& within) const {
  return std::any_of(within.begin(), within.end(), [&](NodeId n) {
    const Region* other = region_of(n);
    return other && other->id != region.id;
  });
}

void RegionMap::erase(const Region& region, const std::set<NodeId>& body) {
  std::set<NodeId> doomed = body;
  for (const auto& [op, nodes] : region.nodes) doomed.insert(nodes.begin(), nodes.end());
  const std::vector<NodeId> order = graph_.topological_order();
  for (auto n = order.rbegin(); n != order.rend(); ++n) {
    if (!doomed.count(*n)) continue;
    for (ValueId v : graph_.node(*n).outputs) {
      const bool read = v != ir::kNone && (!graph_.users(v).empty() || graph_.is_output(v));
      require(!read, ErrorCode::kInvalidModel, "tensor '", graph_.value(v).name,
              "' is made inside and read outside, which needs an output layer");
    }
    graph_.erase_node(*n);
  }
  regions_.erase(region.id);
}

std::string RegionMap::place(const Region& region) const {
  const auto& [op, nodes] = *region.nodes.begin();
  return cat(region.is_loop() ? "the loop" : "the conditional", " of layer '", graph_.node(nodes[0]).name, "'");
}

void lower_regions(ir::Graph& graph) {
  RegionMap map(graph);
  while (!map.regions().empty()) {
    auto& regions = map.regions();
    const auto inner = std::find_if(regions.begin(), regions.end(), [&](const auto& entry) {
      return !map.holds_other(entry.second, map.dependents(entry.second));
    });
    require(inner != regions.end(), ErrorCode::kInvalidModel, map.place(regions.begin()->second),
            " and another one are each inside the other");
    const Region region = inner->second;
    try {
      region.is_loop() ? lower_loop(graph, map, region) : lower_conditional(graph, map, region);
    } catch (const Error& e) {
      throw map.regions().count(region.id) && e.place().empty() ? e.at(map.place(region)) : e;
    }
  }
}

}  // namespace tenon::ops::trt
