// Convolutions and products take 8-bit operands where the ranges of their operands are known:
//
//   conv(x, w) = conv(dequantize(quantize(x, s)), dequantize(quantize(w, t)))    t = max |w| / 127 an output channel
//
// `s` comes from the options, by the name of x. Operands are rounded before anything else changes the graph, because
// later passes give values other contents under the same name; weights after all that folds into them.
#include "ops/quant/quantize.h"
#include "ops/nn/conv_transpose.h"
#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "passes/fold.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr float kLargest = 127;  ///< quantized values lie in [-127, 127]

bool weighted_op(const ir::Node& node) {
  return node.op == "Conv" || node.op == "ConvTranspose" || node.op == "MatMul";
}

bool is_f32(const ir::Graph& g, ir::ValueId v) { return v != ir::kNone && g.value(v).dtype == ir::DType::kF32; }

/// By default the activations of nodes with constant weights; every operand of a node that asks for i8.
bool rounds(const ir::Graph& g, const ir::Node& node, size_t i, std::optional<ir::DType> asked) {
  if (!is_f32(g, node.inputs[i]) || g.constant(node.inputs[i])) return false;
  if (asked) return *asked == ir::DType::kI8;
  return i == 0 && weighted_op(node) && node.inputs.size() > 1 && g.constant(node.inputs[1]);
}

/// dequantize(quantize(v, scale)) as two typed nodes; `axis` of a scale with more than one element. `origin` is a copy,
/// because nodes move when others are added.
ir::ValueId rounded(ir::Graph& g, ir::ValueId v, ir::Tensor scale, int64_t axis, std::string origin) {
  const std::string name = g.value(v).name;
  const ir::ValueId s = g.add_constant(std::move(scale), g.unique_name(cat(name, ".scale")));
  record_constant(g, s);
  auto add = [&](const char* op, ir::ValueId x, ir::DType to, const char* suffix) {
    ops::QuantizeAttrs attrs;
    attrs.to = to;
    attrs.axis = axis;
    const ir::NodeId n = g.add_node(op, {x, s}, attrs, 1, cat(name, suffix));
    if (!origin.empty()) g.node(n).origin = origin;
    ops::infer_node(g, n);
    return g.node(n).outputs[0];
  };
  const ir::ValueId q = add("QuantizeLinear", v, ir::DType::kI8, ".i8");
  return add("DequantizeLinear", q, ir::DType::kF32, ".of_i8");
}

/// The axis of w's output channels, or -1 where one scale serves all.
int64_t channel_axis(const ir::Node& node, size_t rank) {
  if (node.op == "Conv") return 0;
  if (node.op == "ConvTranspose") return node.attrs.as<ops::ConvTransposeAttrs>().group == 1 ? 1 : -1;
  if (rank != 2) return -1;
  return node.attrs.as<ops::MatMulAttrs>().transpose_b ? 0 : 1;
}

ir::Tensor weight_scale(const ir::Tensor& w, int64_t axis) {
  const ir::Dims& dims = w.dims();
  const int64_t channels = axis < 0 ? 1 : dims[size_t(axis)];
  int64_t inner = 1;
  for (size_t i = axis < 0 ? dims.size() : size_t(axis) + 1; i < dims.size(); ++i) inner *= dims[i];
  std::vector<float> most(size_t(channels), 0.0f);
  const float* p = w.as<float>();
  for (int64_t i = 0; i < w.count(); ++i) {
    float& m = most[size_t(axis < 0 ? 0 : i / inner % channels)];
    m = std::max(m, std::abs(p[i]));
  }
  ir::Tensor scale(ir::DType::kF32, axis < 0 ? ir::Dims{} : ir::Dims{channels});
  for (int64_t i = 0; i < channels; ++i)
    scale.mutable_as<float>()[i] = most[size_t(i)] > 0 ? most[size_t(i)] / kLargest : 1;
  return scale;
}

void round_weights(ir::Graph& g, ir::NodeId n, int64_t limit) {
  const ir::ValueId w = g.node(n).inputs[1];
  const int64_t axis = channel_axis(g.node(n), g.constant(w)->dims().size());
  const ir::ValueId out = rounded(g, w, weight_scale(*g.constant(w), axis), axis, g.node(n).origin);
  g.set_input(n, 1, out);
  const ir::NodeId dequantize = g.value(out).producer;
  if (fold_node(g, g.value(g.node(dequantize).inputs[0]).producer, limit)) fold_node(g, dequantize, limit);
}

}  // namespace

int quantize(ir::Graph& graph, PassContext& context) {
  const auto& scales = context.options().scales;
  if (scales.empty()) return 0;
  std::map<ir::ValueId, ir::ValueId> done;
  int count = 0;
  for (ir::NodeId n : graph.topological_order()) {
    if (graph.node(n).outputs.empty() || !is_f32(graph, graph.node(n).outputs[0])) continue;
    const auto asked = asked_type(context.options(), graph.node(n));
    bool changed = false;
    for (size_t i = 0; i < graph.node(n).inputs.size(); ++i) {
      if (!rounds(graph, graph.node(n), i, asked)) continue;
      const ir::ValueId v = graph.node(n).inputs[i];
      const auto scale = scales.find(graph.value(v).name);
      if (scale == scales.end() || !(scale->second > 0)) continue;
      ir::ValueId& out = done.try_emplace(v, ir::kNone).first->second;
      if (out == ir::kNone) out = rounded(graph, v, ir::Tensor::scalar_f32(scale->second), 1, "");
      graph.set_input(n, i, out);
      changed = true;
    }
    if (changed) context.note(graph.node(n), "takes i8"), ++count;
  }
  return count;
}

int quantize_weights(ir::Graph& graph, PassContext& context) {
  if (context.options().scales.empty()) return 0;
  int count = 0;
  for (ir::NodeId n : graph.topological_order()) {
    const ir::Node& node = graph.node(n);
    if (!weighted_op(node) || node.inputs.size() < 2) continue;
    const ir::Tensor* w = graph.constant(node.inputs[1]);
    if (!w || w->dtype() != ir::DType::kF32 || w->dims().size() < 2) continue;
    if (!made_by(graph, node.inputs[0], "DequantizeLinear")) continue;
    round_weights(graph, n, context.options().fold_limit);
    context.note(graph.node(n), "weights are rounded to i8");
    ++count;
  }
  return count;
}

}  // namespace tenon::passes
