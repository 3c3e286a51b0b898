// What an operator is: attributes, shape inference, a reference in plain loops, and how ONNX spells it.
//
// A file src/ops/<family>/<op>.cpp defines one operator, or a table of operators of one form, as a free function
// `OpSet <file>()`, named once in ops.inc. Nothing else in the tree lists operators.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tenon::onnx {
struct Node;
}

namespace tenon::ops {

using ir::Dim;
using ir::Dims;
using ir::DType;
using ir::Shape;
using ir::Tensor;

/// What shape inference sees of one node. Reads inputs' types, writes outputs' types. Works alike for constant and
/// symbolic dimensions: arithmetic on Dims goes through `dims()`.
class InferContext {
 public:
  InferContext(ir::Graph& graph, ir::NodeId node) : graph_(graph), node_(node) {}
  const ir::Node& node() const { return graph_.node(node_); }
  template <class T>
  const T& attrs() const {
    return node().attrs.as<T>();
  }
  ir::Graph& graph() { return graph_; }
  ir::SymbolTable& dims() { return *graph_.symbols; }

  size_t input_count() const { return node().inputs.size(); }
  bool has(size_t i) const { return i < node().inputs.size() && node().inputs[i] != ir::kNone; }
  const ir::Value& input(size_t i) const;  ///< throws if absent
  DType dtype(size_t i) const { return input(i).dtype; }
  const Shape& shape(size_t i) const;  ///< throws if the rank is not known
  size_t rank(size_t i) const { return shape(i).size(); }
  /// The value of a constant input, or null.
  const Tensor* constant(size_t i) const;
  /// Elements of a small integer tensor of rank <= 1, symbolic or constant; nullopt if not known. Floating-point
  /// tensors have them too while all elements are whole numbers.
  std::optional<std::vector<Dim>> contents(size_t i) const;
  /// The same, if every element is a number.
  std::optional<std::vector<int64_t>> ints(size_t i) const;

  /// As contents(), of a tensor of any rank and constant dims, in row-major order.
  std::optional<std::vector<Dim>> elements(size_t i) const;

  size_t output_count() const { return node().outputs.size(); }
  void output(size_t i, DType dtype, Shape shape);
  void output_contents(size_t i, std::vector<Dim> contents);
  /// As output_contents(), for any rank. Dropped unless the dims are constant and fit.
  void output_elements(size_t i, std::vector<Dim> elements);
  /// An output whose type is known and whose rank is not.
  void output_unranked(size_t i, DType dtype);
  /// Dimension of unknown size that equals no other.
  Dim unknown() { return dims().fresh("u"); }

  /// `axis` counted from the front. Throws if it lies outside [-rank, rank).
  size_t axis(int64_t axis, size_t rank) const;
  /// Numpy broadcasting of two or more shapes; a mismatch names both shapes.
  Shape broadcast(const Shape& a, const Shape& b);
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    tenon::fail(ErrorCode::kShapeMismatch, parts...);
  }
  template <class... Parts>
  void expect(bool ok, const Parts&... parts) const {
    require(ok, ErrorCode::kShapeMismatch, parts...);
  }
  std::string text(const Shape& shape);

 private:
  ir::Graph& graph_;
  ir::NodeId node_;
};

/// What a reference sees: inputs as tensors, outputs to be made. Floating-point inputs may arrive as f64, in which
/// case outputs of the same type are f64 as well, so one reference serves every type and the double-precision oracle.
class EvalContext {
 public:
  EvalContext(const ir::Node& node, std::vector<Tensor> inputs, std::vector<DType> output_types)
      : outputs(node.outputs.size()), node_(node), inputs_(std::move(inputs)), types_(std::move(output_types)) {}
  const ir::Node& node() const { return node_; }
  template <class T>
  const T& attrs() const {
    return node_.attrs.as<T>();
  }
  size_t input_count() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i].defined(); }
  const Tensor& input(size_t i) const {
    require(has(i), ErrorCode::kInternal, "input ", i, " of ", node_.op, " is absent");
    return inputs_[i];
  }
  bool wants(size_t i) const { return i < node_.outputs.size() && node_.outputs[i] != ir::kNone; }
  DType output_type(size_t i) const { return types_.at(i); }
  /// Allocates output `i` with its inferred type.
  Tensor& output(size_t i, Dims dims) { return outputs.at(i) = Tensor(types_.at(i), std::move(dims)); }
  std::vector<Tensor> outputs;

 private:
  const ir::Node& node_;
  std::vector<Tensor> inputs_;
  std::vector<DType> types_;
};

/// The form of an operator's arithmetic, for passes that treat operators of a form alike.
enum class OpForm : uint8_t {
  kGeneral,
  kUnary,   ///< y[i] = f(x[i]); one input of any shape
  kBinary,  ///< y = f(a, b) with numpy broadcasting
  kView,    ///< same bytes under other dims (Reshape, Squeeze, Flatten, Identity)
  kControlFlow,
};

struct OpDef {
  std::string_view name;
  const ir::AttrSchema* attrs = ir::schema_of<ir::NoAttrs>();
  size_t min_inputs = 1, max_inputs = 1;  ///< SIZE_MAX: any number
  void (*infer)(InferContext&) = nullptr;
  void (*eval)(EvalContext&) = nullptr;
  OpForm form = OpForm::kGeneral;
  bool data_dependent = false;  ///< an output's shape depends on input elements beyond what shape inference reads
  bool random = false;          ///< not a function of its inputs; never folded or merged
};

class ImportContext;
/// How one ONNX operator becomes core nodes, from opset `since` until the next rule for the same operator.
struct OnnxRule {
  std::string_view domain;  ///< "" is ai.onnx
  std::string_view op;
  int since;
  void (*import)(ImportContext&);
};

struct OpSet {
  std::vector<OpDef> ops;
  std::vector<OnnxRule> rules;
};

/// Throws kUnsupported naming the operator if it is unknown.
const OpDef& find_op(std::string_view name);
const OpDef* find_op_or_null(std::string_view name);
std::span<const OpDef> all_ops();
/// The rule for `op` at `opset`, or null.
const OnnxRule* find_onnx_rule(std::string_view domain, std::string_view op, int opset);
/// All opsets at which rules for `op` start; empty if the operator is unknown. For error messages.
std::vector<int> known_onnx_opsets(std::string_view domain, std::string_view op);

/// What a standard library exception amid inference or evaluation means: memory is short, or an operand or attribute
/// has fewer entries than the operator reads.
Error as_error(const std::exception& e, std::string_view place);
/// Infers types of one node's outputs, then of the whole graph in topological order. Errors name the node.
void infer_node(ir::Graph& graph, ir::NodeId node);
void infer(ir::Graph& graph);
/// Runs the reference of one node. Errors name the node.
std::vector<Tensor> eval_node(const ir::Node& node, std::vector<Tensor> inputs, std::vector<DType> output_types);
/// Runs every node's reference. `inputs` in the graph's order. With `in_double`, floating-point tensors are computed
/// and returned as f64. `observe`, if given, sees each value as it is made.
std::vector<Tensor> eval_graph(const ir::Graph& graph, const std::vector<Tensor>& inputs, bool in_double,
                               const std::function<void(ir::ValueId, const Tensor&)>& observe = {});

}  // namespace tenon::ops
