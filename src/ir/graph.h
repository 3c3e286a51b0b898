// The intermediate representation: a directed acyclic graph of nodes over values, in SSA form.
//
// Two dialects share it: core operators (ONNX's names and semantics) and "trt." operators (one a TensorRT layer type),
// which the first pass lowers. Physical layout is explicit: a channels-last tensor has its dims in that order, and
// Transpose nodes convert. Bodies of control flow are closed graphs: what they capture is passed as an input.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attrs.h"
#include "ir/dim.h"
#include "ir/dtype.h"
#include "ir/tensor.h"

namespace tenon::ir {

using ValueId = uint32_t;
using NodeId = uint32_t;
inline constexpr uint32_t kNone = UINT32_MAX;  ///< an absent optional input; a value without a producer

/// What flows along an edge. `shape` is meaningful once `ranked`; constants carry their data.
struct Value {
  std::string name;  ///< unique in its graph
  DType dtype = DType::kUndefined;
  bool ranked = false;
  Shape shape;
  NodeId producer = kNone;
  uint32_t output_index = 0;
  std::optional<Tensor> constant;
  /// Elements of a small tensor of whole numbers in row-major order, as far as shape inference knows them.
  std::optional<std::vector<Dim>> contents;
};

struct Node {
  std::string op;                ///< name in ops.inc, e.g. "Conv"
  std::string name;              ///< from the model; unique names are not required
  std::vector<ValueId> inputs;   ///< kNone where an optional input is absent
  std::vector<ValueId> outputs;  ///< kNone where an optional output is not wanted
  Attrs attrs;
  std::string origin;    ///< names of the model's nodes that this one stands for, separated by " + "
  std::string metadata;  ///< the user's, e.g. ILayer::setMetadata
  bool alive = true;
};

class Graph {
 public:
  Graph() : symbols(std::make_shared<SymbolTable>()) {}
  explicit Graph(std::shared_ptr<SymbolTable> table) : symbols(std::move(table)) {}

  std::string name;
  std::shared_ptr<SymbolTable> symbols;  ///< shared with body graphs
  std::vector<ValueId> inputs, outputs;
  std::map<std::string, std::string> metadata;

  ValueId add_value(std::string name, DType dtype, Shape shape);
  ValueId add_input(std::string name, DType dtype, Shape shape);
  ValueId add_constant(Tensor tensor, std::string name = {});
  /// Adds a node with `output_count` new outputs, named after it. Types are filled in by ops::infer.
  NodeId add_node(std::string op, std::vector<ValueId> inputs, Attrs attrs, size_t output_count = 1,
                  std::string name = {});

  const Value& value(ValueId v) const { return values_.at(v); }
  Value& value(ValueId v) { return values_.at(v); }
  const Node& node(NodeId n) const { return nodes_.at(n); }
  /// For attributes and names. Inputs and outputs are changed through set_input and friends only.
  Node& node(NodeId n) { return nodes_.at(n); }
  size_t value_count() const { return values_.size(); }
  size_t node_count() const { return nodes_.size(); }

  const Node* producer(ValueId v) const {
    return v == kNone || value(v).producer == kNone ? nullptr : &nodes_[value(v).producer];
  }
  const Tensor* constant(ValueId v) const { return v != kNone && value(v).constant ? &*value(v).constant : nullptr; }
  /// Nodes that read `v`, one entry for each reading input, in ascending order of id.
  const std::vector<NodeId>& users(ValueId v) const { return users_.at(v); }
  bool is_output(ValueId v) const;
  bool is_input(ValueId v) const;

  void set_input(NodeId n, size_t index, ValueId v);
  void add_node_input(NodeId n, ValueId v);
  /// Replaces the inputs of a node as a whole.
  void set_inputs(NodeId n, std::vector<ValueId> inputs);
  /// Every reader of `from`, and the graph's outputs, take `to`. Names of graph outputs move with them.
  void replace_uses(ValueId from, ValueId to);
  /// Removes a node; its outputs must have no readers.
  void erase_node(NodeId n);

  /// Live nodes so that each comes after its producers; ties by id. Throws kInvalidModel naming nodes on a cycle.
  std::vector<NodeId> topological_order() const;
  /// Drops dead nodes and unused values and renumbers both in topological order.
  void compact();
  /// A deep copy. Constants share their bytes; body graphs and the symbol table are copied.
  Graph clone() const;
  /// Throws kInternal if a link between nodes and values is broken.
  void check_links() const;
  /// Structure hash: nodes, attributes, types and constants; names are left out.
  uint64_t hash() const;
  std::string unique_name(std::string_view base) const;
  /// Renames a value; the name must be free.
  void rename(ValueId v, std::string name);
  ValueId find(std::string_view value_name) const;  ///< kNone if there is none

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<std::vector<NodeId>> users_;
  std::map<std::string, ValueId, std::less<>> names_;
  mutable std::map<std::string, int, std::less<>> name_counters_;
};

}  // namespace tenon::ir
