#include "runtime/expand.h"

#include <algorithm>
#include <optional>
#include <span>

#include "ir/patch.h"
#include "ops/fused/conv_excite.h"
#include "ops/fused/expand_depthwise.h"
#include "ops/fused/pointwise.h"
#include "ops/fused/scaled_conv.h"
#include "ops/fused/squeeze_excite.h"
#include "ops/nn/conv.h"
#include "ops/nn/pool.h"
#include "ops/op.h"
#include "ops/shape/transpose.h"

namespace tenon::runtime {
namespace {

/// A convolution of channels-last tensors without a window, over `spatial` axes.
ops::ConvAttrs product(size_t spatial, const std::string& epilogue) {
  ops::ConvAttrs a;
  a.strides = a.dilations = std::vector<int64_t>(spatial, 1);
  a.pads.assign(2 * spatial, 0);
  a.channels_last = true;
  a.epilogue = epilogue;
  return a;
}

/// SqueezeExcite's result for x, a value of `rank` axes, with operands w1, b1, w2, b2.
ir::ValueId excite(ir::Patch& p, ir::ValueId x, std::span<const ir::ValueId> operands, size_t rank,
                   const std::string& inner, const std::string& outer) {
  ops::PoolAttrs mean;
  mean.kind = ops::PoolKind::kAverage;
  mean.channels_last = true;
  const ir::ValueId means = p.node("Pool", {x}, mean);
  const ir::ValueId hidden = p.node("Conv", {means, operands[0], operands[1]}, product(rank - 2, inner));
  return p.node("Conv", {hidden, operands[2], operands[3]}, product(rank - 2, outer));
}

ir::Patch squeeze_excite(const ir::Graph& g, const ir::Node& node) {
  const auto& a = node.attrs.as<ops::SqueezeExciteAttrs>();
  const std::span<const ir::ValueId> inputs = node.inputs;
  ir::Patch p(g, "");
  p.replace(node.outputs[0],
            excite(p, inputs[0], inputs.subspan(1), g.value(inputs[0]).shape.size(), a.inner, a.outer));
  return p;
}

ir::Patch conv_excite(const ir::Graph& g, const ir::Node& node) {
  const auto& a = node.attrs.as<ops::ConvExciteAttrs>();
  const std::span<const ir::ValueId> inputs = node.inputs;
  const ir::Shape& shape = g.value(inputs[0]).shape;
  ops::ConvAttrs conv = product(shape.size() - 2, a.epilogue);
  conv.strides = a.strides;
  conv.pads = a.pads;
  conv.group = shape.back().constant();
  ir::Patch p(g, "");
  const ir::ValueId y = p.node("Conv", {inputs[0], inputs[1], inputs[2]}, conv);
  p.replace(node.outputs[0], y);
  p.replace(node.outputs[1], excite(p, y, inputs.subspan(3), shape.size(), a.inner, a.outer));
  return p;
}

ir::Patch scaled_conv(const ir::Graph& g, const ir::Node& node) {
  const size_t spatial = g.value(node.inputs[0]).shape.size() - 2;
  ir::Patch p(g, "");
  ops::PointwiseAttrs scale;
  scale.program = "mul(i0, i1)";
  std::vector<ir::ValueId> inputs{p.node("Pointwise", {node.inputs[0], node.inputs[3]}, scale), node.inputs[1],
                                  node.inputs[2]};
  inputs.insert(inputs.end(), node.inputs.begin() + 4, node.inputs.end());
  p.replace(node.outputs[0], p.node("Conv", inputs, product(spatial, node.attrs.as<ops::ScaledConvAttrs>().epilogue)));
  return p;
}

ir::Patch image_conv(const ir::Graph& g, const ir::Node& node) {
  ir::Patch p(g, "");
  const size_t rank = g.value(node.inputs[0]).shape.size();
  ops::TransposeAttrs move;
  move.perm = {0};
  for (size_t i = 2; i < rank; ++i) move.perm.push_back(int64_t(i));
  move.perm.push_back(1);
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs[0] = p.node("Transpose", {inputs[0]}, move);
  ops::ConvAttrs a = node.attrs.as<ops::ConvAttrs>();
  a.x_channels_first = false;
  p.replace(node.outputs[0], p.node("Conv", inputs, a));
  return p;
}

ir::Patch expand_depthwise(const ir::Graph& g, const ir::Node& node) {
  const auto& a = node.attrs.as<ops::ExpandDepthwiseAttrs>();
  const auto& in = node.inputs;
  const int64_t channels = g.value(node.outputs[0]).shape.back().constant();
  ir::Patch p(g, "");
  const ir::ValueId inner = p.node("Conv", {in[0], in[1], in[2]}, ops::expansion_of(a));
  p.replace(node.outputs[0],
            p.node("Conv", {inner, in[3], in.size() > 4 ? in[4] : ir::kNone}, ops::depthwise_of(a, channels)));
  return p;
}

/// The node, after inference has found its operands to be what the operator takes: a plan may hold anything.
ir::Node checked(ir::Graph& g, ir::NodeId n) {
  ops::infer_node(g, n);
  const ir::Node& node = g.node(n);
  const size_t results = node.op == "ConvExcite" ? 2 : 1;
  require(node.outputs.size() == results && std::count(node.outputs.begin(), node.outputs.end(), ir::kNone) == 0,
          ErrorCode::kInvalidModel, "node '", node.name, "' (", node.op, ") needs ", results, " outputs");
  return node;
}

std::optional<ir::Patch> parts_for_device(ir::Graph& g, ir::NodeId n) {
  if (g.node(n).op == "ExpandDepthwise") return expand_depthwise(g, checked(g, n));
  return std::nullopt;
}

std::optional<ir::Patch> parts_for_host(ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (node.op == "SqueezeExcite") return squeeze_excite(g, checked(g, n));
  if (node.op == "ConvExcite") return conv_excite(g, checked(g, n));
  if (node.op == "Conv" && node.attrs.as<ops::ConvAttrs>().x_channels_first) return image_conv(g, checked(g, n));
  if (node.op != "ScaledConv") return std::nullopt;
  const ir::Node scaled = checked(g, n);
  return g.value(scaled.inputs[0]).dtype == ir::DType::kF16 ? std::optional(scaled_conv(g, scaled)) : std::nullopt;
}

int expand(ir::Graph& graph, std::optional<ir::Patch> (*parts_of)(ir::Graph&, ir::NodeId)) {
  int count = 0;
  for (ir::NodeId n : graph.topological_order()) {
    std::optional<ir::Patch> parts = parts_of(graph, n);
    if (!parts) continue;
    for (ir::NodeId added : std::move(*parts).apply(graph)) ops::infer_node(graph, added);
    ++count;
  }
  return count;
}

}  // namespace

int expand_for_host(ir::Graph& graph) { return expand(graph, parts_for_host); }
int expand_for_device(ir::Graph& graph) { return expand(graph, parts_for_device); }

}  // namespace tenon::runtime
