#include "builder/builder.h"

#include <chrono>

#include "base/thread_pool.h"
#include "builder/precision.h"
#include "builder/progress.h"
#include "runtime/concretize.h"

namespace tenon::builder {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<ir::Dims> optimum(const plan::Profile& profile) {
  std::vector<ir::Dims> dims;
  for (const plan::Range& r : profile.inputs) dims.push_back(r.opt);
  return dims;
}

}  // namespace

plan::Plan build(const ir::Graph& network, const BuildOptions& options, BuildReport* report) {
  BuildReport unused;
  BuildReport& out = report ? *report : unused;
  const double begin = now();
  Phases phases(options.progress);
  const Backend& backend = options.backend ? *options.backend : cpu_backend();
  ThreadPool pool(options.threads);

  plan::Plan plan;
  plan.graph = network.clone();
  plan.profiles = options.profiles.empty() ? std::vector{default_profile(network)} : options.profiles;
  for (size_t i = 0; i < plan.profiles.size(); ++i) check_profile(network, plan.profiles[i], i);
  plan.device = backend.fingerprint();
  plan.info = options.info;

  {
    Phases::Scope phase(phases, "Optimize graph", 1);
    out.passes = optimize(plan.graph, options, optimum(plan.profiles[0]), backend, pool);
    plan.graph.compact();
    out.pass_seconds = now() - begin;
  }
  for (const plan::Profile& profile : plan.profiles) {
    const auto concrete = runtime::concretize(plan.graph, optimum(profile));
    Phases::Scope phase(phases, "Select kernels", int(concrete.order.size()));
    runtime::PrepareOptions prepare;
    prepare.backend = &backend;
    prepare.threads = pool.size();
    select::SelectOptions select{options.level,
                                 options.max_candidates,
                                 0,
                                 options.error_on_timing_cache_miss,
                                 options.timing_cache,
                                 options.log,
                                 [&](size_t done, size_t) { phase.step(int(done)); }};
    plan.choices.push_back(select_kernels(concrete, prepare, pool, select, &out.nodes.emplace_back()));
  }
  out.seconds = now() - begin;
  out.select_seconds = out.seconds - out.pass_seconds;
  return plan;
}

}  // namespace tenon::builder
