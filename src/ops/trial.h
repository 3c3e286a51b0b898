// Runs operators and ONNX import rules in unit tests. Included by *_test.cpp files only; defined in trial_test.cpp.
#pragma once
#include <any>
#include <cmath>
#include <map>
#include <memory>
#include <string>
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
Tensor noise(Dims dims, uint64_t seed = 1, DType dtype = DType::kF32);

/// Whether both have the same length and agree within `tolerance`, relative above 1. NaN equals NaN.
bool close(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-6);
inline bool close(const Tensor& a, const std::vector<double>& b, double tolerance = 1e-6) {
  return close(a.to_doubles(), b, tolerance);
}

/// One node over graph inputs and constants.
struct OneNode {
  ir::Graph graph;
  ir::NodeId node = 0;
  /// Shape text of output `i`, e.g. "[n, 3]".
  std::string shape(size_t i = 0);
  DType dtype(size_t i = 0) const { return graph.value(graph.node(node).outputs.at(i)).dtype; }
  /// Elements known to shape inference, as text, or "unknown".
  std::string contents(size_t i = 0);
};

/// An operand: absent, a type with a shape written as "n, 3", a constant, or an integer vector of known elements.
struct Operand {
  enum class Kind { kAbsent, kTyped, kContents, kConstant } kind = Kind::kAbsent;
  DType dtype = DType::kUndefined;
  std::string text;
  bool scalar = false;
  Tensor tensor;
  Operand() = default;
  Operand(Tensor t) : kind(t.defined() ? Kind::kConstant : Kind::kAbsent), tensor(std::move(t)) {}  // NOLINT: implicit
};
inline Operand Absent() { return {}; }
Operand Typed(DType dtype, std::string dims);
Operand Contents(std::string elements, DType dtype = DType::kI64, bool scalar = false);

ir::ValueId add_operand(ir::Graph& graph, const Operand& operand);

/// Infers one node.
OneNode infer_op(const std::string& op, const std::vector<Operand>& operands, ir::Attrs attrs = {}, size_t outputs = 1);
/// What an inference throws, or "" if it succeeds.
std::string infer_error(const std::string& op, const std::vector<Operand>& operands, ir::Attrs attrs = {},
                        size_t outputs = 1);

/// Infers and evaluates one node; an undefined tensor is an absent input. Throws if the inferred type of an output
/// differs from the computed one.
std::vector<Tensor> run_op_n(const std::string& op, std::vector<Tensor> inputs, ir::Attrs attrs, size_t outputs);
inline Tensor run_op(const std::string& op, std::vector<Tensor> inputs, ir::Attrs attrs = {}) {
  return run_op_n(op, std::move(inputs), std::move(attrs), 1)[0];
}

/// An ONNX node for import rules, without a file. Attributes are set by type.
class FakeImport final : public ImportContext {
 public:
  /// An attribute. Asking for another kind than was given throws.
  struct Value {
    std::any any;
    Value(int64_t v) : any(v) {}                              // NOLINT: implicit
    Value(int v) : any(int64_t(v)) {}                         // NOLINT
    Value(float v) : any(v) {}                                // NOLINT
    Value(const char* v) : any(std::string(v)) {}             // NOLINT
    Value(std::vector<int64_t> v) : any(std::move(v)) {}      // NOLINT
    Value(std::vector<float> v) : any(std::move(v)) {}        // NOLINT
    Value(std::vector<std::string> v) : any(std::move(v)) {}  // NOLINT
    Value(Tensor v) : any(std::move(v)) {}                    // NOLINT
    Value(DType v) : any(v) {}                                // NOLINT
  };
  FakeImport(std::string op, int opset, const std::vector<Operand>& operands, std::map<std::string, Value> attrs = {},
             size_t outputs = 1, std::string domain = "");
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
  std::shared_ptr<ir::Graph> attr_graph(std::string_view, std::vector<ir::ValueId>&,
                                        std::span<const BodyInput>) override {
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
  FakeImport& import();
  /// Names of the nodes made, in order, e.g. "MatMul Add".
  std::string ops() const;
  std::string shape(size_t i = 0);
  ir::ValueId output_value(size_t i = 0) const { return outputs_.at(i); }
  /// Evaluates the imported graph; `inputs` for the operands that are not constants.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs, bool in_double = false) {
    return eval_graph(graph_, inputs, in_double);
  }

 private:
  template <class T>
  T get(std::string_view name, T fallback) const {
    auto it = attrs_.find(std::string(name));
    return it == attrs_.end() ? fallback : std::any_cast<T>(it->second.any);
  }
  std::string op_, domain_;
  int opset_;
  ir::Graph graph_;
  std::vector<ir::ValueId> inputs_, outputs_;
  std::map<std::string, Value> attrs_;
};

/// What importing throws, or "" if it succeeds.
std::string import_error(FakeImport import);
/// Imports an operator all of whose operands are given as tensors, and evaluates it.
std::vector<Tensor> run_onnx(const std::string& op, int opset, const std::vector<Tensor>& inputs,
                             std::map<std::string, FakeImport::Value> attrs = {}, size_t outputs = 1,
                             std::string domain = "");

}  // namespace tenon::ops::trial
