// Reshapes between convolutions and transpositions are rewritten over channels-last tensors, so that the layout pass
// can cancel what remains. With last(x) and first(x) the transpositions to and from channels-last:
//
//   transpose(merge_spatial(x))  = merge_spatial(last(x))             tokens of a vision transformer
//   split_spatial(transpose(y))  = first(split_spatial(y))            and back
//   transpose(split_channels(x)) = transpose'(split_channels(last(x)))  detection heads, channel shuffle
//   merge_channels(transpose(z)) = first(merge_channels(transpose''(z)))
#include <algorithm>

#include "ops/shape/transpose.h"
#include "passes/layout.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

using Perm = std::vector<int64_t>;

Perm perm_of(const ir::Graph& g, const ir::Node& node) {
  Perm perm = node.attrs.as<ops::TransposeAttrs>().perm;
  const int64_t rank = int64_t(rank_of(g, node.inputs[0]));
  if (perm.empty())
    for (int64_t i = rank; i-- > 0;) perm.push_back(i);
  for (int64_t& p : perm) p += p < 0 ? rank : 0;
  return perm;
}

ir::ValueId transposed(ir::Patch& p, ir::ValueId v, Perm perm) {
  return p.node("Transpose", {v}, ops::TransposeAttrs{std::move(perm)});
}

bool equal_from(const ir::Shape& a, size_t i, const ir::Shape& b, size_t j) {
  return a.size() - i == b.size() - j && std::equal(a.begin() + int64_t(i), a.end(), b.begin() + int64_t(j));
}

ir::Shape in_order(const ir::Shape& s, const Perm& perm) {
  ir::Shape out;
  for (int64_t p : perm) out.push_back(s[size_t(p)]);
  return out;
}

/// [N, C, a, b] seen as [N, C, a b].
bool merges_spatial(const ir::Shape& from, const ir::Shape& to) {
  return from.size() >= 4 && to.size() == 3 && from[0] == to[0] && from[1] == to[1] && to[1].is_const();
}
/// [N, C, …] seen as [N, C1, C2, …], where both are more than one: else the rules would undo each other.
bool splits_channels(const ir::Shape& from, const ir::Shape& to) {
  return from.size() >= 4 && to.size() == from.size() + 1 && from[0] == to[0] && equal_from(from, 2, to, 3) &&
         to[1].is_const() && to[2].is_const() && to[1] != 1 && to[2] != 1;
}

Match transpose_of_reshape(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Node* reshape = made_by(g, node.inputs[0], "Reshape");
  if (!reshape || !read_once(g, node.inputs[0])) return std::nullopt;
  const ir::ValueId x = reshape->inputs[0];
  const ir::Shape &from = shape_of(g, x), &to = shape_of(g, node.inputs[0]);
  const Perm perm = perm_of(g, node), last = to_channels_last(from.size());
  if (merges_spatial(from, to) && perm == Perm{0, 2, 1}) {
    const auto target = reshape_target(in_order(from, last), shape_of(g, node.outputs[0]));
    if (!target) return std::nullopt;
    ir::Patch p(g, "spatial axes are merged in channels-last");
    p.replace(node.outputs[0], reshape_to(p, transposed(p, x, last), *target));
    return p;
  }
  if (!splits_channels(from, to)) return std::nullopt;
  // to = [N, C1, C2, spatial…]; stored as [N, spatial…, C1, C2].
  const int64_t rank = int64_t(to.size());
  Perm stored{0};
  for (int64_t i = 3; i < rank; ++i) stored.push_back(i);
  stored.push_back(1), stored.push_back(2);
  const auto target = reshape_target(in_order(from, last), in_order(to, stored));
  if (!target) return std::nullopt;
  Perm moved;
  for (int64_t axis : perm) moved.push_back(std::find(stored.begin(), stored.end(), axis) - stored.begin());
  ir::Patch p(g, "channels are split in channels-last");
  const ir::ValueId split = reshape_to(p, transposed(p, x, last), *target);
  p.replace(node.outputs[0], transposed(p, split, moved));
  return p;
}

Match reshape_of_transpose(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Node* transpose = made_by(g, node.inputs[0], "Transpose");
  if (!transpose || !read_once(g, node.inputs[0])) return std::nullopt;
  const ir::ValueId y = transpose->inputs[0];
  const ir::Shape &from = shape_of(g, node.inputs[0]), &to = shape_of(g, node.outputs[0]);
  const Perm perm = perm_of(g, *transpose), last = to_channels_last(to.size());
  const bool splits_spatial = merges_spatial(to, from) && perm == Perm{0, 2, 1};
  const bool merges_channels = splits_channels(to, from);
  if (!splits_spatial && !merges_channels) return std::nullopt;
  ir::ValueId z = y;
  ir::Shape shape = shape_of(g, y);
  ir::Patch p(g, splits_spatial ? "spatial axes are split in channels-last" : "channels are merged in channels-last");
  if (merges_channels) {
    Perm moved{perm[0]};
    moved.insert(moved.end(), perm.begin() + 3, perm.end());
    moved.push_back(perm[1]), moved.push_back(perm[2]);
    shape = in_order(shape, moved);
    z = transposed(p, y, moved);
  }
  const auto target = reshape_target(shape, in_order(to, last));
  if (!target) return std::nullopt;
  p.replace(node.outputs[0], transposed(p, reshape_to(p, z, *target), to_channels_first(to.size())));
  return p;
}

constexpr Rule kRules[] = {{"Transpose", transpose_of_reshape}, {"Reshape", reshape_of_transpose}};

bool has_convolution(const ir::Graph& g) {
  for (ir::NodeId n = 0; n < g.node_count(); ++n)
    if (g.node(n).alive && layout_role(g, g.node(n)) == LayoutRole::kPrefers) return true;
  return false;
}

}  // namespace

int move_transposes(ir::Graph& graph, PassContext& context) {
  if (!context.options().channels_last || !has_convolution(graph)) return 0;
  return apply_rules(graph, context, kRules);
}

}  // namespace tenon::passes
