// Names in force while a graph, a body or a function of a model is imported.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "onnx/model.h"

namespace tenon::importer {

/// Stands for a value whose node failed: what reads it is skipped without a further error.
inline constexpr ir::ValueId kBroken = ir::kNone - 1;

/// Ids from here to kBroken stand for sequences: the index into the scopes' common list.
inline constexpr ir::ValueId kFirstSequence = 1u << 31;
inline bool is_sequence(ir::ValueId v) { return v >= kFirstSequence && v < kBroken; }

/// All sequences met so far; elements are values of the graph of the scope that names the sequence.
class Sequences {
 public:
  ir::ValueId add(std::vector<ir::ValueId> elements) {
    lists_.push_back(std::move(elements));
    return kFirstSequence + ir::ValueId(lists_.size() - 1);
  }
  const std::vector<ir::ValueId>& of(ir::ValueId v) const { return lists_.at(v - kFirstSequence); }

 private:
  std::deque<std::vector<ir::ValueId>> lists_;  // references stay valid
};

using OpsetVersions = std::map<std::string, int64_t>;
using AttributeValues = std::map<std::string, const onnx::Attribute*>;

struct Scope {
  ir::Graph& graph;
  Sequences& sequences;
  const OpsetVersions* opsets;
  Scope* outer = nullptr;                        ///< of a body: the scope around it, in another ir::Graph
  std::vector<ir::ValueId>* captures = nullptr;  ///< of a body: values of outer->graph behind its last inputs
  const AttributeValues* attributes = nullptr;   ///< inside a function: values of its attribute parameters
  std::string prefix;                            ///< of value and node names, inside a function
  std::unordered_map<std::string, ir::ValueId> values;
  std::unordered_map<ir::ValueId, ir::ValueId> inner_of;  ///< of a body: its value for a value of outer->graph

  /// The value called `name`, kNone for an absent argument of a function, kBroken, or nullopt when nothing defines it.
  /// A constant of an outer graph is shared, any other outer value becomes a capture.
  std::optional<ir::ValueId> find(const std::string& name);
  /// Binds `name`. Throws kInvalidModel if it is bound already. A value from `first_new` on takes the name in the
  /// graph.
  /// The same for a value of outer->graph.
  ir::ValueId capture(ir::ValueId outer_value, const std::string& name);
  void define(const std::string& name, ir::ValueId value, size_t first_new);
};

}  // namespace tenon::importer
