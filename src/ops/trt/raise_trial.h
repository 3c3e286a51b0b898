// Layers of operators in unit tests: what they lower to computes the same. Included by *_test.cpp files only; defined
// in raise_trial_test.cpp.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ops/trial.h"
#include "ops/trt/expand.h"
#include "ops/trt/raise.h"

namespace tenon::ops::trt {

using trial::FakeImport;
using trial::Operand;
using trial::Typed;

constexpr DType kF32 = DType::kF32;

struct Case {
  const char* op;
  std::string layers;  ///< of the nodes that the import makes; empty: whichever, but not the operator
  std::vector<Operand> operands;
  std::map<std::string, FakeImport::Value> attrs = {};
  size_t outputs = 1;
  int opset = 18;
  std::map<size_t, Tensor> feeds = {};  ///< of inputs that are not random
  int level = 11;
  double tolerance = 1e-6;
  bool one_layer = true;  ///< if not, what one layer could do is made of several, as before there was that layer
};

inline Tensor weights(ir::Dims dims) { return trial::noise(std::move(dims), 7); }
/// The operators of a graph, in order.
std::string ops_of(const ir::Graph& graph);
/// A node as its layers; a batch normalization as its scale.
void expand(ir::Graph& graph, ir::NodeId n, const LayerSet& there, Expansions& expansions);
/// Checks layers of a graph's nodes, and that they and what they fold to compute what the graph does.
void check_graph(ir::Graph& graph, const std::vector<Tensor>& inputs, const Case& test);
/// Imports an operator, raises each node, and compares what the layers lower to with what was imported.
void check(const Case& test);

}  // namespace tenon::ops::trt
