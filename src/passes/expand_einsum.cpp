// Einsum becomes sums, products of two operands, and views and transpositions between them:
//
//   abc, cde -> abde    transpose(a [.., c]) @ b [c, de], viewed as [a, b, d, e]
//   bi, ij, bj -> b     (bi @ ij) bj, summed over j
//   i, j -> ij          x[i, 1] * y[1, j]
//
// An equation that takes a diagonal stays, as does one that sums over an axis that might broadcast.
#include <algorithm>

#include "ops/math/einsum.h"
#include "ops/math/reduce.h"
#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/reshape.h"
#include "ops/shape/shape_of.h"
#include "ops/shape/transpose.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

using Labels = std::vector<int>;

bool has(const Labels& list, int label) { return std::find(list.begin(), list.end(), label) != list.end(); }
Labels joined(Labels a, const Labels& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A value whose axes are labels.
struct Term {
  ir::ValueId value;
  Labels labels;
  ir::Shape dims;
  ir::Dim size_of(int label) const {
    return dims[size_t(std::find(labels.begin(), labels.end(), label) - labels.begin())];
  }
};

class Expansion {
 public:
  Expansion(const ir::Graph& g, const ir::Node& node, const ops::EinsumPlan& plan)
      : g_(g), result_(plan.result), patch(g, "an einsum in products") {
    for (size_t i = 0; i < node.inputs.size(); ++i)
      sources_.push_back({node.inputs[i], plan.operands[i], shape_of(g, node.inputs[i])});
  }

  /// The result, or kNone where it cannot be had so.
  ir::ValueId run() {
    std::vector<Term> left = sources_;
    Term made = left.front();
    left.erase(left.begin());
    for (;;) {
      made = summed(std::move(made), needed(left));
      if (left.empty()) return arranged(std::move(made), result_).value;
      const auto next = choose(made, left);
      Term other = *next;
      left.erase(next);
      const Labels keep = needed(left);
      other = summed(std::move(other), joined(keep, made.labels));
      auto product = contract(std::move(made), std::move(other), keep);
      if (!product) return ir::kNone;
      made = std::move(*product);
    }
  }

 private:
  const ir::Graph& g_;
  std::vector<Term> sources_;
  Labels result_;

 public:
  ir::Patch patch;

 private:
  /// Labels of the result and of the operands still to come.
  Labels needed(const std::vector<Term>& left) const {
    Labels all = result_;
    for (const Term& t : left) all = joined(std::move(all), t.labels);
    return all;
  }
  /// The operand to take next: one that shares a label that ends there, else one that shares any, else the first.
  std::vector<Term>::iterator choose(const Term& made, std::vector<Term>& left) const {
    auto best = left.begin();
    int most = -1;
    for (auto t = left.begin(); t != left.end(); ++t) {
      int score = 0;
      for (int label : t->labels) {
        if (!has(made.labels, label)) continue;
        const bool ends = !has(result_, label) && std::none_of(left.begin(), left.end(), [&](const Term& o) {
          return &o != &*t && has(o.labels, label);
        });
        score = std::max(score, ends ? 2 : 1);
      }
      if (score > most) best = t, most = score;
    }
    return best;
  }

  /// `t` summed over the labels that are not in `keep`.
  Term summed(Term t, const Labels& keep) {
    ops::ReduceAttrs sum;
    sum.kind = ops::ReduceKind::kSum;
    sum.keepdims = false;
    Term y{t.value, {}, {}};
    for (size_t i = 0; i < t.labels.size(); ++i) {
      if (has(keep, t.labels[i])) {
        y.labels.push_back(t.labels[i]);
        y.dims.push_back(t.dims[i]);
      } else {
        sum.axes.push_back(int64_t(i));
      }
    }
    if (!sum.axes.empty()) y.value = patch.node("Reduce", {t.value}, sum);
    return y;
  }
  Term arranged(Term t, const Labels& order) {
    if (t.labels == order) return t;
    ops::TransposeAttrs move;
    Term y{ir::kNone, order, {}};
    for (int label : order) {
      move.perm.push_back(std::find(t.labels.begin(), t.labels.end(), label) - t.labels.begin());
      y.dims.push_back(t.size_of(label));
    }
    y.value = patch.node("Transpose", {t.value}, move);
    return y;
  }

  /// The size of axes that become one, as a vector of one element.
  ir::ValueId group_size(const std::vector<std::pair<int, ir::Dim>>& group) {
    int64_t number = 1;
    ir::ValueId size = ir::kNone;
    for (const auto& [label, dim] : group) {
      if (dim.is_const()) {
        number *= dim.constant();
        continue;
      }
      const auto source = std::find_if(sources_.begin(), sources_.end(), [&, l = label, d = dim](const Term& t) {
        return has(t.labels, l) && t.size_of(l) == d;
      });
      const int64_t axis = std::find(source->labels.begin(), source->labels.end(), label) - source->labels.begin();
      const ir::ValueId one = patch.node("Shape", {source->value}, ops::ShapeAttrs{axis, axis + 1});
      size = size == ir::kNone ? one : patch.node("Mul", {size, one});
    }
    if (size != ir::kNone && number == 1) return size;
    const ir::ValueId constant = patch.constant(ir::Tensor::vector_i64(std::vector<int64_t>{number}));
    return size == ir::kNone ? constant : patch.node("Mul", {size, constant});
  }

  using Group = std::vector<std::pair<int, ir::Dim>>;  ///< labels, and sizes, of axes that one axis stands for
  ir::Dim product(const Group& group) const {
    ir::Dim size = 1;
    for (const auto& [label, dim] : group) size = g_.symbols->mul(size, dim);
    return size;
  }
  /// `v` of dims `from` with an axis for each group.
  ir::ValueId viewed(ir::ValueId v, const ir::Shape& from, const std::vector<Group>& groups) {
    ir::Shape to;
    for (const Group& group : groups) to.push_back(product(group));
    if (from == to) return v;
    if (const auto target = reshape_target(from, to)) return reshape_to(patch, v, *target);
    std::vector<ir::ValueId> sizes;
    for (const Group& group : groups) sizes.push_back(group_size(group));
    return patch.node("Reshape", {v, patch.node("Concat", sizes, ops::AxisAttrs{0})},
                      ops::ReshapeAttrs{.allowzero = true});
  }
  static Group group_of(const Term& t, const Labels& labels) {
    Group group;
    for (int label : labels) group.emplace_back(label, t.size_of(label));
    return group;
  }
  static std::vector<Group> each(const Term& t, const Labels& labels) {
    std::vector<Group> groups;
    for (int label : labels) groups.push_back({{label, t.size_of(label)}});
    return groups;
  }

  struct Parts {
    Labels batch, left, right, inner;
  };
  /// The product of both, summed over the labels that are not in `keep`.
  std::optional<Term> contract(Term a, Term b, const Labels& keep) {
    Parts p;
    for (int label : a.labels) (!has(b.labels, label) ? p.left : has(keep, label) ? p.batch : p.inner).push_back(label);
    for (int label : b.labels)
      if (!has(a.labels, label)) p.right.push_back(label);
    for (int label : p.inner)
      if (!(a.size_of(label) == b.size_of(label))) return std::nullopt;
    Term y{ir::kNone, joined(joined(p.batch, p.left), p.right), {}};
    for (int label : p.batch) {
      const ir::Dim of_a = a.size_of(label), of_b = b.size_of(label);
      if (!(of_a == of_b) && !(of_a == 1) && !(of_b == 1)) return std::nullopt;
      y.dims.push_back(of_a == 1 ? of_b : of_a);
    }
    for (int label : p.left) y.dims.push_back(a.size_of(label));
    for (int label : p.right) y.dims.push_back(b.size_of(label));
    y.value = p.inner.empty() ? spread(a, b, p) : multiplied(a, b, p, y);
    return y;
  }
  ir::ValueId spread(Term a, Term b, const Parts& p) {
    a = arranged(std::move(a), joined(p.batch, p.left));
    b = arranged(std::move(b), joined(p.batch, p.right));
    std::vector<Group> of_a = each(a, a.labels), of_b = each(b, p.batch), last = each(b, p.right);
    of_a.resize(of_a.size() + p.right.size());
    of_b.resize(of_b.size() + p.left.size());
    of_b.insert(of_b.end(), last.begin(), last.end());
    return patch.node("Mul", {viewed(a.value, a.dims, of_a), viewed(b.value, b.dims, of_b)});
  }
  ir::ValueId multiplied(Term a, Term b, const Parts& p, const Term& y) {
    a = arranged(std::move(a), joined(joined(p.batch, p.left), p.inner));
    b = arranged(std::move(b), joined(joined(p.batch, p.inner), p.right));
    std::vector<Group> of_a = each(a, p.batch), of_b = each(b, p.batch), of_y = each(y, p.batch);
    if (p.batch.empty() && !p.left.empty()) {  // its rows may have any number of axes
      of_a = of_y = each(a, p.left);
    } else {
      of_a.push_back(group_of(a, p.left));
      of_y.push_back(group_of(a, p.left));
    }
    of_a.push_back(group_of(a, p.inner));
    of_b.push_back(group_of(b, p.inner));
    of_b.push_back(group_of(b, p.right));
    of_y.push_back(group_of(b, p.right));
    const ir::ValueId product_of =
        patch.node("MatMul", {viewed(a.value, a.dims, of_a), viewed(b.value, b.dims, of_b)}, ops::MatMulAttrs{});
    ir::Shape from;
    for (const Group& group : of_y) from.push_back(product(group));
    return viewed(product_of, from, each(y, y.labels));
  }
};

bool takes_diagonal(const ops::EinsumPlan& plan) {
  return std::any_of(plan.operands.begin(), plan.operands.end(), [](Labels labels) {
    std::sort(labels.begin(), labels.end());
    return std::adjacent_find(labels.begin(), labels.end()) != labels.end();
  });
}

Match expanded(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  std::vector<size_t> ranks;
  for (ir::ValueId v : node.inputs) {
    if (!g.value(v).ranked) return std::nullopt;
    ranks.push_back(rank_of(g, v));
  }
  const ops::EinsumPlan plan = ops::parse_einsum(node.attrs.as<ops::EinsumAttrs>().equation, ranks);
  if (takes_diagonal(plan)) return std::nullopt;
  Expansion expansion(g, node, plan);
  const ir::ValueId y = expansion.run();
  if (y == ir::kNone) return std::nullopt;
  expansion.patch.replace(node.outputs[0], y);
  return std::move(expansion.patch);
}

constexpr Rule kRules[] = {{"Einsum", expanded}};

}  // namespace

int expand_einsum(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
