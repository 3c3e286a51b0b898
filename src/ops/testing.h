// Short spellings for operator tests: tensors from lists, one-node graphs, symbolic graphs. Tests only.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace tenon::ops::testing {

inline Tensor numbers(DType type, Dims dims, const std::vector<double>& values) {
  return Tensor::of<double>(type, std::move(dims), values);
}
inline Tensor f32(Dims dims, const std::vector<double>& values) {
  return numbers(DType::kF32, std::move(dims), values);
}
inline Tensor i64(Dims dims, const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>(DType::kI64, std::move(dims), values);
}
inline Tensor i64(const std::vector<int64_t>& values) { return Tensor::vector_i64(values); }
/// 0, 1, 2, … of any numeric type.
inline Tensor iota(DType type, Dims dims) {
  Tensor t(type, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, double(i));
  return t;
}

/// A graph under construction whose types are inferred node by node.
struct Sketch {
  ir::Graph graph;

  /// An input whose dims are written as in "n, 3, (h // 2)".
  ir::ValueId input(DType type, const std::vector<std::string>& dims) {
    Shape shape;
    for (const std::string& d : dims) shape.push_back(graph.symbols->parse(d));
    return graph.add_input(graph.unique_name("in"), type, std::move(shape));
  }
  ir::ValueId constant(Tensor t) { return graph.add_constant(std::move(t)); }
  std::vector<ir::ValueId> op_n(std::string op, std::vector<ir::ValueId> inputs, ir::Attrs attrs, size_t outputs) {
    const ir::NodeId n = graph.add_node(std::move(op), std::move(inputs), std::move(attrs), outputs);
    infer_node(graph, n);
    return graph.node(n).outputs;
  }
  ir::ValueId op(std::string op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    return op_n(std::move(op), std::move(inputs), std::move(attrs), 1)[0];
  }
  std::string text(const Shape& dims) const {
    std::string s;
    for (Dim d : dims) s += cat(s.empty() ? "" : ", ", graph.symbols->text(d));
    return s;
  }
  std::string shape(ir::ValueId v) const { return graph.value(v).ranked ? text(graph.value(v).shape) : "unranked"; }
  std::string contents(ir::ValueId v) const {
    return graph.value(v).contents ? text(*graph.value(v).contents) : "unknown";
  }
};

/// Runs one node on `inputs` (an undefined tensor is an absent input). Shapes and contents are inferred with the inputs
/// constant and with them unknown; throws kInternal where either disagrees with what the reference computes.
inline std::vector<Tensor> run_op(const std::string& op, const ir::Attrs& attrs, const std::vector<Tensor>& inputs,
                                  size_t outputs = 1) {
  std::vector<Tensor> results;
  for (bool constant : {true, false}) {
    Sketch s;
    std::vector<ir::ValueId> args;
    for (const Tensor& t : inputs) {
      if (!t.defined())
        args.push_back(ir::kNone);
      else if (constant)
        args.push_back(s.constant(t));
      else
        args.push_back(s.graph.add_input(s.graph.unique_name("in"), t.dtype(), ir::to_shape(t.dims())));
    }
    const auto values = s.op_n(op, args, attrs, outputs);
    if (constant) {
      std::vector<DType> types;
      for (ir::ValueId v : values) types.push_back(s.graph.value(v).dtype);
      results = eval_node(s.graph.node(s.graph.value(values[0]).producer), inputs, types);
    }
    for (size_t i = 0; i < outputs; ++i) {
      const ir::Value& v = s.graph.value(values[i]);
      require(v.dtype == results[i].dtype(), ErrorCode::kInternal, op, ": inferred type ", v.dtype, ", computed ",
              results[i].dtype());
      if (!v.ranked) continue;
      require(v.shape.size() == results[i].dims().size(), ErrorCode::kInternal, op, ": inferred [", s.shape(values[i]),
              "], computed ", results[i].dims());
      for (size_t d = 0; d < v.shape.size(); ++d)
        require(!v.shape[d].is_const() || v.shape[d] == results[i].dims()[d], ErrorCode::kInternal, op, ": inferred [",
                s.shape(values[i]), "], computed ", results[i].dims());
      if (v.contents && ir::is_static(*v.contents))
        require(ir::static_dims(*v.contents) == results[i].cast(DType::kI64).to_ints(), ErrorCode::kInternal, op,
                ": inferred elements [", s.contents(values[i]), "], computed ", results[i].to_doubles());
    }
  }
  return results;
}

}  // namespace tenon::ops::testing
