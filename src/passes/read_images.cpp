// The first convolution of a network reads an image whose channels come first as it lies: a kernel that gathers a few
// channels itself needs no Transpose before it.
#include <algorithm>

#include "ops/nn/conv.h"
#include "ops/shape/transpose.h"
#include "passes/layout.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr int64_t kFewChannels = 4, kLongestWindow = 11, kDeepestWindow = 3, kLongestStride = 4;

/// Whether kernels that gather have this window: of one to three axes, the first of three the depth.
bool gathered(const ir::Dims& w, const ops::ConvAttrs& a) {
  const size_t spatial = w.size() - 2;
  if (spatial > 3 || a.group != 1 || w[1] > kFewChannels) return false;
  for (size_t i = 0; i < spatial; ++i) {
    const bool depth = spatial == 3 && i == 0;
    if (w[i + 2] > (depth ? kDeepestWindow : kLongestWindow) || a.strides[i] > kLongestStride || a.dilations[i] != 1)
      return false;
  }
  return std::any_of(w.begin() + 2, w.end(), [](int64_t k) { return k > 1; });
}

Match in_place(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Tensor* w = g.constant(node.inputs[1]);
  const ir::Node* moved = made_by(g, node.inputs[0], "Transpose");
  if (!w || !moved || !read_once(g, node.inputs[0])) return std::nullopt;
  if (w->dtype() != ir::DType::kF16 && w->dtype() != ir::DType::kBF16) return std::nullopt;
  ops::ConvAttrs attrs = node.attrs.as<ops::ConvAttrs>();
  if (!attrs.x_channels_last() || !gathered(w->dims(), attrs)) return std::nullopt;
  if (moved->attrs.as<ops::TransposeAttrs>().perm != to_channels_last(w->dims().size())) return std::nullopt;
  attrs.x_channels_first = true;
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs[0] = moved->inputs[0];
  ir::Patch p(g, "reads channels first");
  p.replace(node.outputs[0], p.node("Conv", inputs, attrs));
  return p;
}

constexpr Rule kRules[] = {{"Conv", in_place}};

}  // namespace

int read_images(ir::Graph& graph, PassContext& context) {
  return context.options().images_in_place ? apply_rules(graph, context, kRules) : 0;
}

}  // namespace tenon::passes
