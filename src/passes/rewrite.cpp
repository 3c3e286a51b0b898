#include "passes/rewrite.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "ops/op.h"
#include "passes/fold.h"

namespace tenon::passes {

bool apply_patch(ir::Graph& graph, PassContext& context, ir::Patch patch, std::vector<ir::NodeId>* added) {
  for (auto [old, by] : patch.replacements()) {
    if (!graph.is_output(old)) continue;
    if (!patch.is_new_node_output(by) &&
        (patch.is_new(by) || graph.constant(by) || graph.is_input(by) || graph.is_output(by)))
      return false;
  }
  const ir::ValueId first = patch.replacements().empty() ? ir::kNone : patch.replacements()[0].first;
  const ir::NodeId at = first == ir::kNone ? ir::kNone : graph.value(first).producer;
  if (at != ir::kNone) context.note(graph.node(at), patch.why);
  const auto first_new = ir::ValueId(graph.value_count());
  const auto nodes = std::move(patch).apply(graph);
  for (ir::ValueId v = first_new; v < graph.value_count(); ++v)
    if (graph.constant(v)) record_constant(graph, v);
  for (ir::NodeId n : nodes) {
    ops::infer_node(graph, n);
    if (!fold_node(graph, n, context.options().fold_limit) && added) added->push_back(n);
  }
  return true;
}

int apply_rules(ir::Graph& graph, PassContext& context, std::span<const Rule> rules) {
  std::unordered_map<std::string_view, std::vector<const Rule*>> by_op;
  std::vector<const Rule*> any;
  for (const Rule& r : rules) (r.op == "*" ? any : by_op[r.op]).push_back(&r);
  const auto order = graph.topological_order();
  std::deque<ir::NodeId> work(order.begin(), order.end());
  int count = 0;
  const int64_t limit = 1000 + 30 * int64_t(order.size());
  auto step = [&](ir::NodeId n, const std::vector<const Rule*>& list) {
    for (const Rule* rule : list) {
      if (!graph.node(n).alive) return;
      Match match = rule->match(graph, n);
      if (!match) continue;
      const std::vector<ir::ValueId> old_outputs = graph.node(n).outputs;
      std::vector<ir::NodeId> added;
      std::string why = match->why;
      if (!apply_patch(graph, context, std::move(*match), &added)) continue;
      require(++count <= limit, ErrorCode::kInternal, "rules do not come to an end; the last says: ", why);
      for (ir::NodeId a : added) {
        work.push_back(a);
        for (ir::ValueId v : graph.node(a).inputs)
          if (v != ir::kNone && graph.value(v).producer != ir::kNone) work.push_back(graph.value(v).producer);
        for (ir::ValueId v : graph.node(a).outputs)
          if (v != ir::kNone) work.insert(work.end(), graph.users(v).begin(), graph.users(v).end());
      }
    }
  };
  for (; !work.empty(); work.pop_front()) {
    const ir::NodeId n = work.front();
    if (!graph.node(n).alive) continue;
    if (auto it = by_op.find(graph.node(n).op); it != by_op.end()) step(n, it->second);
    if (!any.empty()) step(n, any);
  }
  return count;
}

const ir::Node* made_by(const ir::Graph& graph, ir::ValueId v, std::string_view op) {
  const ir::Node* n = graph.producer(v);
  return n && n->op == op ? n : nullptr;
}

bool read_once(const ir::Graph& graph, ir::ValueId v) { return graph.users(v).size() == 1 && !graph.is_output(v); }

std::optional<double> scalar(const ir::Graph& graph, ir::ValueId v) {
  const ir::Tensor* t = graph.constant(v);
  if (!t || t->count() != 1 || t->dtype() == ir::DType::kString) return std::nullopt;
  return t->get(0);
}

int64_t relative_size(const ir::Shape& shape) {
  double count = 16;
  for (ir::Dim d : shape) count *= d.is_const() ? double(std::max<int64_t>(d.constant(), 1)) : 16.0;
  return int64_t(std::min(count, 0x1p40));
}

std::optional<double> uniform(const ir::Graph& graph, ir::ValueId v) {
  const ir::Tensor* t = graph.constant(v);
  if (!t || t->count() == 0 || !ir::is_float(t->dtype()) || ir::bits(t->dtype()) < 8) return std::nullopt;
  const double first = t->get(0);
  const size_t element = size_t(ir::bits(t->dtype())) / 8;
  const std::byte* bytes = t->data().data();
  const bool same = std::memcmp(bytes, bytes + element, size_t(t->bytes()) - element) == 0;
  return same && std::isfinite(first) ? std::optional(first) : std::nullopt;
}

bool is_scalar(const ir::Graph& graph, ir::ValueId v, double expected, double tolerance) {
  const auto s = scalar(graph, v);
  return s && std::fabs(*s - expected) <= tolerance * std::fmax(1e-30, std::fabs(expected));
}

std::optional<std::vector<int64_t>> known_ints(const ir::Graph& graph, ir::ValueId v) {
  if (v == ir::kNone) return std::nullopt;
  const ir::Value& value = graph.value(v);
  if (value.constant && (ir::is_integer(value.dtype) || value.dtype == ir::DType::kBool))
    return value.constant->to_ints();
  if (value.contents && ir::is_static(*value.contents)) return ir::static_dims(*value.contents);
  return std::nullopt;
}

const ir::Shape& shape_of(const ir::Graph& graph, ir::ValueId v) {
  require(graph.value(v).ranked, ErrorCode::kInternal, "the shape of '", graph.value(v).name, "' is not known");
  return graph.value(v).shape;
}
size_t rank_of(const ir::Graph& graph, ir::ValueId v) { return shape_of(graph, v).size(); }

std::optional<std::vector<int64_t>> reshape_target(const ir::Shape& from, const ir::Shape& to) {
  std::vector<int64_t> target;
  bool rest = false;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0) return std::nullopt;
    if (to[i].is_const())
      target.push_back(to[i].constant());
    else if (i < from.size() && from[i] == to[i])
      target.push_back(0);
    else if (rest)
      return std::nullopt;
    else
      target.push_back(-1), rest = true;
  }
  return target;
}

ir::ValueId reshape_to(ir::Patch& patch, ir::ValueId v, const std::vector<int64_t>& dims) {
  const ir::ValueId shape = patch.constant(ir::Tensor::vector_i64(dims));
  return patch.node("Reshape", {v, shape}, ir::Attrs(ops::find_op("Reshape").attrs));
}

}  // namespace tenon::passes
