// Inputs that the whole batch shares, for plugins that want them once for each of its elements.
#include "nvinfer/plugin_op.h"
#include "ops/op.h"

namespace tenon::nvinfer {
namespace {

/// `v`, whose leading dimension is 1, with that of `other`.
ir::ValueId with_batch_of(ir::Graph& graph, ir::ValueId v, ir::ValueId other, const std::string& layer) {
  const std::string name = cat(layer, "_batch");
  auto add = [&](const char* op, std::vector<ir::ValueId> inputs, ir::Attrs attrs) {
    const ir::NodeId n = graph.add_node(op, std::move(inputs), std::move(attrs), 1, name);
    ops::infer_node(graph, n);
    return graph.node(n).outputs[0];
  };
  ir::Attrs leading(ops::find_op("Shape").attrs);
  leading.find("end")->of<int64_t>(leading.edit_data()) = 1;
  ir::ValueId dims = add("Shape", {other}, std::move(leading));
  const size_t rank = graph.value(v).shape.size();
  if (rank > 1) {
    const ir::ValueId ones = graph.add_constant(ir::Tensor::vector_i64(ir::Dims(rank - 1, 1)));
    dims = add("Concat", {dims, ones}, ir::Attrs(ops::find_op("Concat").attrs));
  }
  return add("Expand", {v, dims}, ir::Attrs(ops::find_op("Expand").attrs));
}

}  // namespace

void repeat_shared_inputs(ir::Graph& graph, ir::NodeId node, const PluginObject& object, size_t inputs) {
  const std::vector<ir::ValueId> given = graph.node(node).inputs;
  auto shared = [&](size_t i) {
    const ir::Shape& shape = graph.value(given[i]).shape;
    return !shape.empty() && shape[0] == 1;
  };
  size_t whole = 0;
  while (whole < inputs && (given[whole] == ir::kNone || shared(whole))) ++whole;
  if (whole == inputs) return;  // there is one element, or none has a batch
  for (size_t i = 0; i < inputs; ++i) {
    if (given[i] == ir::kNone || !shared(i) || object.takes_once(static_cast<int32_t>(i))) continue;
    graph.set_input(node, i, with_batch_of(graph, given[i], given[whole], graph.node(node).name));
  }
}

}  // namespace tenon::nvinfer
