#include "ops/fused/conv_excite.h"

#include <algorithm>

#include "ops/fused/squeeze_excite.h"
#include "ops/nn/conv.h"
#include "ops/nn/window.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

constexpr size_t kW1 = 3, kInputs = 7, kAxes = 2;

void infer_conv_excite(InferContext& c) {
  const auto& a = c.attrs<ConvExciteAttrs>();
  const Shape &x = c.shape(0), &w = c.shape(1);
  c.expect(x.size() == 2 + kAxes && w.size() == x.size(), "x ", c.text(x), " and the weights ", c.text(w),
           " must have rank ", 2 + kAxes);
  c.expect(a.strides.size() == kAxes && a.pads.size() == 2 * kAxes, "strides and pads must have ", kAxes, " and ",
           2 * kAxes, " entries");
  c.expect(w[0] == x.back() && w[1] == Dim(1), "the weights ", c.text(w), " must be [", c.dims().text(x.back()),
           ", 1, …]");
  c.expect(c.shape(2) == Shape{x.back()}, "the bias ", c.text(c.shape(2)), " must be [", c.dims().text(x.back()), "]");
  Shape y = x;
  for (size_t i = 0; i < kAxes; ++i)
    y[1 + i] = window_output(c.dims(), {x[1 + i], w[2 + i], a.strides[i], 1, a.pads[i], a.pads[kAxes + i]}, false, i);
  c.output(0, c.dtype(0), y);
  const Shape &w1 = c.shape(kW1), &w2 = c.shape(kW1 + 2);
  c.expect(w1.size() >= 2 && w1[1] == x.back(), "operand 3 ", c.text(w1), " must have ", c.dims().text(x.back()),
           " columns");
  c.expect(w2.size() >= 2 && w2[0] == x.back() && w2[1] == w1[0], "operand 5 ", c.text(w2), " must be [",
           c.dims().text(x.back()), ", ", c.dims().text(w1[0]), ", …]");
  c.expect(c.shape(kW1 + 1) == Shape{w1[0]} && c.shape(kW1 + 3) == Shape{x.back()}, "operands 4 and 6 ",
           c.text(c.shape(kW1 + 1)), " and ", c.text(c.shape(kW1 + 3)), " must be biases of 3 and 5");
  y[1] = y[2] = Dim(1);
  c.output(1, c.dtype(0), y);
}

/// Output 0 of operator `op`.
Tensor eval(const char* op, ir::Attrs attrs, std::vector<Tensor> inputs, DType type) {
  ir::Node node;
  node.op = op;
  node.attrs = std::move(attrs);
  node.inputs.assign(inputs.size(), 0);
  node.outputs = {0};
  EvalContext c(node, std::move(inputs), {type});
  find_op(op).eval(c);
  return c.outputs[0];
}

void eval_conv_excite(EvalContext& c) {
  const auto& a = c.attrs<ConvExciteAttrs>();
  ConvAttrs conv;
  conv.strides = a.strides;
  conv.pads = a.pads;
  conv.dilations.assign(kAxes, 1);
  conv.group = c.input(0).dims().back();
  conv.channels_last = true;
  conv.epilogue = a.epilogue;
  c.outputs[0] = eval("Conv", conv, {c.input(0), c.input(1), c.input(2)}, c.output_type(0));
  if (!c.wants(1)) return;
  c.outputs[1] =
      eval("SqueezeExcite", SqueezeExciteAttrs{a.inner, a.outer},
           {c.outputs[0], c.input(kW1), c.input(kW1 + 1), c.input(kW1 + 2), c.input(kW1 + 3)}, c.output_type(1));
}

}  // namespace

OpSet conv_excite() {
  return {{{.name = "ConvExcite",
            .attrs = ir::schema_of<ConvExciteAttrs>(),
            .min_inputs = kInputs,
            .max_inputs = kInputs,
            .infer = infer_conv_excite,
            .eval = eval_conv_excite}},
          {}};
}

}  // namespace tenon::ops
