#include "runtime/placer.h"

#include <algorithm>
#include <iterator>

#include "base/checked.h"
#include "ops/op.h"
#include "plan/memory.h"

namespace tenon::runtime {
namespace {

bool is_view(const ir::Node& node) { return ops::find_op(node.op).form == ops::OpForm::kView; }

}  // namespace

Placer::Placer(Program& program, const Aliases& aliases, int64_t alignment)
    : p_(program),
      g_(program.concrete.graph),
      aliases_(aliases),
      place_(g_.value_count()),
      root_(g_.value_count()),
      offset_(g_.value_count(), 0),
      alignment_(alignment) {}

void Placer::run(int auxiliary_streams) {
  for (ir::ValueId v = 0; v < g_.value_count(); ++v) {
    const Alias& a = aliases_.values[v];
    root_[v] = a.owner;
    offset_[v] = a.offset * ir::bits(g_.value(v).dtype) / 8;
  }
  find_roots();
  claim_outputs();
  spread(auxiliary_streams);
  lay_out();
}

Place Placer::of(ir::ValueId v) const {
  Place p = place_[root_[v]];
  p.offset += offset_[v];
  if (p.kind == Place::Kind::kConstant) p.constant = static_cast<const std::byte*>(p.constant) + offset_[v];
  return p;
}

int64_t Placer::bytes(ir::ValueId v) const {
  return ir::storage_bytes(g_.value(v).dtype, checked_product(ir::static_dims(g_.value(v).shape)));
}

void Placer::find_roots() {
  for (size_t i = 0; i < g_.inputs.size(); ++i) place_[g_.inputs[i]] = {Place::Kind::kInput, 0, uint32_t(i), nullptr};
  for (ir::ValueId v = 0; v < g_.value_count(); ++v)
    if (g_.value(v).constant) place_[v] = {Place::Kind::kConstant, 0, 0, g_.value(v).constant->data().data()};
  for (ir::NodeId n : p_.concrete.order) {
    const ir::Node& node = g_.node(n);
    if (!is_view(node)) continue;
    root_[node.outputs[0]] = root_[node.inputs[0]];
    offset_[node.outputs[0]] = offset_[node.inputs[0]];
  }
  // A split's source may be a view of something else: follow to the value that has a place.
  for (ir::ValueId v = 0; v < g_.value_count(); ++v)
    for (ir::ValueId up = root_[v]; root_[up] != up; up = root_[v]) {
      offset_[v] += offset_[up];
      root_[v] = root_[up];
    }
}

void Placer::claim_outputs() {
  for (size_t i = 0; i < g_.outputs.size(); ++i) {
    Place& place = place_[root_[g_.outputs[i]]];
    if (place.kind == Place::Kind::kAbsent && offset_[g_.outputs[i]] == 0 &&
        bytes(g_.outputs[i]) == bytes(root_[g_.outputs[i]]))
      place = {Place::Kind::kOutput, 0, uint32_t(i), nullptr};
  }
}

/// Gives steps their lanes.
void Placer::spread(int auxiliary_streams) {
  std::vector<StepUse> uses;
  for (const Step& step : p_.steps) {
    StepUse use{{}, {}, step.us, g_.node(step.node).op == "Custom"};
    for (ir::ValueId v : g_.node(step.node).inputs)
      if (v != ir::kNone) use.reads.push_back(root_[v]);
    for (ir::ValueId v : g_.node(step.node).outputs)
      if (v != ir::kNone) use.writes.push_back(root_[v]);
    uses.push_back(std::move(use));
  }
  lanes_ = plan_lanes(uses, auxiliary_streams + 1);
  for (size_t s = 0; s < p_.steps.size(); ++s) p_.steps[s].lane = lanes_.lane[s];
  for (const LanePlan::Section& section : lanes_.sections) {
    const auto begin = p_.steps.begin() + int64_t(section.begin), end = p_.steps.begin() + int64_t(section.end);
    const auto runs = [](const Step& s) { return s.kernel != nullptr; };
    const auto first = std::find_if(begin, end, runs);
    if (first == end) continue;
    first->forks = section.lanes;
    std::find_if(std::make_reverse_iterator(end), std::make_reverse_iterator(begin), runs)->joins = section.lanes;
    p_.lanes = std::max(p_.lanes, section.lanes);
  }
}

/// The steps during which what step `s` touches must stay: on an auxiliary stream, those of its section.
std::pair<int, int> Placer::stay_of(int s) const {
  if (lanes_.lane[size_t(s)] == 0) return {s, s};
  const LanePlan::Section& section = *lanes_.section_of(size_t(s));
  return {int(section.begin), int(section.end) - 1};
}

void Placer::lay_out() {
  std::vector<int> first(g_.value_count(), -1), last(g_.value_count(), -1);
  int step = 0;
  for (ir::NodeId n : p_.concrete.order) {
    const ir::Node& node = g_.node(n);
    if (is_view(node) || aliases_.resolved_node[n]) continue;
    const auto [from, to] = stay_of(step);
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone) last[root_[v]] = std::max(last[root_[v]], to);
    for (ir::ValueId v : node.outputs) {
      if (v == ir::kNone) continue;
      int& f = first[root_[v]];
      f = f < 0 ? from : std::min(f, from);
      last[root_[v]] = std::max(last[root_[v]], to);
    }
    ++step;
  }
  std::vector<plan::Lifetime> lifetimes;
  std::vector<ir::ValueId> owners;
  for (ir::ValueId v = 0; v < g_.value_count(); ++v)
    if (root_[v] == v && first[v] >= 0 && place_[v].kind == Place::Kind::kAbsent) {
      lifetimes.push_back({bytes(v), first[v], last[v]});
      owners.push_back(v);
    }
  const size_t tensors = lifetimes.size();
  step = 0;
  for (const Step& s : p_.steps) {
    const auto [from, to] = stay_of(step++);
    lifetimes.push_back({s.kernel ? s.kernel->workspace_bytes() : 0, from, to});
  }
  p_.memory = plan::plan_memory(lifetimes, alignment_);
  for (size_t i = 0; i < tensors; ++i) place_[owners[i]] = {Place::Kind::kArena, p_.memory.offsets[i], 0, nullptr};
  for (size_t i = 0; i < p_.steps.size(); ++i) p_.steps[i].workspace_offset = p_.memory.offsets[tensors + i];
}

}  // namespace tenon::runtime
