// A proposed change of a graph: what a rewrite rule returns. The rule only reads the graph; apply() carries it out.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace tenon::ir {

/// New values are numbered from the graph's value count on, so they serve as operands at once.
class Patch {
 public:
  /// `reason` is shown in reports, e.g. "x * sigmoid(x) is silu(x)".
  Patch(const Graph& graph, std::string reason) : why(std::move(reason)), first_new_(ValueId(graph.value_count())) {}

  ValueId constant(Tensor tensor, std::string name = {});
  /// First output of a new node.
  ValueId node(std::string op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    return nodes(std::move(op), std::move(inputs), std::move(attrs), 1)[0];
  }
  std::vector<ValueId> nodes(std::string op, std::vector<ValueId> inputs, Attrs attrs, size_t outputs);
  /// Readers of `old`, and the graph's outputs, shall read `by`.
  void replace(ValueId old, ValueId by) { replacements_.emplace_back(old, by); }
  /// The node that the new ones stand for as well, beside the producers of replaced values.
  void stands_for(NodeId n) { sources_.push_back(n); }

  const std::vector<std::pair<ValueId, ValueId>>& replacements() const { return replacements_; }
  bool is_new(ValueId v) const { return v != kNone && v >= first_new_; }
  bool is_new_node_output(ValueId v) const;

  /// Adds nodes, replaces, and erases nodes that nothing reads any more, up from the replaced values' producers.
  /// New nodes take the joined origins of replaced and erased nodes, and the name of the last replaced one.
  /// Returns the new nodes in order, untyped.
  std::vector<NodeId> apply(Graph& graph) &&;

  std::string why;

 private:
  struct NewNode {
    std::string op;
    std::vector<ValueId> inputs;
    Attrs attrs;
    ValueId first_output;
    size_t outputs;
  };
  struct NewConstant {
    Tensor tensor;
    std::string name;
    ValueId id;
  };
  ValueId first_new_, next_ = 0;
  std::vector<NewNode> nodes_;
  std::vector<NewConstant> constants_;
  std::vector<std::pair<ValueId, ValueId>> replacements_;
  std::vector<NodeId> sources_;
};

/// Erases the producer of `v` if none of its outputs is read, then its inputs' producers in the same way. Returns the
/// number of erased nodes; each is passed to `erased` (may be empty) before its inputs are unlinked.
int erase_unread(Graph& graph, ValueId v, std::vector<NodeId>* erased = nullptr);

/// The union of two lists separated by " + ", in order, without repeats.
std::string join_origins(const std::string& a, const std::string& b);

}  // namespace tenon::ir
