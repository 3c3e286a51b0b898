// Connected element-wise nodes of one shape become one Pointwise node.
//
// A region has one result. A producer joins if it is element-wise, its result has the region's shape, and everything
// that reads it is inside: nothing is computed twice and no cycle can arise. A conversion to a narrower type stays
// outside, because programs compute in f32 throughout and would lose its rounding.
#include <algorithm>
#include <queue>
#include <set>

#include "ops/fused/pointwise.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr size_t kMaxOperands = 16;
constexpr size_t kMaxInstrs = 64;

class RegionGrower {
 public:
  RegionGrower(const ir::Graph& g, const std::vector<size_t>& position) : g_(g), position_(position) {}

  /// Members of the region with result node `root`, in topological order; empty if the root is not element-wise.
  std::vector<ir::NodeId> grow(ir::NodeId root) {
    if (!joins(root, nullptr)) return {};
    const ir::Shape& shape = shape_of(g_, g_.node(root).outputs[0]);
    auto later = [&](ir::NodeId a, ir::NodeId b) { return position_[a] < position_[b]; };
    std::priority_queue<ir::NodeId, std::vector<ir::NodeId>, decltype(later)> work(later);
    std::set<ir::NodeId> members, queued{root};
    std::set<ir::ValueId> operands;
    size_t instrs = 0;
    work.push(root);
    while (!work.empty()) {  // latest first, so that all readers of a candidate are decided
      const ir::NodeId n = work.top();
      work.pop();
      const ir::ValueId y = g_.node(n).outputs[0];
      if (n != root && (narrows(g_.node(n)) || !joins(n, &shape) || g_.is_output(y) || !all_inside(y, members)))
        continue;
      const auto e = elementwise(g_, g_.node(n));
      std::set<ir::ValueId> wider = operands;
      wider.erase(y);
      wider.insert(e->operands.begin(), e->operands.end());
      if (n != root && (wider.size() > kMaxOperands || instrs + e->program.instrs.size() > kMaxInstrs)) continue;
      operands = std::move(wider);
      instrs += e->program.instrs.size();
      members.insert(n);
      for (ir::ValueId v : e->operands)
        if (const ir::NodeId p = g_.value(v).producer; p != ir::kNone && queued.insert(p).second) work.push(p);
    }
    std::vector<ir::NodeId> sorted(members.begin(), members.end());
    std::sort(sorted.begin(), sorted.end(), [&](ir::NodeId a, ir::NodeId b) { return position_[a] < position_[b]; });
    return sorted;
  }

 private:
  bool joins(ir::NodeId n, const ir::Shape* shape) const {
    const ir::Node& node = g_.node(n);
    const auto e = elementwise(g_, node);
    if (!e) return false;
    if (shape) return shape_of(g_, node.outputs[0]) == *shape;
    return is_pointwise_float(g_.value(node.outputs[0]).dtype) && !e->operands.empty();
  }
  bool narrows(const ir::Node& node) const {
    return node.op == "Cast" && ir::bits(g_.value(node.outputs[0]).dtype) < ir::bits(g_.value(node.inputs[0]).dtype);
  }
  bool all_inside(ir::ValueId v, const std::set<ir::NodeId>& members) const {
    const auto& users = g_.users(v);
    return std::all_of(users.begin(), users.end(), [&](ir::NodeId u) { return members.count(u) != 0; });
  }

  const ir::Graph& g_;
  const std::vector<size_t>& position_;
};

ir::Patch pointwise_node(const ir::Graph& g, const std::vector<ir::NodeId>& members) {
  const ir::ValueId result = g.node(members.back()).outputs[0];
  ProgramBuilder builder;
  for (ir::NodeId n : members) builder.add(*elementwise(g, g.node(n)), g.node(n).outputs[0]);
  builder.finish(result);
  ops::PointwiseAttrs attrs{builder.text(), {}};
  if (g.value(builder.operands()[0]).dtype != g.value(result).dtype)
    attrs.types = {std::string(ir::name(g.value(result).dtype))};
  ir::Patch p(g, cat(members.size(), " element-wise nodes in one"));
  p.replace(result, p.node("Pointwise", builder.operands(), attrs));
  return p;
}

}  // namespace

int fuse_pointwise(ir::Graph& graph, PassContext& context) {
  const auto order = graph.topological_order();
  std::vector<size_t> position(graph.node_count(), 0);
  for (size_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  int count = 0;
  for (auto root = order.rbegin(); root != order.rend(); ++root) {
    if (!graph.node(*root).alive) continue;
    const auto members = RegionGrower(graph, position).grow(*root);
    if (members.size() < 2) continue;
    position.resize(graph.node_count() + 1, position[*root]);  // of the node that the patch adds
    count += apply_patch(graph, context, pointwise_node(graph, members));
  }
  return count;
}

}  // namespace tenon::passes
