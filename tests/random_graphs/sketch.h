// A network under construction. A node is taken only if it can be evaluated with every set of sizes, its results are of
// moderate magnitude, and no result jumps when operands move a little: what is wrong with an engine is then an error of
// the engine, not of the network.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "case.h"

namespace tenon::random_graphs {

/// What the network computes at one place.
struct Value {
  std::string name;
  DType dtype = DType::kUndefined;
  bool constant = false;
  double roughness = 1;                    ///< Noise::relative of the coarsest type that it comes from
  std::vector<Tensor> at;                  ///< [binding], floating-point numbers as f64
  std::vector<std::vector<Tensor>> moved;  ///< [sample][binding]: the same after every operand was moved a little
};

/// Thrown where a node cannot be had.
struct Rejected {
  std::string why;
};

class Sketch {
 public:
  explicit Sketch(uint64_t seed);

  Draw draw;
  int64_t opset = 17;

  const Value& value(const std::string& name) const { return values_.at(index_.at(name)); }
  DType dtype(const std::string& name) const { return value(name).dtype; }
  /// Dims; -1 where they differ among the bindings.
  Dims shape(const std::string& name) const;
  int64_t rank(const std::string& name) const { return int64_t(value(name).at[0].dims().size()); }

  /// A value that fits, a late one rather than an early one. Throws Rejected if there is none.
  std::string pick(const std::function<bool(const Value&)>& fits);
  std::string pick_float(int64_t least_rank = 0, int64_t most_rank = 6);
  /// Another value of the same type whose dims broadcast with those of `x`, else a constant.
  std::string pick_partner(const std::string& x);
  bool broadcasts(const std::string& a, const std::string& b) const;

  std::string constant(Tensor t);
  std::string ints(const Dims& values) { return constant(Tensor::vector_i64(values)); }
  std::string number(DType type, double value);
  /// Normal numbers times `scale` plus `shift`; integers are rounded.
  std::string weights(DType type, Dims dims, double scale = 1, double shift = 0);
  /// Dims that broadcast with `shape`: some are 1, leading ones may be missing.
  Dims broadcast_dims(const Dims& shape);
  int64_t channels();  ///< a number of channels or features to make

  /// Adds a node and returns the names of its outputs.
  std::vector<std::string> add_n(const std::string& op, std::vector<std::string> inputs,
                                 std::vector<onnx::Attribute> attributes, size_t outputs, std::string domain = {});
  std::string add(const std::string& op, std::vector<std::string> inputs, std::vector<onnx::Attribute> attributes = {},
                  std::string domain = {}) {
    return add_n(op, std::move(inputs), std::move(attributes), 1, std::move(domain))[0];
  }
  std::string fresh(const std::string& stem) { return stem + std::to_string(names_++); }

  size_t node_count() const { return case_.model.graph.nodes.size(); }
  Case finish();

 private:
  struct Trial;
  void draw_inputs();
  void add_input(DType dtype, const std::vector<int>& symbols, const Dims& sizes);
  void evaluate(const onnx::Node& node, std::vector<Value>& results);
  void take(const onnx::Node& node, std::vector<Value> results);
  bool row_wise() const;

  Case case_;
  std::vector<Value> values_;
  std::map<std::string, size_t> index_;
  std::map<std::string, Tensor> constants_;  // those that nodes may still take
  std::vector<Dims> sizes_;                  // [binding][symbol]
  size_t names_ = 0;
  bool large_ = false;  // more channels, and values of more elements
};

/// One kind of node, or a group of nodes that passes look for.
struct Operator {
  const char* name;
  int weight;
  void (*add)(Sketch&);
};

std::span<const Operator> pointwise_operators();
std::span<const Operator> compute_operators();
std::span<const Operator> reduce_operators();
std::span<const Operator> movement_operators();
std::span<const Operator> indexing_operators();
std::span<const Operator> quantized_operators();
std::span<const Operator> control_operators();
std::span<const Operator> rare_operators();
std::span<const Operator> structures();
std::span<const Operator> blocks_of_layers();

/// How often each operator was asked for and taken, and why not the last time.
struct Tally {
  struct Row {
    uint64_t asked = 0, taken = 0;
    std::string why;
  };
  std::map<std::string, Row> rows;
};

/// The case of a seed. `only`: the one operator to draw, with nothing before it but inputs; empty for all.
Case generate(uint64_t seed, const std::string& only = {}, Tally* tally = nullptr);

}  // namespace tenon::random_graphs
