// Runs operators and ONNX import rules in unit tests. Included by *_test.cpp files only.
#pragma once
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/testing.h"

namespace tenon::ops::trial {

using testing::f32;
using testing::i64;

template <class T>
Tensor tensor(DType dtype, Dims dims, const std::vector<T>& values) {
  return Tensor::of<T>(dtype, std::move(dims), values);
}
inline Tensor boolean(Dims dims, const std::vector<int64_t>& values) {
  return tensor(DType::kBool, std::move(dims), values);
}
/// Reproducible values in about [-1, 1), exact in f16.
inline Tensor noise(Dims dims, uint64_t seed = 1, DType dtype = DType::kF32) {
  Tensor t(dtype, std::move(dims));
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int64_t i = 0; i < t.count(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    t.set(i, double(int64_t(state >> 54)) / 512.0 - 1.0);
  }
  return t;
}
inline std::vector<double> values(const Tensor& t) { return t.to_doubles(); }

/// Whether both have the same length and agree within `tolerance`, relative above 1. NaN equals NaN.
inline bool close(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-6) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i]) continue;
    if (!(std::fabs(a[i] - b[i]) <= tolerance * std::fmax(1.0, std::fabs(b[i])))) return false;
  }
  return true;
}
inline bool close(const Tensor& a, const std::vector<double>& b, double tolerance = 1e-6) {
  return close(a.to_doubles(), b, tolerance);
}

/// One node over graph inputs and constants.
struct OneNode {
  ir::Graph graph;
  ir::NodeId node = 0;
  /// Shape text of output `i`, e.g. "[n, 3]".
  std::string shape(size_t i = 0) {
    const ir::Value& v = graph.value(graph.node(node).outputs.at(i));
    return InferContext(graph, node).text(v.shape);
  }
  DType dtype(size_t i = 0) const { return graph.value(graph.node(node).outputs.at(i)).dtype; }
  /// Elements known to shape inference, as text, or "unknown".
  std::string contents(size_t i = 0) {
    const ir::Value& v = graph.value(graph.node(node).outputs.at(i));
    return v.contents ? InferContext(graph, node).text(*v.contents) : "unknown";
  }
};

/// An operand of infer_op: a type with a shape written as "n, 3", a constant, contents of an integer vector, or absent.
struct Absent {};
struct Typed {
  DType dtype;
  std::string dims;
};
struct Contents {
  std::string elements;  ///< "n, 3" as an i64 vector
  DType dtype = DType::kI64;
  bool scalar = false;
};
using Operand = std::variant<Absent, Typed, Contents, Tensor>;

inline std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (char ch : text) {
    depth += ch == '(' ? 1 : ch == ')' ? -1 : 0;
    if (ch == ',' && depth == 0) {
      parts.push_back(part);
      part.clear();
    } else if (ch != ' ' || depth > 0) {
      part += ch;
    }
  }
  if (!part.empty()) parts.push_back(part);
  return parts;
}
inline Shape parse_shape(ir::Graph& graph, const std::string& text) {
  Shape shape;
  for (const std::string& s : split(text)) shape.push_back(graph.symbols->parse(s));
  return shape;
}
inline ir::ValueId add_operand(ir::Graph& graph, const Operand& operand) {
  if (const auto* t = std::get_if<Typed>(&operand))
    return graph.add_input(graph.unique_name("x"), t->dtype, parse_shape(graph, t->dims));
  if (const auto* c = std::get_if<Contents>(&operand)) {
    Shape elements = parse_shape(graph, c->elements);
    Shape shape;
    if (!c->scalar) shape.push_back(int64_t(elements.size()));
    ir::ValueId v = graph.add_input(graph.unique_name("x"), c->dtype, std::move(shape));
    graph.value(v).contents = std::move(elements);
    return v;
  }
  if (const auto* t = std::get_if<Tensor>(&operand)) return graph.add_constant(*t);
  return ir::kNone;
}

/// Infers one node.
inline OneNode infer_op(const std::string& op, const std::vector<Operand>& operands, ir::Attrs attrs = {},
                        size_t outputs = 1) {
  OneNode one;
  std::vector<ir::ValueId> inputs;
  for (const Operand& o : operands) inputs.push_back(add_operand(one.graph, o));
  one.node = one.graph.add_node(op, std::move(inputs), std::move(attrs), outputs, "node");
  infer_node(one.graph, one.node);
  return one;
}
/// What an inference throws, or "" if it succeeds.
inline std::string infer_error(const std::string& op, const std::vector<Operand>& operands, ir::Attrs attrs = {},
                               size_t outputs = 1) {
  try {
    infer_op(op, operands, std::move(attrs), outputs);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

/// Infers and evaluates one node; an undefined tensor is an absent input. Throws if the inferred type of an output
/// differs from the computed one.
inline std::vector<Tensor> run_op_n(const std::string& op, std::vector<Tensor> inputs, ir::Attrs attrs, size_t outputs) {
  std::vector<Operand> operands;
  for (const Tensor& t : inputs)
    if (t.defined()) operands.push_back(Typed{t.dtype(), join(t.dims(), ", ")});
    else operands.push_back(Absent{});
  OneNode one = infer_op(op, operands, std::move(attrs), outputs);
  const ir::Node& node = one.graph.node(one.node);
  std::vector<DType> types;
  for (ir::ValueId v : node.outputs) types.push_back(one.graph.value(v).dtype);
  std::vector<Tensor> results = eval_node(node, std::move(inputs), types);
  for (size_t i = 0; i < outputs; ++i) {
    const ir::Value& v = one.graph.value(node.outputs[i]);
    if (find_op(op).data_dependent) continue;
    require(ir::to_shape(results[i].dims()) == v.shape && results[i].dtype() == v.dtype, ErrorCode::kInternal, "output ", i,
            " of ", op, " is ", ir::name(results[i].dtype()), results[i].dims(), ", inferred ", ir::name(v.dtype),
            one.shape(i));
  }
  return results;
}
inline Tensor run_op(const std::string& op, std::vector<Tensor> inputs, ir::Attrs attrs = {}) {
  return run_op_n(op, std::move(inputs), std::move(attrs), 1)[0];
}

/// An ONNX node for import rules, without a file. Attributes are set by type.
class FakeImport final : public ImportContext {
 public:
  using Value = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                             std::vector<std::string>, Tensor, DType>;
  FakeImport(std::string op, int opset, std::vector<Operand> operands, std::map<std::string, Value> attrs = {},
             size_t outputs = 1, std::string domain = "")
      : op_(std::move(op)), domain_(std::move(domain)), opset_(opset), outputs_(outputs, ir::kNone),
        attrs_(std::move(attrs)) {
    for (const Operand& o : operands) inputs_.push_back(add_operand(graph_, o));
  }
  const onnx::Node& node() const override { tenon::fail(ErrorCode::kInternal, "no ONNX node behind a test"); }
  std::string_view node_op() const override { return op_; }
  int opset() const override { return opset_; }
  ir::Graph& graph() override { return graph_; }
  size_t input_count() const override { return inputs_.size(); }
  size_t output_count() const override { return outputs_.size(); }
  ir::ValueId input(size_t i) const override { return inputs_.at(i); }
  bool has_attr(std::string_view name) const override { return attrs_.count(std::string(name)) != 0; }
  int64_t attr_int(std::string_view name, int64_t fallback) const override { return get(name, fallback); }
  float attr_float(std::string_view name, float fallback) const override { return get(name, fallback); }
  std::string attr_string(std::string_view name, std::string_view fallback) const override {
    return get(name, std::string(fallback));
  }
  std::vector<int64_t> attr_ints(std::string_view name, std::vector<int64_t> fallback) const override {
    return get(name, std::move(fallback));
  }
  std::vector<float> attr_floats(std::string_view name, std::vector<float> fallback) const override {
    return get(name, std::move(fallback));
  }
  std::vector<std::string> attr_strings(std::string_view name) const override {
    return get(name, std::vector<std::string>());
  }
  std::optional<Tensor> attr_tensor(std::string_view name) const override {
    if (!has_attr(name)) return std::nullopt;
    return get(name, Tensor());
  }
  DType attr_dtype(std::string_view name, DType fallback) const override { return get(name, fallback); }
  std::shared_ptr<ir::Graph> attr_graph(std::string_view, std::vector<ir::ValueId>&) override {
    tenon::fail(ErrorCode::kInternal, "no body graph behind a test");
  }
  std::vector<ir::ValueId> add_n(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs,
                                 size_t outputs) override {
    ir::NodeId n = graph_.add_node(std::string(op), std::move(inputs), std::move(attrs), outputs);
    infer_node(graph_, n);
    return graph_.node(n).outputs;
  }
  void output(size_t i, ir::ValueId v) override { outputs_.at(i) = v; }

  /// Applies the rule. Throws if there is none.
  FakeImport& import() {
    const OnnxRule* rule = find_onnx_rule(domain_, op_, opset_);
    require(rule != nullptr, ErrorCode::kUnsupported, "no rule for ", op_, " at opset ", opset_);
    rule->import(*this);
    for (ir::ValueId v : outputs_)
      if (v != ir::kNone) graph_.outputs.push_back(v);
    return *this;
  }
  /// Names of the nodes made, in order, e.g. "MatMul Add".
  std::string ops() const {
    std::string text;
    for (ir::NodeId n = 0; n < graph_.node_count(); ++n) text += (n ? " " : "") + graph_.node(n).op;
    return text;
  }
  std::string shape(size_t i = 0) {
    std::string text;
    for (Dim d : graph_.value(outputs_.at(i)).shape) text += (text.empty() ? "" : ", ") + graph_.symbols->text(d);
    return "[" + text + "]";
  }
  ir::ValueId output_value(size_t i = 0) const { return outputs_.at(i); }
  /// Evaluates the imported graph; `inputs` for the operands that are not constants.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs, bool in_double = false) {
    return eval_graph(graph_, inputs, in_double);
  }

 private:
  template <class T>
  T get(std::string_view name, T fallback) const {
    auto it = attrs_.find(std::string(name));
    return it == attrs_.end() ? fallback : std::get<T>(it->second);
  }
  std::string op_, domain_;
  int opset_;
  ir::Graph graph_;
  std::vector<ir::ValueId> inputs_, outputs_;
  std::map<std::string, Value> attrs_;
};

/// What importing throws, or "" if it succeeds.
inline std::string import_error(FakeImport import) {
  try {
    import.import();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}
/// Imports an operator all of whose operands are given as tensors, and evaluates it.
inline std::vector<Tensor> run_onnx(const std::string& op, int opset, const std::vector<Tensor>& inputs,
                                    std::map<std::string, FakeImport::Value> attrs = {}, size_t outputs = 1,
                                    std::string domain = "") {
  std::vector<Operand> operands;
  for (const Tensor& t : inputs)
    if (t.defined()) operands.push_back(t);
    else operands.push_back(Absent{});
  return FakeImport(op, opset, std::move(operands), std::move(attrs), outputs, std::move(domain)).import().run({});
}

}  // namespace tenon::ops::trial
