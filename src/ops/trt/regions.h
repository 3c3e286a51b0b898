// What the lowering of loops and of conditionals shares. Internal to this folder.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ops/trt/boundary.h"
#include "ops/trt/lower.h"

namespace tenon::ops::trt {

using ir::NodeId;

/// The boundary nodes of one loop or conditional, by operator.
struct Region {
  int64_t id = 0;
  std::map<std::string, std::vector<NodeId>, std::less<>> nodes;
  const std::vector<NodeId>& of(std::string_view op) const;
  bool is_loop() const { return !of("trt.LoopOutput").empty() || !of("trt.TripLimit").empty(); }
  const std::vector<NodeId>& outputs() const { return of(is_loop() ? "trt.LoopOutput" : "trt.IfOutput"); }
};

/// Attributes with copies of their body graphs over the symbols `symbols`.
ir::Attrs deep_copy(const ir::Attrs& given, const std::shared_ptr<ir::SymbolTable>& symbols);

/// Copies some nodes of one graph to the end of another, or of the same.
class NodeCopier {
 public:
  /// `outside` says what stands for a value that is neither known nor copied nor constant.
  NodeCopier(const ir::Graph& from, ir::Graph& to, std::function<ValueId(ValueId)> outside)
      : from_(from), to_(to), outside_(std::move(outside)) {}
  void set(ValueId old, ValueId now) { known_[old] = now; }
  /// In topological order. With `deep`, body graphs are copied as well.
  void copy(const std::vector<NodeId>& nodes, bool deep);
  ValueId value(ValueId v);

 private:
  const ir::Graph& from_;
  ir::Graph& to_;
  std::function<ValueId(ValueId)> outside_;
  std::map<ValueId, ValueId> known_;
};

/// Which nodes belong to regions.
class RegionMap {
 public:
  explicit RegionMap(ir::Graph& graph);
  std::map<int64_t, Region>& regions() { return regions_; }
  /// Nodes behind the region's recurrences, iterators or inputs, its own boundary left out.
  std::set<NodeId> dependents(const Region& region) const;
  /// Those of `within` that `sinks` need, in topological order.
  std::vector<NodeId> needed(const std::vector<ValueId>& sinks, const std::set<NodeId>& within) const;
  /// Whether another region's boundary is among them.
  bool holds_other(const Region& region, const std::set<NodeId>& within) const;
  /// Erases boundary and body. Throws if something else reads the body.
  void erase(const Region& region, const std::set<NodeId>& body);
  std::string place(const Region& region) const;

 private:
  const Region* region_of(NodeId n) const;
  ir::Graph& graph_;
  std::map<int64_t, Region> regions_;
};

void lower_loop(ir::Graph& graph, RegionMap& map, const Region& region);
void lower_conditional(ir::Graph& graph, RegionMap& map, const Region& region);

}  // namespace tenon::ops::trt
