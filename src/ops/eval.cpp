#include "ops/node_runner.h"

namespace tenon::ops {

std::vector<Tensor> eval_node(const ir::Node& node, std::vector<Tensor> inputs, std::vector<DType> output_types) {
  const std::string place = cat("node '", node.name, "' (", node.op, ")");
  const OpDef& op = find_op(node.op);
  require(op.eval != nullptr, ErrorCode::kUnsupported, place, ": the operator has no reference");
  try {
    EvalContext context(node, std::move(inputs), std::move(output_types));
    op.eval(context);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      require(node.outputs[i] == ir::kNone || context.outputs[i].defined(), ErrorCode::kInternal, "output ", i,
              " was not computed");
    return std::move(context.outputs);
  } catch (const Error& e) {
    throw e.at(place);
  } catch (const std::exception& e) {
    throw as_error(e, place);
  }
}

namespace {

thread_local NodeRunner* node_runner = nullptr;

/// Throws unless a tensor fits an input's type, or f64 in place of another float, and the dims that are numbers.
void check_fed(const ir::Graph& graph, const ir::Value& v, const Tensor& t) {
  const bool wide = ir::is_float(v.dtype) && t.dtype() == DType::kF64;
  bool fits = (wide || t.dtype() == v.dtype) && (!v.ranked || t.dims().size() == v.shape.size());
  for (size_t i = 0; fits && v.ranked && i < v.shape.size(); ++i)
    fits = !v.shape[i].is_const() || v.shape[i] == t.dims()[i];
  if (fits) return;
  std::string wanted;
  for (Dim d : v.shape) wanted += cat(wanted.empty() ? "" : ", ", graph.symbols->text(d));
  fail(ErrorCode::kShapeMismatch, "input '", v.name, "' is ", t.dtype(), t.dims(), ", accepted is ", v.dtype,
       v.ranked ? cat("[", wanted, "]") : "");
}

}  // namespace

ScopedNodeRunner::ScopedNodeRunner(NodeRunner& runner) : before_(node_runner) { node_runner = &runner; }
ScopedNodeRunner::~ScopedNodeRunner() { node_runner = before_; }

std::vector<Tensor> eval_graph(const ir::Graph& graph, const std::vector<Tensor>& inputs, bool in_double,
                               const std::function<void(ir::ValueId, const Tensor&)>& observe) {
  require(inputs.size() == graph.inputs.size(), ErrorCode::kInvalidArgument, "the graph has ", graph.inputs.size(),
          " inputs, ", inputs.size(), " were given");
  auto widened = [&](DType t) { return in_double && ir::is_float(t) ? DType::kF64 : t; };
  std::vector<Tensor> values(graph.value_count());
  std::vector<size_t> readers(graph.value_count(), 0);
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    readers[v] = graph.users(v).size() + graph.is_output(v);
    if (graph.value(v).constant) values[v] = graph.value(v).constant->cast(widened(graph.value(v).dtype));
  }
  for (size_t i = 0; i < inputs.size(); ++i) check_fed(graph, graph.value(graph.inputs[i]), inputs[i]);
  for (size_t i = 0; i < inputs.size(); ++i) values[graph.inputs[i]] = inputs[i].cast(widened(inputs[i].dtype()));
  for (ir::NodeId n : graph.topological_order()) {
    const ir::Node& node = graph.node(n);
    std::vector<Tensor> args;
    std::vector<DType> types;
    for (ir::ValueId v : node.inputs) args.push_back(v == ir::kNone ? Tensor() : values[v]);
    for (ir::ValueId v : node.outputs)
      types.push_back(v == ir::kNone ? DType::kUndefined : widened(graph.value(v).dtype));
    std::optional<std::vector<Tensor>> done;
    if (node_runner && !in_double) done = node_runner->run(graph, n, args);
    auto results = done ? std::move(*done) : eval_node(node, std::move(args), std::move(types));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      if (observe) observe(node.outputs[i], results[i]);
      values[node.outputs[i]] = std::move(results[i]);
    }
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone && --readers[v] == 0) values[v] = Tensor();
  }
  std::vector<Tensor> out;
  for (ir::ValueId v : graph.outputs) out.push_back(values[v]);
  return out;
}

}  // namespace tenon::ops
