// softmax(alpha q k^T + mask) v and the Attention of models that have one operator for it become FusedAttention, which
// reads q, k and v as rows of their projections where the model only splits and moves heads, and writes rows where it
// merges them.
#include <algorithm>
#include <cmath>

#include "ops/fused/fused_attention.h"
#include "ops/math/cast.h"
#include "ops/math/reduce.h"
#include "ops/nn/attention.h"
#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/transpose.h"
#include "passes/axis_chain.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

using ops::HeadLayout;

const ir::Node* plain_product(const ir::Graph& g, ir::ValueId v) {
  const ir::Node* n = made_by(g, v, "MatMul");
  if (!n || n->inputs.size() > 2) return nullptr;
  const auto& a = n->attrs.as<ops::MatMulAttrs>();
  return a.epilogue.empty() && !a.transpose_a ? n : nullptr;
}

struct Scores {
  const ir::Node* product = nullptr;
  ir::ValueId mask = ir::kNone;
};

std::optional<Scores> scores(const ir::Graph& g, ir::ValueId v) {
  if (!read_once(g, v)) return std::nullopt;
  if (const ir::Node* n = plain_product(g, v)) return Scores{n, ir::kNone};
  const ir::Node* add = made_by(g, v, "Add");
  if (!add) return std::nullopt;
  for (size_t side : {0u, 1u}) {
    const ir::ValueId product = add->inputs[side], mask = add->inputs[1 - side];
    const ir::Node* n = plain_product(g, product);
    if (n && read_once(g, product) && shape_of(g, product) == shape_of(g, v)) return Scores{n, mask};
  }
  return std::nullopt;
}

/// An operand of attention: a value and where its heads are.
struct Operand {
  ir::ValueId value;
  HeadLayout layout;
};

/// `v` is [batch, heads, length, size], or with `turned` [batch, heads, size, length].
std::optional<Operand> operand(ir::Patch& p, const ir::Graph& g, ir::ValueId v, bool turned) {
  const ir::Shape& s = shape_of(g, v);
  const ir::Shape rows{s[0], turned ? s[3] : s[2], g.symbols->mul(s[1], turned ? s[2] : s[3])};
  if (const auto chain = axis_chain(g, v)) {
    // In the source: batch, length, heads, size.
    const auto& d = chain->dims;
    std::vector<size_t> wanted = d[0];
    for (size_t k : {turned ? size_t(3) : size_t(2), size_t(1), turned ? size_t(2) : size_t(3)})
      wanted.insert(wanted.end(), d[k].begin(), d[k].end());
    const auto target = reshape_target(shape_of(g, chain->source), rows);
    if (std::is_sorted(wanted.begin(), wanted.end()) && target)
      return Operand{shape_of(g, chain->source) == rows ? chain->source : reshape_to(p, chain->source, *target),
                     HeadLayout::kRows};
  }
  if (turned) v = p.node("Transpose", {v}, ops::TransposeAttrs{{0, 1, 3, 2}});
  return Operand{v, HeadLayout::kHeads};
}

bool rank_four(const ir::Graph& g, const ir::Node& product) {
  return rank_of(g, product.inputs[0]) == 4 && rank_of(g, product.inputs[1]) == 4;
}

/// How the only reader of y [batch, heads, length, size] moves it, if it puts the heads beside their size again.
struct Merging {
  ir::ValueId value = ir::kNone;
  std::vector<int64_t> perm;  ///< of [batch, length, heads, size]; empty where a view does
};
std::optional<Merging> merging(const ir::Graph& g, ir::ValueId y) {
  if (!read_once(g, y)) return std::nullopt;
  const ir::Node& next = g.node(g.users(y)[0]);
  const auto chain = next.op == "Transpose" ? axis_chain(g, next.outputs[0]) : std::nullopt;
  if (!chain || chain->source != y) return std::nullopt;
  std::vector<size_t> wanted;
  for (size_t d : {0u, 2u, 1u, 3u})
    wanted.insert(wanted.end(), chain->source_dims[d].begin(), chain->source_dims[d].end());
  if (chain->order == wanted) return Merging{next.outputs[0], {}};
  static constexpr int64_t kPlace[] = {0, 2, 1, 3};
  std::vector<int64_t> perm;
  for (int64_t axis : next.attrs.as<ops::TransposeAttrs>().perm) perm.push_back(kPlace[axis < 0 ? axis + 4 : axis]);
  if (perm.size() != 4 || perm[2] != 2 || perm[3] != 3) return std::nullopt;
  return Merging{next.outputs[0], perm};
}

/// The Softmax whose result `v` is, perhaps behind the guard Where(IsNaN(s), 0, s) of rows that a mask hides whole.
struct Weights {
  const ir::Node* softmax = nullptr;
  bool guarded = false;
};
Weights weights(const ir::Graph& g, ir::ValueId v) {
  if (!read_once(g, v)) return {};
  const ir::Node* where = made_by(g, v, "Where");
  if (!where) return {made_by(g, v, "Softmax"), false};
  const ir::ValueId s = where->inputs[2];
  const ir::Node* nan = made_by(g, where->inputs[0], "IsNaN");
  const bool guard = nan && nan->inputs[0] == s && uniform(g, where->inputs[1]) == 0.0 && g.users(s).size() == 2 &&
                     !g.is_output(s) && read_once(g, where->inputs[0]);
  return guard ? Weights{made_by(g, s, "Softmax"), true} : Weights{};
}

/// Whether a row with this mask always sees a key.
bool hides_nothing(const ir::Graph& g, ir::ValueId mask) { return mask == ir::kNone || uniform(g, mask); }

/// The patch with FusedAttention in place of `y`, or of what merges its heads.
Match with_attention(const ir::Graph& g, ir::Patch p, ops::FusedAttentionAttrs attrs,
                     const std::vector<ir::ValueId>& inputs, ir::ValueId y) {
  const auto merged = merging(g, y);
  if (!merged) {
    attrs.y = HeadLayout::kHeads;
    p.replace(y, p.node("FusedAttention", inputs, attrs));
    return p;
  }
  const ir::Shape& s = shape_of(g, y);
  const ir::Shape rows{s[0], s[2], g.symbols->mul(s[1], s[3])};
  const ir::Shape split{s[0], s[2], s[1], s[3]};
  const auto target = reshape_target(rows, merged->perm.empty() ? shape_of(g, merged->value) : split);
  if (!target) return std::nullopt;
  ir::ValueId result = reshape_to(p, p.node("FusedAttention", inputs, attrs), *target);
  if (!merged->perm.empty()) result = p.node("Transpose", {result}, ops::TransposeAttrs{merged->perm});
  p.replace(merged->value, result);
  return p;
}

Match recognize(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Node* weighting = plain_product(g, node.outputs[0]);
  if (!weighting || !rank_four(g, node) || !is_pointwise_float(g.value(node.outputs[0]).dtype)) return std::nullopt;
  const auto& outer = node.attrs.as<ops::MatMulAttrs>();
  const auto [softmax, guarded] = weights(g, node.inputs[0]);
  if (!softmax || outer.alpha != 1) return std::nullopt;
  const int64_t axis = softmax->attrs.as<ops::AxisAttrs>().axis;
  const auto s = axis == -1 || axis == 3 ? scores(g, softmax->inputs[0]) : std::nullopt;
  if (!s || !rank_four(g, *s->product) || (guarded && !hides_nothing(g, s->mask))) return std::nullopt;
  const auto& inner = s->product->attrs.as<ops::MatMulAttrs>();
  const ir::Shape &q = shape_of(g, s->product->inputs[0]), &k = shape_of(g, s->product->inputs[1]),
                  &v = shape_of(g, node.inputs[1]), y = shape_of(g, node.outputs[0]);
  if (!q[1].is_const() || k[1] != q[1] || v[1] != q[1] || k[0] != q[0] || v[0] != q[0] || !(inner.alpha > 0))
    return std::nullopt;
  ir::Patch p(g, "computes attention");
  const auto qo = operand(p, g, s->product->inputs[0], false),
             ko = operand(p, g, s->product->inputs[1], !inner.transpose_b),
             vo = operand(p, g, node.inputs[1], outer.transpose_b);
  ops::FusedAttentionAttrs attrs;
  attrs.heads = attrs.kv_heads = q[1].constant();
  attrs.scale = inner.alpha;
  attrs.q = qo->layout, attrs.k = ko->layout, attrs.v = vo->layout, attrs.y = HeadLayout::kRows;
  std::vector<ir::ValueId> inputs{qo->value, ko->value, vo->value};
  if (s->mask != ir::kNone) inputs.push_back(s->mask);
  return with_attention(g, std::move(p), attrs, inputs, node.outputs[0]);
}

/// Whether every row of a constant mask lets a key through.
bool shows_keys(const ir::Tensor* mask) {
  constexpr int64_t kMost = int64_t(1) << 24;
  if (!mask || mask->count() > kMost) return false;
  const int64_t keys = mask->dims().empty() ? 1 : mask->dims().back();
  const bool number = mask->dtype() != ir::DType::kBool;
  int64_t seen = 0;
  for (int64_t i = 0; i < mask->count(); ++i) {
    seen += number ? mask->get(i) != -INFINITY : mask->get_int(i) != 0;
    if ((i + 1) % keys != 0) continue;
    if (seen == 0) return false;
    seen = 0;
  }
  return true;
}

/// y with zeros in rows that the mask hides whole.
ir::ValueId without_hidden_rows(ir::Patch& p, const ir::Graph& g, ir::ValueId mask, ir::ValueId y, ir::DType type) {
  const auto number = [&](double v) {
    ir::Tensor t(type, {});
    t.set(0, v);
    return p.constant(std::move(t));
  };
  const bool marks = g.value(mask).dtype == ir::DType::kBool;
  if (marks) mask = p.node("Cast", {mask}, ops::CastAttrs{type});
  ops::ReduceAttrs most;
  most.kind = ops::ReduceKind::kMax;
  most.axes = {-1};
  mask = p.node("Reduce", {mask}, most);
  const ir::ValueId hidden = p.node("Equal", {mask, number(marks ? 0 : -INFINITY)});
  return p.node("Where", {hidden, number(0), y});
}

/// Whether a causal Attention lets the last query see the last key.
bool ends_with_keys(const ir::Graph& g, const ir::Node& node, const ir::Shape& q, const ir::Shape& k) {
  ir::Dim before = 0;
  if (const ir::ValueId v = node.inputs.size() > 4 ? node.inputs[4] : ir::kNone; v != ir::kNone) {
    const ir::Tensor* constant = g.constant(v);
    const auto& contents = g.value(v).contents;
    if (constant && constant->count() == 1)
      before = constant->get_int(0);
    else if (contents && contents->size() == 1)
      before = (*contents)[0];
    else
      return false;
  }
  return g.symbols->add(q[2], before) == k[2];
}

/// Attention without soft caps, windows, padding and scores.
Match fuse(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto& a = node.attrs.as<ops::AttentionAttrs>();
  const auto has = [&](size_t i) { return i < node.inputs.size() && node.inputs[i] != ir::kNone; };
  const ir::ValueId y = node.outputs[0];
  const ir::DType type = g.value(y).dtype;
  if ((node.outputs.size() > 1 && node.outputs[1] != ir::kNone) || a.softcap > 0 || a.left_window >= 0 ||
      a.right_window >= 0 || a.scale < 0 || has(5) || !is_pointwise_float(type))
    return std::nullopt;
  const ir::Shape &q = shape_of(g, node.inputs[0]), &k = shape_of(g, node.inputs[1]);
  if (!q[1].is_const() || !k[1].is_const() || !q[3].is_const() || q[3].constant() < 1) return std::nullopt;
  const ir::ValueId mask = has(3) ? node.inputs[3] : ir::kNone;
  if (a.causal && (mask != ir::kNone || !ends_with_keys(g, node, q, k))) return std::nullopt;
  if (mask != ir::kNone && rank_of(g, mask) == 0) return std::nullopt;
  ir::Patch p(g, "computes attention");
  ops::FusedAttentionAttrs attrs;
  attrs.heads = q[1].constant();
  attrs.kv_heads = k[1].constant();
  attrs.scale = a.scale > 0 ? a.scale : float(1 / std::sqrt(double(q[3].constant())));
  attrs.causal = a.causal;
  std::vector<ir::ValueId> inputs;
  HeadLayout* const layouts[] = {&attrs.q, &attrs.k, &attrs.v};
  for (size_t i = 0; i < 3; ++i) {
    const auto o = operand(p, g, node.inputs[i], false);
    inputs.push_back(o->value);
    *layouts[i] = o->layout;
  }
  if (mask == ir::kNone) return with_attention(g, std::move(p), attrs, inputs, y);
  inputs.push_back(mask);
  if (shows_keys(g.constant(mask))) return with_attention(g, std::move(p), attrs, inputs, y);
  attrs.y = HeadLayout::kHeads;
  p.replace(y, without_hidden_rows(p, g, mask, p.node("FusedAttention", inputs, attrs), type));
  return p;
}

constexpr Rule kRules[] = {{"MatMul", recognize}, {"Attention", fuse}};

}  // namespace

int recognize_attention(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
