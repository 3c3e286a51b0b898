// A convolution whose windows lie side by side is a product of patches: what vision transformers begin with. With few
// input channels it runs badly as a convolution, and well as one move of the image and one matrix product.
#include <algorithm>

#include "base/checked.h"
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"
#include "ops/shape/transpose.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr int64_t kFewChannels = 4, kLargeWindow = 16;

/// Sizes of the image in windows, or nullopt if the windows do not tile it.
std::optional<std::vector<int64_t>> tiles(const ir::Shape& x, const ir::Dims& w, const ops::ConvAttrs& a) {
  if (a.channels_last || a.group != 1 || !a.epilogue.empty() || x.size() != w.size() || !(x[1] == w[1]))
    return std::nullopt;
  std::vector<int64_t> counts;
  for (size_t i = 2; i < w.size(); ++i) {
    const bool whole = x[i].is_const() && x[i].constant() > 0 && x[i].constant() % w[i] == 0;
    if (!whole || a.strides[i - 2] != w[i] || a.dilations[i - 2] != 1) return std::nullopt;
    counts.push_back(x[i].constant() / w[i]);
  }
  return std::all_of(a.pads.begin(), a.pads.end(), [](int64_t p) { return p == 0; }) ? std::optional(counts)
                                                                                     : std::nullopt;
}

Match patches(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Tensor* w = g.constant(node.inputs[1]);
  if (!w || !is_pointwise_float(w->dtype()) || !g.value(node.inputs[0]).ranked) return std::nullopt;
  const ir::Dims& dims = w->dims();
  const auto counts = tiles(shape_of(g, node.inputs[0]), dims, node.attrs.as<ops::ConvAttrs>());
  const int64_t window = checked_product(ir::Dims(dims.begin() + 2, dims.end()));
  if (!counts || dims[1] > kFewChannels || window < kLargeWindow) return std::nullopt;

  const size_t spatial = counts->size();
  std::vector<int64_t> split{0, dims[1]}, perm{0}, within{1}, grid{0}, back{0, int64_t(spatial) + 1};
  for (size_t i = 0; i < spatial; ++i) {
    split.insert(split.end(), {(*counts)[i], dims[i + 2]});
    perm.push_back(int64_t(2 + 2 * i));
    within.push_back(int64_t(3 + 2 * i));
    grid.push_back((*counts)[i]);
    back.push_back(int64_t(i) + 1);
  }
  perm.insert(perm.end(), within.begin(), within.end());
  grid.push_back(dims[0]);
  ir::Patch p(g, "windows side by side: a product of patches");
  const ir::ValueId moved = p.node("Transpose", {reshape_to(p, node.inputs[0], split)}, ops::TransposeAttrs{perm});
  const ir::ValueId rows = reshape_to(p, moved, {0, checked_product(*counts), dims[1] * window});
  std::vector<ir::ValueId> inputs{rows, reshape_to(p, node.inputs[1], {dims[0], dims[1] * window})};
  if (node.inputs.size() > 2 && node.inputs[2] != ir::kNone) inputs.push_back(node.inputs[2]);
  ops::MatMulAttrs product;
  product.transpose_b = true;
  const ir::ValueId y = reshape_to(p, p.node("MatMul", inputs, product), grid);
  p.replace(node.outputs[0], p.node("Transpose", {y}, ops::TransposeAttrs{back}));
  return p;
}

constexpr Rule kRules[] = {{"Conv", patches}};

}  // namespace

int patch_convolutions(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
