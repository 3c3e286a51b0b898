// The way back from expand.h: layers that nobody changed are again the core node that they came from, so that looking
// at a parsed network costs nothing.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ops/trt/lower.h"

namespace tenon::ops::trt {

/// What expand_node() did to one node.
struct Expanded {
  ir::NodeId id = 0;  ///< of the core node, which is gone
  ir::Node core;
  ir::NodeId named = 0;                    ///< the layer that took its name
  std::vector<ValueId> results;            ///< by the core node's outputs; kNone where none is wanted
  std::vector<ir::NodeId> nodes;           ///< all that were made, in order
  ValueId first_value = 0, end_value = 0;  ///< the values that were made
};

/// The expansions of one graph, which may stand within each other.
class Expansions {
 public:
  void add(Expanded made);
  /// `node` took the place of a value that an expansion made.
  void adopt(ir::NodeId node, ValueId value);
  /// Other readers' inputs are now `to`.
  void replace(ValueId from, ValueId to);
  /// Output `index` of the core node of that name, in an expansion; else kNone.
  ValueId output_of(const std::string& core, size_t index) const;
  /// The user changed a node: what it belongs to stays in layers.
  void keep(ir::NodeId node);

  /// Folds what can be folded, in the graph or in a copy of it. Values of which `is_seen` holds are somebody's: those
  /// inside an expansion keep it in layers. Gives the values that stand for others now; types are to be inferred anew.
  std::map<ValueId, ValueId> fold(ir::Graph& graph, const std::function<bool(ValueId)>& is_seen) const;
  /// The name of the core node that a layer will be part of, if it can be folded.
  std::optional<std::string> folded_name(const ir::Graph& graph, const std::function<bool(ValueId)>& is_seen,
                                         ir::NodeId layer) const;

 private:
  static constexpr size_t kOutermost = SIZE_MAX;
  struct Entry {
    Expanded made;
    std::set<ir::NodeId> own;
    size_t parent = kOutermost;
    std::vector<size_t> children;
    bool kept = false;
  };
  void collect(size_t entry, std::set<ir::NodeId>& nodes) const;
  /// Live nodes of an entry, or none if it must stay.
  std::set<ir::NodeId> foldable(size_t entry, const Expanded& made, const ir::Graph& graph,
                                const std::function<bool(ValueId)>& is_seen) const;

  std::vector<Entry> entries_;
  std::map<ir::NodeId, size_t> owner_;  ///< the innermost entry of a node
};

}  // namespace tenon::ops::trt
