// Convolutions take channels-last tensors; the layout of every other value is the one that moves the fewest bytes.
//
// Each node that works in either layout is a vertex of a flow network, convolutions are tied to the source
// (channels-last), everything that fixes the model's layout to the sink; an edge between producer and readers of a
// value costs the value's size. A minimum cut is where Transpose nodes go. Transpose nodes of the model take part: one
// that is undone by the chosen layouts costs nothing.
#include "passes/layout.h"

#include <algorithm>
#include <map>

#include "ops/op.h"
#include "ops/shape/reshape.h"
#include "ops/shape/transpose.h"
#include "passes/fold.h"
#include "passes/min_cut.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

bool unit_spatial(const ir::Shape& s) {
  return s.size() >= 3 && std::all_of(s.begin() + 2, s.end(), [](ir::Dim d) { return d == 1; });
}

/// Relative cost of transposing a value.
int64_t moving_cost(const ir::Shape& shape) {
  if (unit_spatial(shape)) return 1;
  return relative_size(shape);
}

class LayoutAssignment {
 public:
  explicit LayoutAssignment(const ir::Graph& g)
      : g_(g),
        roles_(g.node_count(), LayoutRole::kFixed),
        in_(g.node_count(), MinCut::kSink),
        out_(g.node_count(), MinCut::kSink) {
    for (ir::NodeId n : g.topological_order()) add_node(n);
    for (ir::ValueId v = 0; v < g.value_count(); ++v) add_value(v);
    if (preferring_) side_ = cut_.solve();
  }
  bool any() const { return preferring_; }
  LayoutRole role(ir::NodeId n) const { return roles_[n]; }
  bool operand_last(ir::NodeId n) const { return side_[size_t(in_[n])]; }
  bool result_last(ir::NodeId n) const { return side_[size_t(out_[n])]; }

 private:
  void add_node(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    switch (roles_[n] = layout_role(g_, node)) {
      case LayoutRole::kFixed:
        return;
      case LayoutRole::kPrefers:
        in_[n] = out_[n] = MinCut::kSource;
        preferring_ = true;
        return;
      case LayoutRole::kFollows:
        in_[n] = out_[n] = cut_.add_vertex();
        return;
      case LayoutRole::kEnds:
        in_[n] = cut_.add_vertex();
        return;
      case LayoutRole::kTransposes:
        return add_transpose(n, node);
    }
  }
  void add_transpose(ir::NodeId n, const ir::Node& node) {
    const auto& perm = node.attrs.as<ops::TransposeAttrs>().perm;
    const int64_t cost = moving_cost(g_.value(node.inputs[0]).shape);
    if (perm == to_channels_last(perm.size())) {  // free if its operand is channels-last already
      in_[n] = cut_.add_vertex();
      cut_.add_edge(MinCut::kSource, in_[n], cost);
    } else if (perm == to_channels_first(perm.size())) {  // free if its result is wanted channels-last
      out_[n] = cut_.add_vertex();
      cut_.add_edge(MinCut::kSource, out_[n], cost);
    } else {
      in_[n] = cut_.add_vertex();
      out_[n] = cut_.add_vertex();
    }
  }
  void add_value(ir::ValueId v) {
    const ir::Value& value = g_.value(v);
    if (value.constant || !value.ranked || (g_.users(v).empty() && !g_.is_output(v))) return;
    const int producer = value.producer == ir::kNone ? MinCut::kSink : out_[value.producer];
    std::vector<int> readers;
    for (ir::NodeId n : g_.users(v)) {
      const bool laid_out = roles_[n] != LayoutRole::kFixed && has_layout(g_, g_.node(n), v);
      readers.push_back(laid_out ? in_[n] : MinCut::kSink);
    }
    if (g_.is_output(v)) readers.push_back(MinCut::kSink);
    std::sort(readers.begin(), readers.end());
    readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
    const int64_t cost = moving_cost(value.shape);
    if (readers.size() == 1) {
      if (readers[0] != producer) cut_.add_edge(producer, readers[0], cost, cost);
      return;
    }
    // One Transpose serves all readers that want the other layout.
    const int down = cut_.add_vertex(), up = cut_.add_vertex();
    cut_.add_edge(producer, down, cost);
    cut_.add_edge(up, producer, cost);
    for (int r : readers) {
      cut_.add_edge(down, r, MinCut::kInfinite);
      cut_.add_edge(r, up, MinCut::kInfinite);
    }
  }

  const ir::Graph& g_;
  std::vector<LayoutRole> roles_;
  MinCut cut_;
  std::vector<int> in_, out_;
  std::vector<bool> side_;
  bool preferring_ = false;
};

class LayoutRewrite {
 public:
  LayoutRewrite(ir::Graph& g, PassContext& context) : g_(g), context_(context) {}

  int run() {
    const LayoutAssignment assignment(g_);
    if (!assignment.any()) return 0;
    is_last_.assign(g_.value_count(), false);
    for (ir::NodeId n : g_.topological_order())
      visit(n, assignment.role(n), assignment.operand_last(n), assignment.result_last(n));
    for (ir::ValueId& v : g_.outputs) restore_output(v);
    return count_;
  }

 private:
  void visit(ir::NodeId n, LayoutRole role, bool operand_last, bool result_last) {
    const bool transposes = role == LayoutRole::kTransposes;
    if (!transposes && role != LayoutRole::kFixed && operand_last) {
      make_channels_last(g_, n);
      ++count_;
      if (role == LayoutRole::kPrefers) context_.note(g_.node(n), "channels-last");
    }
    for (size_t i = 0; i < g_.node(n).inputs.size(); ++i) {
      const ir::ValueId v = g_.node(n).inputs[i];
      if (v == ir::kNone) continue;
      const bool last = operand_last && role != LayoutRole::kFixed && has_layout(g_, g_.node(n), v);
      const ir::ValueId wanted = in_layout(v, last);
      if (wanted != v) g_.set_input(n, i, wanted);
    }
    if (transposes) compose(n, operand_last, result_last);
    for (ir::ValueId v : g_.node(n).outputs)
      if (v != ir::kNone && result_last) mark(v);
    ops::infer_node(g_, n);
  }

  void mark(ir::ValueId v) {
    if (v >= is_last_.size()) is_last_.resize(v + 1, false);
    is_last_[v] = true;
  }
  bool is_last(ir::ValueId v) const { return v < is_last_.size() && is_last_[v]; }

  /// perm, between operands and results in the chosen layouts.
  void compose(ir::NodeId n, bool operand_last, bool result_last) {
    auto& perm = g_.node(n).attrs.edit<ops::TransposeAttrs>().perm;
    const size_t rank = rank_of(g_, g_.node(n).inputs[0]);
    if (perm.empty())
      for (size_t i = rank; i-- > 0;) perm.push_back(int64_t(i));
    std::vector<int64_t> moved;
    for (size_t i = 0; i < rank; ++i) {
      const int64_t y = result_last ? to_channels_last(rank)[i] : int64_t(i);
      int64_t x = perm[size_t(y)];
      if (x < 0) x += int64_t(rank);
      moved.push_back(operand_last ? (x == 0 ? 0 : x == 1 ? int64_t(rank) - 1 : x - 1) : x);
    }
    perm = moved;
  }

  ir::ValueId in_layout(ir::ValueId v, bool last) {
    if (is_last(v) == last) return v;
    if (auto it = other_.find(v); it != other_.end()) return it->second;
    const size_t rank = rank_of(g_, v);
    const std::vector<int64_t> perm = last ? to_channels_last(rank) : to_channels_first(rank);
    const std::string name = cat(g_.value(v).name, last ? ".channels_last" : ".channels_first");
    const ir::Shape& s = shape_of(g_, v);
    ir::Shape first = s;
    if (!last)
      for (size_t i = 0; i < rank; ++i) first[i] = s[size_t(perm[i])];
    ir::NodeId t;
    if (unit_spatial(first) && first[1].is_const() && first[1] != 0) {
      std::vector<int64_t> dims(rank, 1);
      dims[0] = 0;
      dims[last ? rank - 1 : 1] = first[1].constant();
      t = g_.add_node("Reshape", {v, g_.add_constant(ir::Tensor::vector_i64(dims))}, ops::ReshapeAttrs{});
    } else {
      t = g_.add_node("Transpose", {v}, ops::TransposeAttrs{perm});
      if (!g_.constant(v)) {
        ++count_;
        context_.note(g_.node(t), cat(g_.value(v).name, last ? " to channels-last" : " to channels-first"));
      }
    }
    if (const ir::Node* p = g_.producer(v)) g_.node(t).origin = p->origin;
    const ir::ValueId moved = g_.node(t).outputs[0];
    g_.rename(moved, g_.unique_name(name));
    if (last) mark(moved);
    ops::infer_node(g_, t);
    return other_[v] = fold_if_constant(t, moved);
  }
  ir::ValueId fold_if_constant(ir::NodeId t, ir::ValueId moved) {
    const std::string name = g_.value(moved).name;
    if (!fold_node(g_, t, context_.options().fold_limit)) return moved;
    const ir::ValueId constant = g_.find(name);
    if (is_last(moved)) mark(constant);
    return constant;
  }

  void restore_output(ir::ValueId& v) {
    if (!is_last(v)) return;
    const ir::ValueId first = in_layout(v, false);
    const std::string name = g_.value(v).name;
    g_.rename(v, g_.unique_name(name + ".channels_last"));
    g_.rename(first, name);
    v = first;
  }

  ir::Graph& g_;
  PassContext& context_;
  std::vector<bool> is_last_;
  std::map<ir::ValueId, ir::ValueId> other_;
  int count_ = 0;
};

}  // namespace

int layout(ir::Graph& graph, PassContext& context) {
  if (!context.options().channels_last) return 0;
  return LayoutRewrite(graph, context).run();
}

}  // namespace tenon::passes
