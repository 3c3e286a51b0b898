#include "runtime/concretize.h"

#include "base/checked.h"
#include "ops/op.h"

namespace tenon::runtime {
namespace {

constexpr int64_t kFoldLimit = 1 << 16;  // elements; larger results are left to kernels

// Turns outputs whose elements are all known numbers into constants.
bool fold_contents(ir::Graph& g, const ir::Node& node) {
  bool all = true;
  for (ir::ValueId v : node.outputs) {
    if (v == ir::kNone) continue;
    ir::Value& value = g.value(v);
    if (value.constant) continue;
    if (!value.contents || !ir::is_static(*value.contents) || !ir::is_static(value.shape)) {
      all = false;
      continue;
    }
    const auto ints = ir::static_dims(*value.contents);
    value.constant = ir::Tensor::of<int64_t>(value.dtype, ir::static_dims(value.shape), ints);
  }
  return all;
}

bool inputs_constant(const ir::Graph& g, const ir::Node& node) {
  for (ir::ValueId v : node.inputs)
    if (v != ir::kNone && !g.value(v).constant) return false;
  return true;
}

void evaluate(ir::Graph& g, const ir::Node& node) {
  std::vector<ir::Tensor> args;
  std::vector<ir::DType> types;
  for (ir::ValueId v : node.inputs) args.push_back(v == ir::kNone ? ir::Tensor() : *g.value(v).constant);
  for (ir::ValueId v : node.outputs) types.push_back(v == ir::kNone ? ir::DType::kUndefined : g.value(v).dtype);
  auto results = ops::eval_node(node, std::move(args), std::move(types));
  for (size_t i = 0; i < results.size(); ++i) {
    if (node.outputs[i] == ir::kNone) continue;
    ir::Value& value = g.value(node.outputs[i]);
    value.shape = ir::to_shape(results[i].dims());
    value.constant = std::move(results[i]);
  }
}

/// Infers the node. Throws where it is given more outputs than its operator has: their types would be anything.
void infer_outputs(ir::Graph& g, ir::NodeId n) {
  const std::vector<ir::ValueId> outputs = g.node(n).outputs;
  for (ir::ValueId v : outputs)
    if (v != ir::kNone) g.value(v).dtype = ir::DType::kUndefined;
  ops::infer_node(g, n);
  for (size_t i = 0; i < outputs.size(); ++i)
    require(outputs[i] == ir::kNone || g.value(outputs[i]).dtype != ir::DType::kUndefined, ErrorCode::kInvalidModel,
            "node '", g.node(n).name, "' (", g.node(n).op, ") has no output ", i);
}

/// Throws naming the node if an output's bytes do not fit 64 bits.
void check_sizes(const ir::Graph& g, const ir::Node& node) {
  for (ir::ValueId v : node.outputs) {
    if (v == ir::kNone || !g.value(v).ranked || !ir::is_static(g.value(v).shape)) continue;
    try {
      ir::storage_bytes(g.value(v).dtype, checked_product(ir::static_dims(g.value(v).shape)));
    } catch (const Error& e) {
      throw e.at(cat("node '", node.name, "' (", node.op, ")"));
    }
  }
}

}  // namespace

bool foldable(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ops::OpDef& op = ops::find_op(node.op);
  if (op.random || !op.eval || !inputs_constant(g, node)) return false;
  for (ir::ValueId v : node.outputs) {
    if (v == ir::kNone) continue;
    const ir::Value& value = g.value(v);
    if (op.data_dependent) continue;
    if (!value.ranked || !ir::is_static(value.shape)) return false;
    int64_t count = 1;
    for (ir::Dim d : value.shape)
      if (__builtin_mul_overflow(count, d.constant(), &count) || count > kFoldLimit) return false;
  }
  return true;
}

ConcreteGraph concretize(const ir::Graph& source, const std::vector<ir::Dims>& input_dims,
                         const std::map<ir::ValueId, ir::Tensor>& values) {
  require(input_dims.size() == source.inputs.size(), ErrorCode::kInternal, "one set of dims for each input is needed");
  ConcreteGraph result{source.clone(), {}, true};  // with bodies of its own, which get the sizes too
  ir::Graph& g = result.graph;
  for (size_t i = 0; i < input_dims.size(); ++i) g.value(g.inputs[i]).shape = ir::to_shape(input_dims[i]);
  for (const auto& [v, tensor] : values)
    g.value(v).contents = [&] {
      const auto ints = tensor.to_ints();
      return std::vector<ir::Dim>(ints.begin(), ints.end());
    }();
  const auto order = g.topological_order();
  std::vector<bool> computed(g.node_count(), false);
  for (ir::NodeId n : order) {
    infer_outputs(g, n);
    check_sizes(g, g.node(n));
    if (fold_contents(g, g.node(n))) {
      computed[n] = true;
    } else if (!g.node(n).inputs.empty() && foldable(g, n)) {
      evaluate(g, g.node(n));
      computed[n] = true;
    }
  }
  std::vector<bool> needed(g.node_count(), false);
  for (ir::ValueId v : g.outputs)
    if (g.producer(v) && !g.value(v).constant) needed[g.value(v).producer] = true;
  for (size_t i = order.size(); i-- > 0;) {
    const ir::NodeId n = order[i];
    if (computed[n] || !needed[n]) continue;
    for (ir::ValueId v : g.node(n).inputs)
      if (v != ir::kNone && g.producer(v) && !g.value(v).constant) needed[g.value(v).producer] = true;
  }
  for (ir::NodeId n : order) {
    if (!needed[n] || computed[n]) continue;
    result.order.push_back(n);
    for (ir::ValueId v : g.node(n).outputs)
      if (v != ir::kNone && !ir::is_static(g.value(v).shape)) result.fully_static = false;
  }
  return result;
}

}  // namespace tenon::runtime
