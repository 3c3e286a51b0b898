#include "runtime/lanes.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include "ops/op.h"
#include "plan/plan.h"
#include "runtime/program.h"

namespace tenon::runtime {
namespace {

constexpr double kMeetingUs = 3;  // a fork and a join, where kernels no longer overlap the end of those before them

/// Positions in front of a step at which at most one buffer that steps have written is read later.
std::vector<size_t> boundaries(std::span<const StepUse> steps) {
  std::map<uint32_t, std::pair<size_t, size_t>> life;  // first write, last read
  for (size_t s = 0; s < steps.size(); ++s) {
    for (uint32_t b : steps[s].writes) life.try_emplace(b, s, s);
    for (uint32_t b : steps[s].reads)
      if (const auto found = life.find(b); found != life.end()) found->second.second = s;
  }
  std::vector<int> change(steps.size() + 2, 0);
  for (const auto& [buffer, range] : life) ++change[range.first + 1], --change[range.second + 1];
  std::vector<size_t> at{0};
  int alive = 0;
  for (size_t p = 1; p < steps.size(); ++p) {
    alive += change[p];
    if (alive <= 1) at.push_back(p);
  }
  at.push_back(steps.size());
  return at;
}

/// Groups of the steps [begin, end) that share no buffer written in there: the group of each.
std::vector<size_t> groups_of(std::span<const StepUse> steps, size_t begin, size_t end) {
  std::vector<size_t> parent(end - begin);
  std::iota(parent.begin(), parent.end(), size_t(0));
  const auto root = [&](size_t s) {
    while (parent[s] != s) s = parent[s] = parent[parent[s]];
    return s;
  };
  std::map<uint32_t, std::vector<size_t>> writers;
  for (size_t s = begin; s < end; ++s) {
    for (uint32_t b : steps[s].reads)
      if (const auto found = writers.find(b); found != writers.end())
        for (size_t w : found->second) parent[root(w)] = root(s - begin);
    // Parts of one buffer may be written beside each other; who reads any of it comes after all of them.
    for (uint32_t b : steps[s].writes) writers[b].push_back(s - begin);
  }
  std::vector<size_t> group(end - begin);
  for (size_t i = 0; i < group.size(); ++i) group[i] = root(i);
  return group;
}

struct Groups {
  std::vector<size_t> of;       ///< by step from the section's begin
  std::map<size_t, double> us;  ///< time of each
  bool several() const { return us.size() > 1; }
};

Groups measure(std::span<const StepUse> steps, size_t begin, size_t end) {
  Groups g{groups_of(steps, begin, end), {}};
  for (size_t s = begin; s < end; ++s) g.us[g.of[s - begin]] += steps[s].us;
  return g;
}

/// Spreads the groups of a section over lanes, longest first.
void spread(std::span<const StepUse> steps, size_t begin, size_t end, int lanes, LanePlan& plan) {
  constexpr size_t kJoining = 3;  // steps at the end that may read what several groups wrote
  Groups groups = measure(steps, begin, end);
  for (size_t i = 0; i < kJoining && end - begin > 2 && !groups.several(); ++i) groups = measure(steps, begin, --end);
  if (!groups.several()) return;
  std::vector<std::pair<double, size_t>> order;
  for (const auto& [group, us] : groups.us) order.emplace_back(us, group);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<double> load(size_t(lanes), 0);
  std::map<size_t, int> lane;
  double serial = 0;
  for (const auto& [us, group] : order) {
    const auto least = std::min_element(load.begin(), load.end());
    lane[group] = int(least - load.begin());
    *least += us;
    serial += us;
  }
  const double gain = serial - *std::max_element(load.begin(), load.end()) - kMeetingUs;
  if (gain <= 0) return;
  for (size_t s = begin; s < end; ++s) plan.lane[s] = lane[groups.of[s - begin]];
  plan.sections.push_back({begin, end, int(std::min(size_t(lanes), order.size()))});
  plan.gain_us += gain;
}

}  // namespace

const LanePlan::Section* LanePlan::section_of(size_t s) const {
  const auto after = std::upper_bound(sections.begin(), sections.end(), s,
                                      [](size_t step, const Section& section) { return step < section.end; });
  return after != sections.end() && after->begin <= s ? &*after : nullptr;
}

LanePlan plan_lanes(std::span<const StepUse> steps, int lanes) {
  LanePlan plan;
  plan.lane.assign(steps.size(), 0);
  if (lanes < 2 || steps.empty()) return plan;
  const std::vector<size_t> at = boundaries(steps);
  for (size_t i = 0; i + 1 < at.size(); ++i) {
    const auto section = steps.subspan(at[i], at[i + 1] - at[i]);
    if (std::none_of(section.begin(), section.end(), [](const StepUse& s) { return s.alone; }))
      spread(steps, at[i], at[i + 1], lanes, plan);
  }
  return plan;
}

std::vector<StepUse> estimated_uses(const ConcreteGraph& concrete, const PrepareOptions& options) {
  const ir::Graph& g = concrete.graph;
  std::vector<ir::ValueId> root(g.value_count());
  std::iota(root.begin(), root.end(), ir::ValueId(0));
  std::vector<StepUse> uses;
  for (ir::NodeId n : concrete.order) {
    const ir::Node& node = g.node(n);
    if (ops::find_op(node.op).form == ops::OpForm::kView) {
      root[node.outputs[0]] = root[node.inputs[0]];
      continue;
    }
    StepUse use;
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone) use.reads.push_back(root[v]);
    for (ir::ValueId v : node.outputs)
      if (v != ir::kNone) use.writes.push_back(v);
    const plan::Choice& choice = (*options.choices)[n];
    use.us = double(choice.time_us);
    if (const KernelDef* k = use.us > 0 ? nullptr : find_kernel(*options.backend, choice.kernel))
      use.us = k->supports(make_problem(g, n, options)).cost_us;
    use.alone = node.op == "Custom";
    uses.push_back(std::move(use));
  }
  return uses;
}

namespace {

constexpr const char* kKey = "auxiliary_streams";  // of Plan::info: a number for each profile, separated by spaces

std::vector<int> numbers_of(const plan::Plan& plan) {
  std::vector<int> numbers;
  const auto found = plan.info.find(kKey);
  if (found == plan.info.end()) return numbers;
  const char *at = found->second.data(), *end = at + found->second.size();
  for (int n = 0; at < end; ++at) {
    const auto [stop, error] = std::from_chars(at, end, n);
    if (error != std::errc()) break;
    numbers.push_back(std::clamp(n, 0, kMostAuxiliaryStreams));
    at = stop;
  }
  return numbers;
}

}  // namespace

int auxiliary_streams(const plan::Plan& plan, int profile) {
  const std::vector<int> numbers = numbers_of(plan);
  return size_t(profile) < numbers.size() ? numbers[size_t(profile)] : 0;
}

void set_auxiliary_streams(plan::Plan& plan, int profile, int streams) {
  std::vector<int> numbers = numbers_of(plan);
  numbers.resize(std::max(numbers.size(), size_t(profile) + 1), 0);
  numbers[size_t(profile)] = streams;
  std::string text;
  for (int n : numbers) text += cat(text.empty() ? "" : " ", n);
  plan.info[kKey] = text;
}

}  // namespace tenon::runtime
