#include "select/select.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>

#include "backends/device.h"
#include "base/thread_pool.h"
#include "ops/op.h"
#include "select/in_place.h"

namespace tenon::select {
namespace {

constexpr float kSameTime = 1.03f;  // a processor's times differ by so much from run to run

size_t candidates_at(int level, bool device) {
  static constexpr size_t kHost[] = {0, 2, 2, 4, 8, SIZE_MAX}, kDevice[] = {0, 2, 4, 16, 32, SIZE_MAX};
  const size_t* counts = device ? kDevice : kHost;
  return counts[std::clamp(level, 0, 5)];
}

int64_t operand_bytes(const Problem& p) {
  int64_t bytes = 0;
  for (const auto* tensors : {&p.inputs, &p.outputs})
    for (const TensorDesc& t : *tensors)
      if (t.dtype != ir::DType::kUndefined) bytes += ir::storage_bytes(t.dtype, t.count());
  return bytes;
}

class Selector {
 public:
  Selector(const runtime::PrepareOptions& prepare, ThreadPool& pool, const SelectOptions& options)
      : prepare_(prepare), pool_(pool), options_(options), device_(device_key(*prepare.backend, prepare.threads)) {}

  plan::Choice choose(const Problem& p, NodeReport& report) {
    const uint64_t sig = signature(p);
    if (auto it = done_.find(sig); it != done_.end() && !options_.filter) {
      report.candidates = it->second.second;
      return it->second.first;
    }
    Accepted accepted = rank(p, report);
    if (options_.filter) ask_filter(p, report, accepted);
    if (accepted.empty()) runtime::pick_kernel(*prepare_.backend, p, {}, prepare_.without);  // throws every refusal
    plan::Choice choice;
    size_t chosen = 0;
    if (const size_t count = to_measure(accepted)) measure(p, sig, accepted, count, report, choice, chosen);
    if (choice.kernel.empty()) take_cheapest(p, accepted, report, choice, chosen);
    report.candidates[chosen].chosen = true;
    done_[sig] = {choice, report.candidates};
    return choice;
  }

  /// Tells the caller that node `done` of `total` is at hand; again before each timing, for the caller may cancel.
  void begin_node(size_t done, size_t total) {
    done_nodes_ = done;
    total_nodes_ = total;
    report_step();
  }

  /// Prepares what choose() will time for these problems, side by side: on a device that can mean compiling.
  void prepare_ahead(std::span<const Problem> problems) {
    ready_.clear();
    struct Job {
      const Problem* problem;
      const KernelDef* kernel;
      Ready* ready;
    };
    std::vector<Job> jobs;
    for (const Problem& p : problems) {
      const uint64_t sig = signature(p);
      if (done_.count(sig)) continue;
      NodeReport unused;
      const Accepted accepted = rank(p, unused);
      for (size_t i = 0; i < to_measure(accepted); ++i) {
        const std::string name(accepted[i].first->name);
        if (options_.cache && options_.cache->find({sig, device_, name})) continue;
        if (auto [it, fresh] = ready_.try_emplace({sig, name}); fresh)
          jobs.push_back({&p, accepted[i].first, &it->second});
      }
    }
    pool_.parallel_for(int64_t(jobs.size()), [&](int64_t i, int) {
      const Job& job = jobs[size_t(i)];
      *job.ready = prepare_one(*job.kernel, *job.problem);
    });
  }

 private:
  using Accepted = std::vector<std::pair<const KernelDef*, size_t>>;  // kernel, candidate index; cheapest first
  struct Ready {
    std::unique_ptr<Kernel> kernel;
    std::string refusal;  // why there is none: found out only when preparing
  };

  void report_step() const {
    if (options_.step) options_.step(done_nodes_, total_nodes_);
  }
  Accepted rank(const Problem& p, NodeReport& report) const {
    Accepted accepted;
    for (const KernelDef* k : kernels_for(*prepare_.backend, p.node->op)) {
      if ((k->tf32 && !options_.allow_tf32) || runtime::is_without(*k, prepare_.without)) continue;
      const Support s = k->supports(p);
      report.candidates.push_back({std::string(k->name), s.cost_us, 0, s.reason, false, false});
      if (s.ok) accepted.emplace_back(k, report.candidates.size() - 1);
    }
    leave_out_tf32(report, accepted);
    std::stable_sort(accepted.begin(), accepted.end(), [&](auto& a, auto& b) {
      return report.candidates[a.second].cost_us < report.candidates[b.second].cost_us;
    });
    return accepted;
  }
  /// Kernels that round operands, where others are expected to take hardly longer than a launch.
  static void leave_out_tf32(NodeReport& report, Accepted& accepted) {
    constexpr double kShortUs = 4;
    const auto is_short = [&](const auto& a) {
      return !a.first->tf32 && report.candidates[a.second].cost_us < kShortUs;
    };
    if (std::none_of(accepted.begin(), accepted.end(), is_short)) return;
    std::erase_if(accepted, [&](const auto& a) {
      if (a.first->tf32) report.candidates[a.second].refusal = "too small to gain by TF32";
      return a.first->tf32;
    });
  }
  bool keeps_to_limit(const Kernel& kernel, Candidate& c) const {
    c.workspace = kernel.workspace_bytes();
    if (c.workspace <= options_.workspace_limit) return true;
    c.refusal = cat("needs ", c.workspace, " bytes of workspace, the limit is ", options_.workspace_limit);
    return false;
  }
  /// The kernel for what is not timed.
  void take_cheapest(const Problem& p, const Accepted& accepted, NodeReport& report, plan::Choice& choice,
                     size_t& chosen) const {
    for (const auto& [kernel, at] : accepted) {
      Candidate& c = report.candidates[at];
      if (!c.refusal.empty()) continue;
      if (options_.workspace_limit != INT64_MAX) {
        const Ready ready = prepare_one(*kernel, p);
        c.refusal = ready.refusal;
        if (!ready.kernel || !keeps_to_limit(*ready.kernel, c)) continue;
      }
      choice = {c.kernel, 0};
      chosen = at;
      return;
    }
    const Candidate& last = report.candidates[accepted.back().second];
    fail(ErrorCode::kUnsupported, "every kernel is refused, ", last.kernel, " because it ", last.refusal);
  }
  /// Leaves what the filter lets through.
  void ask_filter(const Problem& p, NodeReport& report, Accepted& accepted) const {
    for (const auto& [kernel, at] : accepted) {
      const Ready ready = prepare_one(*kernel, p);
      report.candidates[at].refusal = ready.refusal;
      if (ready.kernel) keeps_to_limit(*ready.kernel, report.candidates[at]);
    }
    const std::vector<size_t> kept = options_.filter(report);
    std::erase_if(accepted, [&](const auto& a) { return std::find(kept.begin(), kept.end(), a.second) == kept.end(); });
    require(!accepted.empty(), ErrorCode::kUnsupported, "no kernel was selected");
  }
  /// How many of the cheapest are timed.
  size_t to_measure(const Accepted& accepted) const {
    if (options_.level == 0) return 0;
    const Device* device = prepare_.backend->device();
    size_t limit = options_.max_candidates > 0 ? size_t(options_.max_candidates)
                                               : candidates_at(options_.level, device != nullptr);
    limit = std::min(limit, accepted.size());
    if (accepted.size() > 1 && accepted.back().first->op == "*" && accepted.size() - 1 < limit)
      limit = accepted.size() - 1;
    return accepted.size() > 1 || options_.level >= 5 ? limit : 0;
  }
  static Ready prepare_one(const KernelDef& kernel, const Problem& p) {
    try {
      return {kernel.prepare(p), {}};
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kUnsupported) throw;
      return {nullptr, e.what()};
    }
  }
  /// Times those of the `limit` cheapest that the cache does not know, and takes the fastest.
  void measure(const Problem& p, uint64_t sig, const Accepted& accepted, size_t limit, NodeReport& report,
               plan::Choice& choice, size_t& chosen) {
    const Device* device = prepare_.backend->device();
    std::vector<Ready> ready;
    std::vector<const Kernel*> unknown;
    std::vector<size_t> at;  // candidates of `unknown`
    for (size_t i = 0; i < limit; ++i) {
      Candidate& c = report.candidates[accepted[i].second];
      const TimingKey key{sig, device_, c.kernel};
      if (auto known = options_.cache ? options_.cache->find(key) : std::nullopt) {
        if (options_.workspace_limit != INT64_MAX) {
          const Ready again = prepare_one(*accepted[i].first, p);
          if (!again.kernel || !keeps_to_limit(*again.kernel, c)) continue;
        }
        c.time_us = *known;
        c.from_cache = true;
        continue;
      }
      if (device && !device->present()) continue;
      const auto ahead = ready_.find({sig, c.kernel});
      ready.push_back(ahead != ready_.end() ? std::move(ahead->second) : prepare_one(*accepted[i].first, p));
      c.refusal = ready.back().refusal;
      if (!ready.back().kernel || !keeps_to_limit(*ready.back().kernel, c)) continue;
      if (operand_bytes(p) > options_.timing_memory - c.workspace) continue;
      require(!options_.error_on_miss, ErrorCode::kInvalidArgument, "the timing cache has no entry for kernel ",
              c.kernel, " of node '", report.name, "'");
      unknown.push_back(ready.back().kernel.get());
      at.push_back(accepted[i].second);
    }
    const std::vector<float> times =
        time_kernels(unknown, p, pool_, options_.level >= 4 ? 30 : 12, options_.average_of, [&] { report_step(); });
    for (size_t i = 0; i < times.size(); ++i) {
      Candidate& c = report.candidates[at[i]];
      c.time_us = times[i];
      if (options_.cache) options_.cache->put({sig, device_, c.kernel}, times[i]);
    }
    float best = 0;
    for (size_t i = 0; i < limit; ++i)
      if (const float us = report.candidates[accepted[i].second].time_us; us > 0 && (best == 0 || us < best)) best = us;
    // Of those as fast as the fastest, the one that the list of kernels prefers.
    const float enough = device ? best : best * kSameTime;
    for (size_t i = 0; i < limit; ++i) {
      const Candidate& c = report.candidates[accepted[i].second];
      if (c.time_us == 0 || c.time_us > enough || (!choice.kernel.empty() && accepted[i].second > chosen)) continue;
      chosen = accepted[i].second, choice = {c.kernel, c.time_us};
    }
  }

  const runtime::PrepareOptions& prepare_;
  ThreadPool& pool_;
  const SelectOptions& options_;
  uint64_t device_;
  size_t done_nodes_ = 0, total_nodes_ = 0;
  std::unordered_map<uint64_t, std::pair<plan::Choice, std::vector<Candidate>>> done_;
  std::map<std::pair<uint64_t, std::string>, Ready> ready_;
};

}  // namespace

uint64_t device_key(const Backend& backend, int threads) {
  Hasher h;
  h.add_text(backend.fingerprint());
  if (!backend.device()) h.add(uint64_t(threads));
  return h.value();
}

uint64_t signature(const Problem& p) {
  Hasher h;
  h.add_text(p.node->op);
  p.node->attrs.hash(h);
  auto add = [&](const TensorDesc& d) {
    h.add(uint64_t(d.dtype));
    for (int64_t n : d.dims) h.add(uint64_t(n));
    h.add(uint64_t(d.pitch));
  };
  for (const TensorDesc& d : p.inputs) add(d);
  for (const TensorDesc& d : p.outputs) add(d);
  for (const ir::Tensor* t : p.constants) h.add(t != nullptr);
  return h.value();
}

namespace {

/// Whether a node is run by a kernel whose operands have sizes that are known now.
bool has_kernel(const ir::Graph& g, const ir::Node& node) {
  auto known = [&](ir::ValueId v) {
    return v == ir::kNone || (ir::is_static(g.value(v).shape) && g.value(v).dtype != ir::DType::kString);
  };
  const ops::OpForm form = ops::find_op(node.op).form;
  return form != ops::OpForm::kView && form != ops::OpForm::kControlFlow &&
         std::all_of(node.outputs.begin(), node.outputs.end(), known) &&
         std::all_of(node.inputs.begin(), node.inputs.end(), known);
}

bool has_empty_input(const Problem& p) {
  return std::any_of(p.inputs.begin(), p.inputs.end(),
                     [](const TensorDesc& d) { return d.dtype != ir::DType::kUndefined && d.count() == 0; });
}

}  // namespace

std::vector<plan::Choice> select_kernels(const runtime::ConcreteGraph& concrete, const runtime::PrepareOptions& prepare,
                                         ThreadPool& pool, const SelectOptions& options,
                                         std::vector<NodeReport>* report) {
  const ir::Graph& g = concrete.graph;
  std::vector<plan::Choice> choices(g.node_count());
  Selector selector(prepare, pool, options);
  std::vector<ir::NodeId> nodes;
  std::vector<Problem> problems;
  std::vector<NodeReport> reports;
  for (ir::NodeId n : concrete.order) {
    if (!has_kernel(g, g.node(n))) continue;
    nodes.push_back(n);
    problems.push_back(runtime::make_problem(g, n, prepare));
  }
  constexpr size_t kAhead = 48;  // bounds the memory of prepared candidates
  const Device* device = prepare.backend->device();
  const bool ahead = device && device->present();
  for (size_t i = 0; i < nodes.size(); ++i) {
    selector.begin_node(i, nodes.size());
    const ir::Node& node = g.node(nodes[i]);
    NodeReport entry{node.name.empty() ? node.op : node.name, node.op, {}, problems[i].inputs, problems[i].outputs};
    try {
      if (ahead && i % kAhead == 0)
        selector.prepare_ahead(std::span(problems).subspan(i, std::min(kAhead, problems.size() - i)));
      if (!has_empty_input(problems[i])) choices[nodes[i]] = selector.choose(problems[i], entry);
    } catch (const Error& e) {
      throw e.at(cat("node '", node.name, "' (", node.op, ")"));
    } catch (const std::bad_alloc& e) {
      throw ops::as_error(e, cat("node '", node.name, "' (", node.op, ")"));
    }
    reports.push_back(std::move(entry));
  }
  if (!options.filter) prefer_in_place(g, *prepare.backend, nodes, reports, choices);
  if (report) std::move(reports.begin(), reports.end(), std::back_inserter(*report));
  return choices;
}

}  // namespace tenon::select
