// The TensorRT dialect: one operator "trt.<Layer>" a layer type, and how each becomes core nodes.
//
// A file src/ops/trt/<family>.cpp describes layers by their attributes, named after ILayer's getters, and by a rule
// that says the layer in ONNX operators. The rule is all there is: shape inference of a dialect node runs it on the
// side.
#pragma once
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops::trt {

using ir::ValueId;
using Ints = std::vector<int64_t>;
/// An ONNX attribute.
using Value = std::variant<int64_t, float, std::string, Ints, std::vector<float>, std::vector<std::string>, DType>;
using Values = std::map<std::string, Value, std::less<>>;

/// What the rule of one layer sees and does.
class LowerContext {
 public:
  LowerContext(ir::Graph& graph, const ir::Node& node, std::vector<ValueId> inputs)
      : outputs(node.outputs.size(), ir::kNone), graph_(graph), node_(node), inputs_(std::move(inputs)) {}

  ir::Graph& graph() { return graph_; }
  const ir::Node& node() const { return node_; }
  template <class T>
  const T& attrs() const {
    return node_.attrs.as<T>();
  }
  size_t input_count() const { return inputs_.size(); }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i] != ir::kNone; }
  ValueId input(size_t i) const;  ///< throws if absent
  const Shape& shape(ValueId v) const;
  size_t rank(ValueId v) const { return shape(v).size(); }
  DType dtype(ValueId v) const { return graph_.value(v).dtype; }
  /// A dimension that the rule needs as a number. Throws kUnsupported naming it if it is symbolic.
  int64_t number(ValueId v, size_t axis) const;

  ValueId constant(Tensor t) { return graph_.add_constant(std::move(t)); }
  ValueId ints(const Ints& values) { return constant(Tensor::vector_i64(values)); }
  /// A number of type `type`, rank 0.
  ValueId scalar(DType type, double value);
  /// The nodes that ONNX operator `op` of opset 24 stands for; its first output.
  ValueId onnx(std::string_view op, std::vector<ValueId> inputs, Values attributes = {}) {
    return onnx_n(op, std::move(inputs), std::move(attributes), 1)[0];
  }
  std::vector<ValueId> onnx_n(std::string_view op, std::vector<ValueId> inputs, Values attributes, size_t count);
  ValueId cast(ValueId v, DType type);
  void output(size_t i, ValueId v) { outputs.at(i) = v; }

  std::vector<ValueId> outputs;

 private:
  ir::Graph& graph_;
  const ir::Node& node_;
  std::vector<ValueId> inputs_;
};

struct Layer {
  std::string_view name;  ///< "trt.Convolution"
  const ir::AttrSchema* attrs;
  size_t min_inputs, max_inputs;
  void (*lower)(LowerContext&);
};

/// The layer behind a dialect operator, or null.
const Layer* find_layer(std::string_view op);
/// Replaces a dialect node by core nodes, which take its name. Errors name the node.
void lower_node(ir::Graph& graph, ir::NodeId node);
/// Puts what a rule made, nodes from `first` on, in the place of node `id`: its readers, its name, the names of its
/// outputs. The node itself goes.
void put_in_place(ir::Graph& graph, ir::NodeId id, const LowerContext& made, ir::NodeId first);
/// A node's inputs in a graph aside that shares the symbols: constants and known contents stay, all else is an input.
/// Throws if a rank is not known.
std::vector<ValueId> copy_inputs(const ir::Graph& graph, const ir::Node& node, ir::Graph& aside);
/// Replaces every dialect node, in bodies too. The graph's inputs, outputs and their names stay.
void lower(ir::Graph& graph);

}  // namespace tenon::ops::trt

/// A field of an attribute struct under its member's name.
#define TENON_TRT_FIELD(Struct, member) ::tenon::ir::field<&Struct::member>(#member)
