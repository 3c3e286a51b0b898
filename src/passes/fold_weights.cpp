// Arithmetic by constants goes into the weights of the convolution or product beside it.
//
//   batch_norm(x) = x * s + t        s = scale / sqrt(variance + epsilon), t = bias - mean * s
//   conv(x, w) * s = conv(x, w * s)  s one number an output channel
//   conv(x, w) + t = conv(x, w, t)   t one number an output channel
//   conv(x * s, w) = conv(x, w * s)  s one number an input channel
//   conv(pad(x), w) = conv(x, w) with larger pads
#include "ops/nn/batch_norm.h"
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "ops/shape/pad.h"
#include "passes/channels.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

ir::ValueId binary(ir::Patch& p, std::string op, ir::ValueId a, ir::ValueId b) {
  return p.node(std::move(op), {a, b}, ir::Attrs(ops::find_op("Add").attrs));
}
ir::ValueId unary(ir::Patch& p, std::string op, ir::ValueId a) {
  return p.node(std::move(op), {a}, ir::Attrs(ops::find_op("Sqrt").attrs));
}

/// A constant with one element or one a channel, as one a channel.
ir::ValueId repeated(ir::Patch& p, const ir::Graph& g, ir::ValueId v, int64_t channels) {
  if (g.constant(v)->count() == channels) return v;
  const ir::ValueId shape = p.constant(ir::Tensor::vector_i64(std::vector<int64_t>{channels}));
  return p.node("Expand", {v, shape});
}

Match batch_norm(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (g.value(node.inputs[0]).dtype != ir::DType::kF32 || !g.value(node.inputs[0]).ranked) return std::nullopt;
  for (size_t i = 1; i < 5; ++i)
    if (!g.constant(node.inputs[i]) || g.value(node.inputs[i]).dtype != ir::DType::kF32) return std::nullopt;
  const ir::ValueId x = node.inputs[0], scale = node.inputs[1], bias = node.inputs[2], mean = node.inputs[3],
                    variance = node.inputs[4];
  const size_t rank = rank_of(g, x);
  ir::Patch p(g, "x * s + t");
  const ir::ValueId epsilon = p.constant(ir::Tensor::scalar_f32(node.attrs.as<ops::BatchNormAttrs>().epsilon));
  const ir::ValueId s = binary(p, "Div", scale, unary(p, "Sqrt", binary(p, "Add", variance, epsilon)));
  const ir::ValueId t = binary(p, "Sub", bias, binary(p, "Mul", mean, s));
  const std::vector<int64_t> dims = along(std::max<size_t>(rank, 2) - 1, 0, g.constant(scale)->count());
  const ir::ValueId shift = reshape_to(p, t, dims), scaled = binary(p, "Mul", x, reshape_to(p, s, dims));
  p.replace(node.outputs[0], binary(p, "Add", scaled, shift));
  return p;
}

std::vector<ir::ValueId> with_weights(const Weighted& w, ir::ValueId weights, ir::ValueId bias) {
  std::vector<ir::ValueId> inputs{w.node->inputs[0], weights};
  if (bias != ir::kNone) inputs.push_back(bias);
  return inputs;
}

Match scale_after(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  for (size_t side : {0u, 1u}) {
    const auto w = weighted_producer(g, node.inputs[side]);
    if (!w) continue;
    const auto s = channel_vector(g, node.inputs[1 - side], shape_of(g, node.outputs[0]), w->result_axis);
    if (!s || shape_of(g, node.outputs[0]) != shape_of(g, node.inputs[side]) || s->count() != w->channels) continue;
    ir::Patch p(g, "a scale of output channels goes into the weights");
    const ir::ValueId scale = repeated(p, g, node.inputs[1 - side], w->channels);
    const size_t rank = rank_of(g, w->weights);
    const ir::ValueId weights =
        binary(p, "Mul", w->weights, reshape_to(p, scale, along(rank, w->out_axis, w->channels)));
    const ir::ValueId bias =
        w->bias == ir::kNone ? ir::kNone : binary(p, "Mul", w->bias, reshape_to(p, scale, {w->channels}));
    p.replace(node.outputs[0], p.node(w->node->op, with_weights(*w, weights, bias), w->node->attrs));
    return p;
  }
  return std::nullopt;
}

Match add_after(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  for (size_t side : {0u, 1u}) {
    const auto w = weighted_producer(g, node.inputs[side]);
    if (!w) continue;
    const auto t = channel_vector(g, node.inputs[1 - side], shape_of(g, node.outputs[0]), w->result_axis);
    if (!t || shape_of(g, node.outputs[0]) != shape_of(g, node.inputs[side]) || t->count() != w->channels) continue;
    ir::Patch p(g, "an addition to output channels is a bias");
    ir::ValueId bias = repeated(p, g, node.inputs[1 - side], w->channels);
    if (rank_of(g, node.inputs[1 - side]) != 1 || p.is_new(bias)) bias = reshape_to(p, bias, {w->channels});
    if (w->bias != ir::kNone) bias = binary(p, "Add", w->bias, bias);
    p.replace(node.outputs[0], p.node(w->node->op, with_weights(*w, w->weights, bias), w->node->attrs));
    return p;
  }
  return std::nullopt;
}

/// Number of channels of the operand that weights see at once.
bool input_scale_fits(const ir::Graph& g, const Weighted& w, int64_t channels) {
  return g.constant(w.weights)->dims()[w.in_axis] == channels;
}

Match scale_before(const ir::Graph& g, ir::NodeId n) {
  const auto w = weighted(g, g.node(n));
  if (!w || w->node->op == "ConvTranspose") return std::nullopt;
  if (w->node->op == "MatMul" && w->node->attrs.as<ops::MatMulAttrs>().transpose_a) return std::nullopt;
  const ir::ValueId x = w->node->inputs[0];
  const ir::Node* mul = made_by(g, x, "Mul");
  if (!mul || !read_once(g, x)) return std::nullopt;
  const ir::Shape& shape = shape_of(g, x);
  const size_t axis = w->node->op == "MatMul" ? shape.size() - 1 : w->result_axis;
  for (size_t side : {0u, 1u}) {
    const auto s = channel_vector(g, mul->inputs[1 - side], shape, axis);
    if (!s || shape_of(g, mul->inputs[side]) != shape || !input_scale_fits(g, *w, s->count())) continue;
    ir::Patch p(g, "a scale of input channels goes into the weights");
    const ir::ValueId scale = repeated(p, g, mul->inputs[1 - side], s->count());
    const ir::ValueId weights =
        binary(p, "Mul", w->weights, reshape_to(p, scale, along(rank_of(g, w->weights), w->in_axis, s->count())));
    std::vector<ir::ValueId> inputs = with_weights(*w, weights, w->bias);
    inputs[0] = mul->inputs[side];
    p.replace(w->node->outputs[0], p.node(w->node->op, inputs, w->node->attrs));
    return p;
  }
  return std::nullopt;
}

Match pad_before(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Node* pad = made_by(g, node.inputs[0], "Pad");
  ops::ConvAttrs attrs = node.attrs.as<ops::ConvAttrs>();
  if (!pad || attrs.channels_last || pad->attrs.as<ops::PadAttrs>().mode != ops::PadMode::kConstant)
    return std::nullopt;
  if (pad->inputs.size() > 2 && pad->inputs[2] != ir::kNone && !is_scalar(g, pad->inputs[2], 0)) return std::nullopt;
  if (pad->inputs.size() > 3 && pad->inputs[3] != ir::kNone) return std::nullopt;
  const auto pads = known_ints(g, pad->inputs[1]);
  const size_t rank = rank_of(g, node.inputs[0]), spatial = rank - 2;
  if (!pads || pads->size() != 2 * rank) return std::nullopt;
  if ((*pads)[0] != 0 || (*pads)[1] != 0 || (*pads)[rank] != 0 || (*pads)[rank + 1] != 0) return std::nullopt;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t begin = (*pads)[2 + i], end = (*pads)[rank + 2 + i];
    if (begin < 0 || end < 0) return std::nullopt;
    attrs.pads[i] += begin;
    attrs.pads[spatial + i] += end;
  }
  ir::Patch p(g, "the convolution pads by itself");
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs[0] = pad->inputs[0];
  p.replace(node.outputs[0], p.node("Conv", inputs, attrs));
  return p;
}

constexpr Rule kRules[] = {
    {"BatchNormalization", batch_norm}, {"Mul", scale_after}, {"Add", add_after}, {"Conv", scale_before},
    {"MatMul", scale_before},           {"Conv", pad_before},
};

}  // namespace

int fold_weights(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
