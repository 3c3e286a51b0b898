#include "ops/trt/raise_trial.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace tenon::ops::trt {

std::string ops_of(const ir::Graph& graph) {
  std::string all;
  for (ir::NodeId n : graph.topological_order()) all += cat(all.empty() ? "" : " ", graph.node(n).op);
  return all;
}

/// A node as its layers; a batch normalization as its scale.
void expand(ir::Graph& graph, ir::NodeId n, const LayerSet& there, Expansions& expansions) {
  if (const auto scale = scale_of(graph, graph.node(n))) {
    graph.node(n).op = "trt.Scale";
    graph.node(n).attrs = *scale;
    graph.set_inputs(n, {graph.node(n).inputs[0]});
    return;
  }
  const std::vector<ValueId> before = graph.node(n).outputs;
  int64_t regions = 0;
  auto made = expand_node(graph, n, there, regions);
  if (!made) return;
  for (size_t i = 0; i < before.size(); ++i)
    if (before[i] != ir::kNone) expansions.replace(before[i], made->results[i]);
  expansions.add(std::move(*made));
}

std::vector<Tensor> lowered_results(ir::Graph graph, const std::vector<Tensor>& inputs) {
  infer(graph);
  lower(graph);
  return eval_graph(graph, inputs, false);
}

/// Checks layers of a graph's nodes, and that they and what they fold to compute what the graph does.
void check_graph(ir::Graph& graph, const std::vector<Tensor>& inputs, const Case& test) {
  const std::vector<Tensor> before = eval_graph(graph, inputs, false);
  const std::string imported_ops = ops_of(graph);
  const auto imported = static_cast<ir::NodeId>(graph.node_count());
  Expansions expansions;
  bool raised = false;
  for (ir::NodeId n = 0; n < imported; ++n) {
    if ((test.one_layer || graph.node(n).op != test.op) && raise_node(graph, n))
      raised = true;
    else
      expand(graph, n, {.level = test.level}, expansions);
  }
  if (!test.layers.empty()) CHECK(ops_of(graph) == test.layers);
  for (ir::NodeId n = 0; n < imported; ++n)
    CHECK((!graph.node(n).alive || graph.node(n).op != test.op || test.layers == test.op));
  graph.check_links();
  ir::Graph folded = graph.clone();
  expansions.fold(folded, [](ValueId) { return false; });
  folded.check_links();
  if (!raised && test.layers != "trt.Scale") CHECK(ops_of(folded) == imported_ops);
  for (const std::vector<Tensor>& after :
       {lowered_results(graph.clone(), inputs), lowered_results(std::move(folded), inputs)}) {
    REQUIRE(after.size() == before.size());
    for (size_t i = 0; i < after.size(); ++i) {
      CHECK(after[i].dtype() == before[i].dtype());
      CHECK(after[i].dims() == before[i].dims());
      CHECK(trial::close(after[i], before[i].to_doubles(), test.tolerance));
    }
  }
}

/// Imports an operator, raises each node, and compares what the layers lower to with what was imported.
void check(const Case& test) {
  const std::string op = test.op;
  CAPTURE(op);
  FakeImport source(test.op, test.opset, test.operands, test.attrs, test.outputs);
  source.import();
  ir::Graph& graph = source.graph();
  for (size_t i = 0; i < test.outputs; ++i) graph.outputs.push_back(source.output_value(i));
  std::vector<Tensor> inputs;
  for (ValueId v : graph.inputs) {
    ir::Dims dims;
    for (const ir::Dim& d : graph.value(v).shape) dims.push_back(d.is_const() ? d.constant() : 2);
    const auto given = test.feeds.find(inputs.size());
    inputs.push_back(given != test.feeds.end() ? given->second : trial::noise(dims, 3 + v, graph.value(v).dtype));
  }
  check_graph(graph, inputs, test);
}

}  // namespace tenon::ops::trt
