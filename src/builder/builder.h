// From a network to a plan: the whole flow.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "base/log.h"
#include "ir/graph.h"
#include "passes/passes.h"
#include "plan/plan.h"
#include "select/select.h"

namespace tenon::builder {

/// Told of a build's phases; may stop it. Phases nest by name of their parent ("" at the top). Calls come one at a
/// time, from the building thread or, when it has been silent for a while, from another.
class ProgressMonitor {
 public:
  virtual ~ProgressMonitor() = default;
  virtual void phase_start(const std::string& phase, const std::string& parent, int steps) = 0;
  /// Returns false to cancel the build, which then throws kCancelled. A step that takes long is reported again and
  /// again while it lasts, so that the build ends soon after somebody wants it to.
  virtual bool step_complete(const std::string& phase, int step) = 0;
  virtual void phase_finish(const std::string& phase) = 0;
};

/// A layer that keeps f32 where f16 is allowed, and the largest magnitude that it reads or writes.
struct WideLayer {
  std::string name;
  double magnitude;
};

struct BuildOptions {
  int level = 3;  ///< 0 no timing … 5 exhaustive
  bool allow_bf16 = false, allow_fp16 = false;
  bool allow_tf32 = false;              ///< products of f32 operands may round them to TF32, on a GPU that has it
  std::vector<plan::Profile> profiles;  ///< none: fixed sizes as they are, symbolic ones as default_profile()
  const Backend* backend = nullptr;     ///< null: the CPU
  int threads = 0;                      ///< to time with; 0 as the engine's default
  int max_candidates = 0;               ///< most kernels timed a node; 0: by level
  int timing_runs = 0;                  ///< least number of runs a kernel is timed over; 0: by level
  int64_t workspace_limit = INT64_MAX;  ///< most bytes of workspace a kernel may need
  int64_t timing_memory = INT64_MAX;    ///< most bytes of operands and workspace a timed run may take; others: untimed
  int max_auxiliary_streams = -1;       ///< most streams for branches on a GPU beside the run's own; -1: up to three
  select::Filter filter;                ///< chooses among kernels before they are timed
  bool output_unfused = false;          ///< what is left of the network's values after the passes becomes outputs too
  bool error_on_timing_cache_miss = false;
  select::TimingCache* timing_cache = nullptr;
  ProgressMonitor* progress = nullptr;
  Logger* log = nullptr;
  passes::PassOptions passes;  ///< allow_bf16 and allow_fp16 are set from the above
  /// One batch of the network's inputs, in order: with allow_fp16 it shows which layers need more range. Empty: random.
  std::vector<ir::Tensor> sample;
  bool obey_types = false;  ///< a type in passes.types that a node cannot have is an error, else a warning
  std::map<std::string, std::string> info;  ///< kept in the plan; runtime::kWithoutKernels leaves kernels out
};

/// How many auxiliary streams a profile's runs use, and the microseconds of runs by number of streams.
struct StreamsReport {
  int profile = 0, streams = 0;
  std::vector<std::pair<int, float>> times;
  bool from_cache = false;
};

struct BuildReport {
  std::vector<StreamsReport> streams;  ///< of profiles whose networks have branches worth timing
  std::vector<passes::PassReport> passes;
  std::vector<std::vector<select::NodeReport>> nodes;  ///< [profile]
  std::vector<WideLayer> wide;                         ///< layers whose range f16 does not hold
  double seconds = 0, pass_seconds = 0, select_seconds = 0;
};

/// Builds a plan. The network is not changed. Throws Error; kCancelled if the monitor stopped it.
plan::Plan build(const ir::Graph& network, const BuildOptions& options, BuildReport* report = nullptr);

/// The profile for ranges given by the name of an input, empty dims among them being open. What is open has any size:
/// symbolic dims range from 0 to INT32_MAX; their optimum is 1, or the first of a few usual sizes that the network
/// accepts. Throws for a name that no input has.
plan::Profile default_profile(const ir::Graph& network, const std::map<std::string, plan::Range>& given = {});
/// Throws kShapeMismatch naming input and accepted form unless every range fits the network's inputs.
void check_profile(const ir::Graph& network, const plan::Profile& profile, size_t index);

/// The report as text: passes, then every node with its candidates, times and refusals.
std::string print(const BuildReport& report, bool candidates);

}  // namespace tenon::builder
