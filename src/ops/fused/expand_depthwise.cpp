#include "ops/fused/expand_depthwise.h"

#include "ops/fused/pointwise_program.h"
#include "ops/nn/window.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_expand_depthwise(InferContext& c) {
  const auto& a = c.attrs<ExpandDepthwiseAttrs>();
  for (const std::string& text : {a.inner, a.outer}) {
    if (text.empty()) continue;
    const PointwiseProgram program = parse_pointwise(text);
    c.expect(program.input_count <= 1 && program.results.size() == 1, "'", text,
             "' must have one operand and one result");
  }
  const Shape &x = c.shape(0), &w1 = c.shape(1), &w2 = c.shape(3);
  c.expect(x.size() == 4, "x ", c.text(x), " must have rank 4");
  c.expect(w1.size() == 4 && w1 == Shape{w1[0], x[3], 1, 1}, "operand 1 ", c.text(w1), " must be [M, ",
           c.dims().text(x[3]), ", 1, 1]");
  c.expect(w2.size() == 4 && w2[0] == w1[0] && w2[1] == 1, "operand 3 ", c.text(w2), " must be [", c.dims().text(w1[0]),
           ", 1, height, width]");
  c.expect(a.strides.size() == 2 && a.pads.size() == 4, "strides and pads must have 2 and 4 entries");
  expect_bias(c, 2, w1[0]);
  expect_bias(c, 4, w1[0]);
  Shape y = x;
  y[3] = w1[0];
  for (size_t i = 0; i < 2; ++i)
    y[i + 1] = window_output(c.dims(), {x[i + 1], w2[i + 2], a.strides[i], 1, a.pads[i], a.pads[i + 2]}, false, i);
  c.output(0, c.dtype(0), y);
}

Tensor conv(const ConvAttrs& attrs, std::vector<Tensor> inputs, DType type) {
  ir::Node node;
  node.op = "Conv";
  node.attrs = attrs;
  node.inputs.resize(inputs.size());
  node.outputs.resize(1);
  return eval_node(node, std::move(inputs), {type})[0];
}

void eval_expand_depthwise(EvalContext& c) {
  const auto& a = c.attrs<ExpandDepthwiseAttrs>();
  const auto optional = [&](size_t i) { return c.has(i) ? c.input(i) : Tensor(); };
  const DType type = c.output_type(0);
  const Tensor inner = conv(expansion_of(a), {c.input(0), c.input(1), optional(2)}, type);
  c.outputs[0] = conv(depthwise_of(a, inner.dims()[3]), {inner, c.input(3), optional(4)}, type);
}

}  // namespace

ConvAttrs expansion_of(const ExpandDepthwiseAttrs& attrs) {
  return {.strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}, .channels_last = true, .epilogue = attrs.inner};
}

ConvAttrs depthwise_of(const ExpandDepthwiseAttrs& attrs, int64_t channels) {
  return {.strides = attrs.strides,
          .dilations = {1, 1},
          .pads = attrs.pads,
          .group = channels,
          .channels_last = true,
          .epilogue = attrs.outer};
}

OpSet expand_depthwise() {
  return {{{.name = "ExpandDepthwise",
            .attrs = ir::schema_of<ExpandDepthwiseAttrs>(),
            .min_inputs = 4,
            .max_inputs = 5,
            .infer = infer_expand_depthwise,
            .eval = eval_expand_depthwise}},
          {}};
}

}  // namespace tenon::ops
