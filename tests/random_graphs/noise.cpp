#include "noise.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace tenon::random_graphs {

double Noise::relative(DType type) {
  return type == DType::kF16                         ? 1 << 13
         : type == DType::kBF16                      ? 1 << 16
         : ir::is_float(type) && ir::bits(type) <= 8 ? 1 << 20
                                                     : 1;
}

Tensor Noise::move(const Tensor& t, DType type) {
  if (!ir::is_float(t.dtype())) return t;
  Tensor y(t.dtype(), t.dims());
  const double size = std::max(narrow_, size_ * std::min(relative(type), 1e-2 / size_));
  for (int64_t i = 0; i < t.count(); ++i) y.set(i, t.get(i) * (1 + size * (2 * draw_.unit() - 1)));
  if (ir::bits(type) <= 16) y = y.cast(type).cast(t.dtype());  // where numbers are coarse, some meet
  return y;
}

std::vector<Tensor> evaluate_graph(const ir::Graph& graph, const std::vector<Tensor>& inputs, Noise* noise) {
  const auto widened = [](DType t) { return ir::is_float(t) ? DType::kF64 : t; };
  std::vector<Tensor> values(graph.value_count());
  for (ir::ValueId v = 0; v < graph.value_count(); ++v)
    if (const Tensor* c = graph.constant(v)) values[v] = c->cast(widened(c->dtype()));
  for (size_t i = 0; i < inputs.size(); ++i) values[graph.inputs[i]] = inputs[i].cast(widened(inputs[i].dtype()));
  for (ir::NodeId n : graph.topological_order()) {
    const ir::Node& node = graph.node(n);
    std::vector<Tensor> args;
    std::vector<DType> types;
    for (ir::ValueId v : node.inputs) {
      args.push_back(v == ir::kNone ? Tensor() : values[v]);
      if (noise && v != ir::kNone && !graph.constant(v)) args.back() = noise->move(args.back(), graph.value(v).dtype);
    }
    for (ir::ValueId v : node.outputs)
      types.push_back(v == ir::kNone ? DType::kUndefined : widened(graph.value(v).dtype));
    auto results = ops::eval_node(node, std::move(args), std::move(types));
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (const ir::ValueId v = node.outputs[i]; v != ir::kNone)
        values[v] = noise ? noise->move(results[i], graph.value(v).dtype) : results[i];
  }
  std::vector<Tensor> out;
  for (ir::ValueId v : graph.outputs) out.push_back(values[v]);
  return out;
}

}  // namespace tenon::random_graphs
