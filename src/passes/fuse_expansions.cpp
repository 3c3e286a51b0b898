// A convolution without a window whose large result only a depthwise convolution reads: one operator, so that kernels
// compute that result as it is needed. In f32: half as many bytes take less time than the arithmetic of short sums.
#include <algorithm>

#include "ops/fused/expand_depthwise.h"
#include "ops/fused/pointwise_program.h"
#include "passes/channels.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

/// Whether there is nothing but a bias and functions of the sum itself.
bool is_plain(const ir::Node& conv) {
  const std::string& epilogue = conv.attrs.as<ops::ConvAttrs>().epilogue;
  return conv.inputs.size() <= 3 && (epilogue.empty() || ops::parse_pointwise(epilogue).input_count <= 1);
}

bool is_depthwise(const ir::Graph& g, const ir::Node& conv) {
  const auto& a = conv.attrs.as<ops::ConvAttrs>();
  const ir::Tensor* w = g.constant(conv.inputs[1]);
  return w && w->dims().size() == 4 && a.channels_last && !a.x_channels_first && a.group == w->dims()[0] &&
         w->dims()[1] == 1 && std::all_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d == 1; });
}

/// Bytes that an image of `v` has; 0 where its size is not known.
int64_t image_bytes(const ir::Graph& g, ir::ValueId v) {
  const ir::Shape& shape = shape_of(g, v);
  int64_t bytes = ir::bits(g.value(v).dtype) / 8;
  for (size_t i = 1; i < shape.size(); ++i) bytes *= shape[i].is_const() ? shape[i].constant() : 0;
  return bytes;
}

/// Adds the operator in the place of depthwise convolution `n`, where it can stand there.
Match fused(const ir::Graph& g, ir::NodeId n, int64_t least_bytes) {
  const ir::Node& depthwise = g.node(n);
  if (!is_plain(depthwise) || !is_depthwise(g, depthwise)) return std::nullopt;
  const ir::ValueId x = depthwise.inputs[0];
  const ir::Node* expansion = made_by(g, x, "Conv");
  if (!expansion || !read_once(g, x) || !is_plain(*expansion) || !is_product_of_pixels(g, *expansion))
    return std::nullopt;
  for (ir::ValueId v : {expansion->inputs[0], x, depthwise.outputs[0]})
    if (g.value(v).dtype != ir::DType::kF32) return std::nullopt;
  if (image_bytes(g, x) < least_bytes) return std::nullopt;
  const auto& a = depthwise.attrs.as<ops::ConvAttrs>();
  const auto bias = [](const ir::Node& conv) { return conv.inputs.size() > 2 ? conv.inputs[2] : ir::kNone; };
  ir::Patch p(g, "a large value that need not be kept");
  p.replace(
      depthwise.outputs[0],
      p.node("ExpandDepthwise",
             {expansion->inputs[0], expansion->inputs[1], bias(*expansion), depthwise.inputs[1], bias(depthwise)},
             ops::ExpandDepthwiseAttrs{a.strides, a.pads, expansion->attrs.as<ops::ConvAttrs>().epilogue, a.epilogue}));
  return p;
}

}  // namespace

int fuse_expansions(ir::Graph& graph, PassContext& context) {
  if (context.options().expanded_bytes == INT64_MAX) return 0;
  int count = 0;
  for (ir::NodeId n : graph.topological_order()) {
    if (!graph.node(n).alive || graph.node(n).op != "Conv") continue;
    if (Match patch = fused(graph, n, context.options().expanded_bytes))
      count += apply_patch(graph, context, std::move(*patch));
  }
  return count;
}

}  // namespace tenon::passes
