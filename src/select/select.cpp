#include "select/select.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <unordered_map>

#include "base/random.h"
#include "base/thread_pool.h"
#include "ops/op.h"

namespace tenon::select {
namespace {

size_t candidates_at(int level) {
  constexpr size_t kCounts[] = {0, 2, 2, 4, 8, SIZE_MAX};
  return kCounts[std::clamp(level, 0, 5)];
}

// Fills memory with values of moderate size, so that no kernel runs on zeros, denormals or wild indices.
void fill(const TensorDesc& d, std::byte* p, uint64_t seed) {
  Xorshift random(seed);
  const int64_t n = d.count();
  if (d.dtype == ir::DType::kF32) {
    auto* f = reinterpret_cast<float*>(p);
    for (int64_t i = 0; i < n; ++i) f[i] = float(int32_t(random.next())) * 0x1p-31f;
  } else if (d.dtype == ir::DType::kBF16 || d.dtype == ir::DType::kF16) {
    auto* h = reinterpret_cast<uint16_t*>(p);
    const uint16_t one = d.dtype == ir::DType::kBF16 ? 0x3f00 : 0x3800;  // ±0.5 … ±1
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t r = random.next();
      h[i] = uint16_t(one | (r & 0x7f) | ((r >> 8 & 1) << 15));
    }
  } else {
    std::memset(p, 0, size_t(ir::storage_bytes(d.dtype, n)));
  }
}

struct Buffers {
  std::vector<ir::Tensor> in, out;
  std::vector<const void*> in_pointers;
  std::vector<void*> out_pointers;

  explicit Buffers(const Problem& p) {
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      const TensorDesc& d = p.inputs[i];
      if (d.dtype == ir::DType::kUndefined) {
        in.emplace_back();
      } else if (p.constants[i]) {
        in.push_back(*p.constants[i]);
      } else {
        in.emplace_back(d.dtype, d.dims);
        fill(d, in.back().mutable_data(), i + 1);
      }
      in_pointers.push_back(in.back().data().data());
    }
    for (const TensorDesc& d : p.outputs) {
      out.push_back(d.dtype == ir::DType::kUndefined ? ir::Tensor() : ir::Tensor(d.dtype, d.dims));
      out_pointers.push_back(out.back().mutable_data());
    }
  }
};

class Selector {
 public:
  Selector(const runtime::PrepareOptions& prepare, ThreadPool& pool, const SelectOptions& options)
      : prepare_(prepare), pool_(pool), options_(options) {
    Hasher h;
    h.add_text(prepare.backend->fingerprint());
    h.add(uint64_t(prepare.threads));
    device_ = h.value();
  }

  plan::Choice choose(const Problem& p, NodeReport& report) {
    const uint64_t sig = signature(p);
    if (auto it = done_.find(sig); it != done_.end()) {
      report.candidates = it->second.second;
      return it->second.first;
    }
    std::vector<std::pair<const KernelDef*, size_t>> accepted;  // kernel, candidate index
    for (const KernelDef* k : kernels_for(*prepare_.backend, p.node->op)) {
      const Support s = k->supports(p);
      report.candidates.push_back({std::string(k->name), s.cost_us, 0, s.reason, false, false});
      if (s.ok) accepted.emplace_back(k, report.candidates.size() - 1);
    }
    std::stable_sort(accepted.begin(), accepted.end(), [&](auto& a, auto& b) {
      return report.candidates[a.second].cost_us < report.candidates[b.second].cost_us;
    });
    if (accepted.empty()) runtime::pick_kernel(*prepare_.backend, p, {});  // throws with every refusal
    plan::Choice choice{std::string(accepted[0].first->name), 0};
    size_t chosen = accepted[0].second;
    size_t limit = options_.max_candidates > 0 ? size_t(options_.max_candidates) : candidates_at(options_.level);
    if (options_.level == 0) limit = 0;
    if (accepted.size() > 1 && accepted.back().first->op == "*" && accepted.size() - 1 < limit)
      limit = accepted.size() - 1;
    if (limit > 0 && (accepted.size() > 1 || options_.level >= 5))
      measure(p, sig, accepted, limit, report, choice, chosen);
    report.candidates[chosen].chosen = true;
    done_[sig] = {choice, report.candidates};
    return choice;
  }

 private:
  void measure(const Problem& p, uint64_t sig, const std::vector<std::pair<const KernelDef*, size_t>>& accepted,
               size_t limit, NodeReport& report, plan::Choice& choice, size_t& chosen) {
    float best = 0;
    for (size_t i = 0; i < std::min(limit, accepted.size()); ++i) {
      const auto& [kernel, at] = accepted[i];
      Candidate& c = report.candidates[at];
      const TimingKey key{sig, device_, std::string(kernel->name)};
      if (auto known = options_.cache ? options_.cache->find(key) : std::nullopt) {
        c.time_us = *known;
        c.from_cache = true;
      } else {
        require(!options_.error_on_miss, ErrorCode::kInvalidArgument, "the timing cache has no entry for kernel ",
                kernel->name, " of node '", report.name, "'");
        c.time_us = time_kernel(*kernel->prepare(p), p, pool_, options_.level >= 4 ? 20 : 6);
        if (options_.cache) options_.cache->put(key, c.time_us);
      }
      if (best == 0 || c.time_us < best) best = c.time_us, chosen = at, choice = {c.kernel, c.time_us};
    }
  }

  const runtime::PrepareOptions& prepare_;
  ThreadPool& pool_;
  const SelectOptions& options_;
  uint64_t device_;
  std::unordered_map<uint64_t, std::pair<plan::Choice, std::vector<Candidate>>> done_;
};

}  // namespace

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

float time_kernel(const Kernel& kernel, const Problem& p, ThreadPool& pool, double budget_ms) {
  using Clock = std::chrono::steady_clock;
  Buffers buffers(p);
  ir::Tensor workspace(ir::DType::kU8, {kernel.workspace_bytes()});
  const RunArgs args{buffers.in_pointers.data(), buffers.out_pointers.data(), workspace.mutable_data(), pool, nullptr};
  auto run_once = [&] {
    const auto begin = Clock::now();
    kernel.run(args);
    return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
  };
  const double first = run_once();
  if (first > budget_ms * 4000) return float(first);
  std::vector<double> times;
  double spent = 0;
  while (times.size() < 3 || (spent < budget_ms * 1000 && times.size() < 50)) {
    times.push_back(run_once());
    spent += times.back();
  }
  std::nth_element(times.begin(), times.begin() + int64_t(times.size() / 2), times.end());
  return float(times[times.size() / 2]);
}

std::vector<plan::Choice> select_kernels(const runtime::ConcreteGraph& concrete, const runtime::PrepareOptions& prepare,
                                         ThreadPool& pool, const SelectOptions& options,
                                         std::vector<NodeReport>* report) {
  const ir::Graph& g = concrete.graph;
  std::vector<plan::Choice> choices(g.node_count());
  Selector selector(prepare, pool, options);
  size_t done = 0;
  for (ir::NodeId n : concrete.order) {
    if (options.step) options.step(done++, concrete.order.size());
    const ir::Node& node = g.node(n);
    const bool known =
        std::all_of(node.outputs.begin(), node.outputs.end(),
                    [&](ir::ValueId v) {
                      return v == ir::kNone ||
                             (ir::is_static(g.value(v).shape) && g.value(v).dtype != ir::DType::kString);
                    }) &&
        std::all_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId v) {
          return v == ir::kNone || (ir::is_static(g.value(v).shape) && g.value(v).dtype != ir::DType::kString);
        });
    const ops::OpDef& op = ops::find_op(node.op);
    if (!known || op.form == ops::OpForm::kView || op.form == ops::OpForm::kControlFlow) continue;
    NodeReport entry{node.name.empty() ? node.op : node.name, node.op, {}};
    const Problem problem = runtime::make_problem(g, n, prepare);
    const bool empty = std::any_of(problem.inputs.begin(), problem.inputs.end(), [](const TensorDesc& d) {
      return d.dtype != ir::DType::kUndefined && d.count() == 0;
    });
    if (!empty) {
      try {
        choices[n] = selector.choose(problem, entry);
      } catch (const Error& e) {
        throw e.at(cat("node '", node.name, "' (", node.op, ")"));
      } catch (const std::bad_alloc& e) {
        throw ops::as_error(e, cat("node '", node.name, "' (", node.op, ")"));
      }
    }
    if (report) report->push_back(std::move(entry));
  }
  return choices;
}

}  // namespace tenon::select
