// Choosing a kernel for every node by measurement.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "plan/plan.h"
#include "runtime/program.h"
#include "select/timing_cache.h"

namespace tenon::select {

/// One kernel that was considered for a node: its estimate, its measured time (0 if not timed), or why it refused.
struct Candidate {
  std::string kernel;
  double cost_us = 0;
  float time_us = 0;
  std::string refusal;
  bool chosen = false, from_cache = false;
  int64_t workspace = 0;  ///< bytes, where the kernel was prepared
};

struct NodeReport {
  std::string name, op;
  std::vector<Candidate> candidates;
  std::vector<TensorDesc> inputs, outputs;
};

/// Chooses among a node's kernels before any is timed: indices of candidates that were not refused. May throw.
using Filter = std::function<std::vector<size_t>(const NodeReport& node)>;

struct SelectOptions {
  int level = 3;               ///< 0: no timing; 1–2: the two cheapest; 3: four; 4: eight; 5: all
  int max_candidates = 0;      ///< overrides the level's number if > 0
  int average_of = 0;          ///< least number of timing repetitions; 0: as many as the level asks
  bool error_on_miss = false;  ///< a time that the cache lacks is an error
  bool allow_tf32 = false;     ///< kernels that round f32 operands are candidates
  TimingCache* cache = nullptr;
  Logger* log = nullptr;
  std::function<void(size_t done, size_t total)> step;  ///< may throw kCancelled
  int64_t workspace_limit = INT64_MAX;                  ///< kernels that need more bytes are refused
  int64_t timing_memory = INT64_MAX;  ///< kernels whose operands and workspace take more bytes are not timed
  Filter filter;
};

/// Hash of what decides a kernel's time: operator, attributes, operand types and dims, which inputs are constant.
uint64_t signature(const Problem& problem);

/// The device part of a timing's key: the backend's fingerprint and, on the host, the number of threads.
uint64_t device_key(const Backend& backend, int threads);

/// Microseconds of prepared kernels of one problem on random operands, each given about `budget_ms`, and on the host at
/// least `least_runs` runs unless it is much slower than the others. On the host the kernels take turns and the least
/// time of each counts, so that a busy moment misleads nobody; on a device it is the median of replays. `between`, if
/// given, is called before each run and may throw.
std::vector<float> time_kernels(std::span<const Kernel* const> kernels, const Problem& problem, ThreadPool& pool,
                                double budget_ms, int least_runs = 0, const std::function<void()>& between = {});

/// Kernels for every node of `graph` that has to run at these input sizes; other nodes get an empty choice.
std::vector<plan::Choice> select_kernels(const runtime::ConcreteGraph& concrete, const runtime::PrepareOptions& prepare,
                                         ThreadPool& pool, const SelectOptions& options,
                                         std::vector<NodeReport>* report);

}  // namespace tenon::select
