#include "select/in_place.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ops/shape/axis_attrs.h"
#include "ops/shape/split.h"

namespace tenon::select {
namespace {

constexpr uint32_t kResult = 16, kOperands = 16;  // bits of KernelDef::pitched

/// Operands that must take a pitch, by node.
using Needs = std::map<ir::NodeId, uint32_t>;

bool along_rows(const ir::Dims& dims, int64_t axis) {
  if (axis < 0) axis += int64_t(dims.size());
  return axis + 1 == int64_t(dims.size()) &&
         std::any_of(dims.begin(), dims.end() - 1, [](int64_t size) { return size != 1; });
}

/// Of all readers of `v` but `except`; false where a reader cannot.
bool add_readers(const ir::Graph& g, ir::ValueId v, ir::NodeId except, Needs& needs) {
  for (ir::NodeId user : g.users(v)) {
    if (user == except) continue;
    const auto& inputs = g.node(user).inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] != v) continue;
      if (i >= kOperands) return false;
      needs[user] |= 1u << i;
    }
  }
  return true;
}

std::optional<Needs> needs_of(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const bool concat = node.op == "Concat";
  const ir::ValueId whole = concat ? node.outputs[0] : node.inputs[0];
  const int64_t axis = concat ? node.attrs.as<ops::AxisAttrs>().axis : node.attrs.as<ops::SplitAttrs>().axis;
  if (!ir::is_static(g.value(whole).shape) || !along_rows(ir::static_dims(g.value(whole).shape), axis))
    return std::nullopt;
  Needs needs;
  for (ir::ValueId v : concat ? node.inputs : node.outputs) {
    if (v == ir::kNone || g.constant(v) || g.is_output(v)) return std::nullopt;
    if (concat) {
      if (!g.producer(v) || g.value(v).output_index != 0) return std::nullopt;
      needs[g.value(v).producer] |= 1u << kResult;
    }
    if (!add_readers(g, v, concat ? n : ir::kNone, needs)) return std::nullopt;
  }
  return needs;
}

class Chooser {
 public:
  Chooser(const ir::Graph& g, const Backend& backend, std::span<const ir::NodeId> nodes, std::span<NodeReport> reports,
          std::vector<plan::Choice>& choices)
      : g_(g), backend_(backend), choices_(choices) {
    for (size_t i = 0; i < nodes.size(); ++i) reports_[nodes[i]] = &reports[i];
  }
  void visit(ir::NodeId n) {
    std::optional<Needs> needs = needs_of(g_, n);
    if (!needs) return;
    float extra = 0;
    std::map<ir::NodeId, const Candidate*> changes;
    for (auto& [node, mask] : *needs) {
      if (const auto kept = kept_.find(node); kept != kept_.end()) mask |= kept->second;
      if (takes(node, choices_[node].kernel, mask)) continue;
      const Candidate* other = fastest(node, mask);
      if (!other) return;
      extra += other->time_us - choices_[node].time_us;
      changes[node] = other;
    }
    if (!changes.empty() && extra >= choices_[n].time_us) return;
    for (const auto& [node, candidate] : changes) {
      choices_[node] = {candidate->kernel, candidate->time_us};
      for (Candidate& c : reports_[node]->candidates) c.chosen = &c == candidate;
    }
    for (const auto& [node, mask] : *needs) kept_[node] |= mask;
  }

 private:
  bool takes(ir::NodeId n, std::string_view kernel, uint32_t mask) const {
    for (const KernelDef* k : kernels_for(backend_, g_.node(n).op))
      if (k->name == kernel) return (k->pitched & mask) == mask;
    return false;
  }
  const Candidate* fastest(ir::NodeId n, uint32_t mask) const {
    const auto report = reports_.find(n);
    const Candidate* best = nullptr;
    if (report == reports_.end()) return best;
    for (const Candidate& c : report->second->candidates)
      if (c.time_us > 0 && c.refusal.empty() && (!best || c.time_us < best->time_us) && takes(n, c.kernel, mask))
        best = &c;
    return best;
  }

  const ir::Graph& g_;
  const Backend& backend_;
  std::vector<plan::Choice>& choices_;
  std::map<ir::NodeId, NodeReport*> reports_;
  std::map<ir::NodeId, uint32_t> kept_;  // what kernels must go on taking
};

}  // namespace

void prefer_in_place(const ir::Graph& graph, const Backend& backend, std::span<const ir::NodeId> nodes,
                     std::span<NodeReport> reports, std::vector<plan::Choice>& choices) {
  Chooser chooser(graph, backend, nodes, reports, choices);
  for (ir::NodeId n : nodes)
    if (graph.node(n).op == "Concat" || graph.node(n).op == "Split") chooser.visit(n);
}

}  // namespace tenon::select
