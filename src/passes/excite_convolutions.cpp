// A convolution of each channel by itself joins the SqueezeExcite that reads it: its kernel has all results in hand
// when they are to be added up.
#include <algorithm>

#include "ops/fused/conv_excite.h"
#include "ops/fused/squeeze_excite.h"
#include "ops/nn/conv.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

/// Square windows of 3 or 5 and equal strides of 1 or 2 over images, eights of channels, and SiLU: what kernels are
/// made for.
bool takes_conv(const ir::Graph& g, const ir::Node& conv) {
  const auto& a = conv.attrs.as<ops::ConvAttrs>();
  if (!a.x_channels_last() || a.epilogue != "silu(i0)" || conv.inputs.size() != 3 || conv.inputs[2] == ir::kNone)
    return false;
  const ir::Tensor *w = g.constant(conv.inputs[1]), *bias = g.constant(conv.inputs[2]);
  if (!w || !bias || w->dims().size() != 4 || w->dims()[0] != a.group || w->dims()[1] != 1 || a.group % 8 != 0)
    return false;
  const int64_t window = w->dims()[2], stride = a.strides[0];
  return w->dims()[3] == window && (window == 3 || window == 5) && a.strides[1] == stride &&
         (stride == 1 || stride == 2) && a.dilations == std::vector<int64_t>{1, 1};
}

/// Whether blocks have room for the channels and the hidden values.
bool takes_excite(const ir::Graph& g, const ir::Node& excite, ir::DType type) {
  constexpr int64_t kMost = 4096;
  for (size_t i = 1; i < excite.inputs.size(); ++i) {
    const ir::Tensor* operand = g.constant(excite.inputs[i]);
    if (!operand || operand->dims()[0] > kMost || (i % 2 == 1 && operand->dtype() != type)) return false;
  }
  return true;
}

Match join(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& excite = g.node(n);
  const ir::ValueId y = excite.inputs[0];
  const ir::Node* conv = made_by(g, y, "Conv");
  if (!conv || !takes_conv(g, *conv)) return std::nullopt;
  const ir::DType type = g.value(y).dtype;
  if ((type != ir::DType::kF16 && type != ir::DType::kBF16) || !takes_excite(g, excite, type)) return std::nullopt;
  for (ir::ValueId v : {conv->inputs[0], excite.outputs[0]})
    if (g.value(v).dtype != type) return std::nullopt;
  const auto& a = conv->attrs.as<ops::ConvAttrs>();
  const auto& e = excite.attrs.as<ops::SqueezeExciteAttrs>();
  std::vector<ir::ValueId> inputs = conv->inputs;
  inputs.insert(inputs.end(), excite.inputs.begin() + 1, excite.inputs.end());
  ir::Patch p(g, "computes factors of its channels");
  const auto made =
      p.nodes("ConvExcite", inputs, ops::ConvExciteAttrs{a.strides, a.pads, a.epilogue, e.inner, e.outer}, 2);
  p.replace(y, made[0]);
  p.replace(excite.outputs[0], made[1]);
  return p;
}

}  // namespace

int excite_convolutions(ir::Graph& graph, PassContext& context) {
  if (!context.options().squeeze_excite) return 0;
  static constexpr Rule kRules[] = {{"SqueezeExcite", join}};
  return apply_rules(graph, context, kRules);
}

}  // namespace tenon::passes
