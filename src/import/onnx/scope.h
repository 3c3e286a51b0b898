// Names in force while a graph, a body or a function of a model is imported.
#pragma once
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

using OpsetVersions = std::map<std::string, int64_t>;
using AttributeValues = std::map<std::string, const onnx::Attribute*>;

struct Scope {
  ir::Graph& graph;
  const OpsetVersions* opsets;
  Scope* outer = nullptr;                        ///< of a body: the scope around it, in another ir::Graph
  std::vector<ir::ValueId>* captures = nullptr;  ///< of a body: values of outer->graph behind its last inputs
  const AttributeValues* attributes = nullptr;   ///< inside a function: values of its attribute parameters
  std::string prefix;                            ///< of value and node names, inside a function
  std::unordered_map<std::string, ir::ValueId> values;

  /// The value called `name`, kNone for an absent argument of a function, kBroken, or nullopt when nothing defines it.
  /// A constant of an outer graph is shared, any other outer value becomes a capture.
  std::optional<ir::ValueId> find(const std::string& name);
  /// Binds `name`. Throws kInvalidModel if it is bound already. A value from `first_new` on takes the name in the
  /// graph.
  void define(const std::string& name, ir::ValueId value, size_t first_new);
};

}  // namespace tenon::importer
