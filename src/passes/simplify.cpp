// Nodes that change nothing go; chains of views and of transpositions become one.
#include <algorithm>

#include "ops/nn/matmul.h"
#include "ops/nn/pool.h"
#include "ops/op.h"
#include "ops/shape/pad.h"
#include "ops/shape/reshape.h"
#include "ops/shape/transpose.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

Match same_as_input(const ir::Graph& g, ir::NodeId n, std::string why) {
  ir::Patch p(g, std::move(why));
  p.replace(g.node(n).outputs[0], g.node(n).inputs[0]);
  return p;
}

Match identity(const ir::Graph& g, ir::NodeId n) { return same_as_input(g, n, "an identity"); }

// cast_a(x) = x for x of type a; cast_a(cast_b(x)) = x for x of type a if b holds every value of a.
Match cast(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::DType to = g.value(node.outputs[0]).dtype, from = g.value(node.inputs[0]).dtype;
  if (to == from) return same_as_input(g, n, "a cast to the same type");
  const ir::Node* inner = made_by(g, node.inputs[0], "Cast");
  if (!inner) return std::nullopt;
  using enum ir::DType;
  const ir::DType first = g.value(inner->inputs[0]).dtype;
  const bool wider =
      (from == kF32 && (first == kBF16 || first == kF16)) ||
      (from == kF64 && (first == kF32 || first == kBF16 || first == kF16)) ||
      (from == kI64 && (first == kI32 || first == kI16 || first == kI8 || first == kU8 || first == kBool));
  if (!wider) return std::nullopt;
  ir::Patch p(g, "a cast to a wider type and on");
  p.replace(node.outputs[0], first == to ? inner->inputs[0] : p.node("Cast", {inner->inputs[0]}, node.attrs));
  return p;
}

std::vector<int64_t> permutation(const ir::Graph& g, const ir::Node& node) {
  std::vector<int64_t> perm = node.attrs.as<ops::TransposeAttrs>().perm;
  const int64_t rank = int64_t(rank_of(g, node.inputs[0]));
  if (perm.empty())
    for (int64_t i = rank; i-- > 0;) perm.push_back(i);
  for (int64_t& p : perm) p += p < 0 ? rank : 0;
  return perm;
}

Match transpose(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const std::vector<int64_t> perm = permutation(g, node);
  if (std::is_sorted(perm.begin(), perm.end())) return same_as_input(g, n, "transposes nothing");
  if (const ir::Node* inner = made_by(g, node.inputs[0], "Transpose")) {
    const std::vector<int64_t> first = permutation(g, *inner);
    std::vector<int64_t> both;
    for (int64_t p : perm) both.push_back(first[size_t(p)]);
    ir::Patch p(g, "two transpositions are one");
    p.replace(node.outputs[0], std::is_sorted(both.begin(), both.end())
                                   ? inner->inputs[0]
                                   : p.node("Transpose", {inner->inputs[0]}, ops::TransposeAttrs{both}));
    return p;
  }
  const ir::Shape& x = shape_of(g, node.inputs[0]);
  int64_t last = -1;  // axes that are not 1 stay in order
  for (int64_t p : perm) {
    if (x[size_t(p)] == 1) continue;
    if (p < last) return std::nullopt;
    last = p;
  }
  const auto target = reshape_target(x, shape_of(g, node.outputs[0]));
  if (!target) return std::nullopt;
  ir::Patch p(g, "moves only axes of size 1");
  p.replace(node.outputs[0], reshape_to(p, node.inputs[0], *target));
  return p;
}

// view(view(x)) is one Reshape of x; a view to the shape there is already is x.
Match view(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::ValueId y = node.outputs[0];
  if (!g.value(node.inputs[0]).ranked || !g.value(y).ranked) return std::nullopt;
  if (shape_of(g, node.inputs[0]) == shape_of(g, y)) return same_as_input(g, n, "a view to the same shape");
  ir::ValueId x = node.inputs[0];
  const ir::Node* inner = g.producer(x);
  const bool chained = inner && ops::find_op(inner->op).form == ops::OpForm::kView && g.value(inner->inputs[0]).ranked;
  if (chained) x = inner->inputs[0];
  if (!chained && node.op == "Reshape") return std::nullopt;
  const auto target = reshape_target(shape_of(g, x), shape_of(g, y));
  if (!target) return std::nullopt;
  ir::Patch p(g, chained ? "a view of a view" : "a view with constant target");
  p.replace(y, chained && shape_of(g, x) == shape_of(g, y) ? x : reshape_to(p, x, *target));
  return p;
}

Match one_operand(const ir::Graph& g, ir::NodeId n) {
  if (g.node(n).inputs.size() != 1 || g.node(n).outputs.size() != 1) return std::nullopt;
  return same_as_input(g, n, "has one part only");
}

Match split_of_one(const ir::Graph& g, ir::NodeId n) {
  if (g.node(n).outputs.size() != 1 || shape_of(g, g.node(n).inputs[0]) != shape_of(g, g.node(n).outputs[0]))
    return std::nullopt;
  return same_as_input(g, n, "has one part only");
}

Match slice_of_all(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (shape_of(g, node.inputs[0]) != shape_of(g, node.outputs[0])) return std::nullopt;
  if (node.inputs.size() > 4 && node.inputs[4] != ir::kNone) {
    const auto steps = known_ints(g, node.inputs[4]);
    if (!steps || std::any_of(steps->begin(), steps->end(), [](int64_t s) { return s < 0; })) return std::nullopt;
  }
  return same_as_input(g, n, "takes the whole");
}

Match expand_to_same(const ir::Graph& g, ir::NodeId n) {
  if (shape_of(g, g.node(n).inputs[0]) != shape_of(g, g.node(n).outputs[0])) return std::nullopt;
  return same_as_input(g, n, "expands to the same shape");
}

Match pad_nothing(const ir::Graph& g, ir::NodeId n) {
  const auto pads = known_ints(g, g.node(n).inputs[1]);
  if (!pads || std::any_of(pads->begin(), pads->end(), [](int64_t p) { return p != 0; })) return std::nullopt;
  return same_as_input(g, n, "pads nothing");
}

// A window of one element.
Match pool_of_one(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto& a = node.attrs.as<ops::PoolAttrs>();
  auto all = [](const std::vector<int64_t>& v, int64_t k) {
    return std::all_of(v.begin(), v.end(), [k](int64_t e) { return e == k; });
  };
  const bool one = !a.kernel.empty() && all(a.kernel, 1) && all(a.strides, 1) && all(a.pads, 0);
  if (!one || a.kind == ops::PoolKind::kLp || node.outputs.size() != 1) return std::nullopt;
  return same_as_input(g, n, "a window of one element");
}

/// Weights [K, O], or [O, K] if `transposed`, whose K are the elements of `dims` in row-major order, for elements that
/// come in the order of the axes `order` instead.
ir::ValueId reordered(ir::Patch& p, const ir::Graph& g, ir::ValueId weights, std::vector<int64_t> dims,
                      std::vector<int64_t> order, bool transposed) {
  const std::vector<int64_t> flat = g.constant(weights)->dims();
  if (transposed) {
    for (int64_t& axis : order) ++axis;
    dims.insert(dims.begin(), flat[0]);
    order.insert(order.begin(), 0);
  } else {
    dims.push_back(flat[1]);
    order.push_back(int64_t(order.size()));
  }
  const ir::ValueId moved = p.node("Transpose", {reshape_to(p, weights, dims)}, ops::TransposeAttrs{order});
  return reshape_to(p, moved, flat);
}

// flatten(transpose(x)) . w = flatten(x) . w with its rows in x's order.
Match product_of_flattened_transpose(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto& a = node.attrs.as<ops::MatMulAttrs>();
  const ir::Node* flatten = made_by(g, node.inputs[0], "Reshape");
  const ir::Node* move = flatten ? made_by(g, flatten->inputs[0], "Transpose") : nullptr;
  const ir::Tensor* w = g.constant(node.inputs[1]);
  if (!move || !w || w->dims().size() != 2 || a.transpose_a) return std::nullopt;
  if (!read_once(g, node.inputs[0]) || !read_once(g, flatten->inputs[0])) return std::nullopt;
  const std::vector<int64_t> perm = permutation(g, *move);
  const ir::Shape &moved = shape_of(g, flatten->inputs[0]), &flat = shape_of(g, node.inputs[0]);
  if (perm[0] != 0 || flat.size() != 2 || !(flat[0] == moved[0]) || !ir::is_static({moved.begin() + 1, moved.end()}))
    return std::nullopt;
  // Axis i of the source is axis order[i] of what was flattened, axis 0 left out.
  std::vector<int64_t> order(perm.size() - 1);
  for (size_t i = 1; i < perm.size(); ++i) order[size_t(perm[i] - 1)] = int64_t(i) - 1;
  const auto target = reshape_target(shape_of(g, move->inputs[0]), flat);
  if (!target) return std::nullopt;
  ir::Patch p(g, "a transposition before flattening goes into the weights");
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs[0] = reshape_to(p, move->inputs[0], *target);
  inputs[1] = reordered(p, g, node.inputs[1], ir::static_dims({moved.begin() + 1, moved.end()}), order, a.transpose_b);
  p.replace(node.outputs[0], p.node("MatMul", inputs, node.attrs));
  return p;
}

// f(expand(a), b) = f(a, b) where broadcasting a against b gives the same shape.
Match binary_of_expand(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (ops::find_op(node.op).form != ops::OpForm::kBinary || node.inputs.size() != 2) return std::nullopt;
  for (size_t side : {0u, 1u}) {
    const ir::Node* expand = made_by(g, node.inputs[side], "Expand");
    if (!expand) continue;
    const ir::Shape &other = shape_of(g, node.inputs[1 - side]), &y = shape_of(g, node.outputs[0]);
    if (other != y || rank_of(g, expand->inputs[0]) > y.size()) continue;
    ir::Patch p(g, "broadcasting does what Expand did");
    std::vector<ir::ValueId> inputs = node.inputs;
    inputs[side] = expand->inputs[0];
    p.replace(node.outputs[0], p.node(node.op, inputs, node.attrs));
    return p;
  }
  return std::nullopt;
}

constexpr Rule kRules[] = {
    {"Identity", identity},     {"Cast", cast},
    {"Transpose", transpose},   {"Reshape", view},
    {"Squeeze", view},          {"Unsqueeze", view},
    {"Flatten", view},          {"Concat", one_operand},
    {"Split", split_of_one},    {"Slice", slice_of_all},
    {"Expand", expand_to_same}, {"Pad", pad_nothing},
    {"Add", binary_of_expand},  {"Sub", binary_of_expand},
    {"Mul", binary_of_expand},  {"Div", binary_of_expand},
    {"Pool", pool_of_one},      {"MatMul", product_of_flattened_transpose},
};

}  // namespace

int simplify(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
