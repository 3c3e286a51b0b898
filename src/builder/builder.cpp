#include "builder/builder.h"

#include <chrono>

#include "base/interrupt.h"
#include "base/thread_pool.h"
#include "builder/precision.h"
#include "builder/progress.h"
#include "builder/streams.h"
#include "runtime/concretize.h"

namespace tenon::builder {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<ir::Dims> optimum(const plan::Profile& profile) {
  std::vector<ir::Dims> dims;
  for (const plan::Range& r : profile.inputs) dims.push_back(r.opt);
  return dims;
}

/// Whether a value can be an output: its type has a size, and it is not one yet.
bool can_show(const ir::Graph& g, ir::ValueId v) {
  const ir::Value& value = g.value(v);
  return value.producer != ir::kNone && g.node(value.producer).alive && value.ranked &&
         value.dtype != ir::DType::kString && !g.is_output(v);
}

void output_unfused(ir::Graph& g, const ir::Graph& network) {
  for (ir::ValueId v = 0; v < g.value_count(); ++v)
    if (network.find(g.value(v).name) != ir::kNone && can_show(g, v)) g.outputs.push_back(v);
}

/// Compacts the graph and the bodies in it.
void compact(ir::Graph& g) {
  for (ir::NodeId n = 0; n < g.node_count(); ++n)
    for (const ir::Field& f : g.node(n).attrs.schema().fields)
      if (f.kind == ir::FieldKind::kGraph && g.node(n).alive)
        if (const auto& body = f.of<std::shared_ptr<ir::Graph>>(g.node(n).attrs.data())) compact(*body);
  g.compact();
}

plan::Plan build_in(Phases& phases, const ir::Graph& network, const BuildOptions& options, BuildReport& out) {
  const double begin = now();
  const Backend& backend = options.backend ? *options.backend : cpu_backend();
  ThreadPool pool(options.threads);

  plan::Plan plan;
  plan.graph = network.clone();
  plan.profiles = options.profiles.empty() ? std::vector{default_profile(network)} : options.profiles;
  for (size_t i = 0; i < plan.profiles.size(); ++i) check_profile(network, plan.profiles[i], i);
  plan.device = backend.fingerprint();
  plan.info = options.info;

  {
    Phases::Scope phase(phases, "Optimize graph", int(passes::pipeline().size()));
    BuildOptions watched = options;
    watched.passes.cancelled = [&] {
      return phases.cancelled() || (options.passes.cancelled && options.passes.cancelled());
    };
    optimize(plan.graph, watched, optimum(plan.profiles[0]), backend, pool, out);
    if (options.output_unfused) output_unfused(plan.graph, network);
    compact(plan.graph);
    phase.step(int(passes::pipeline().size()) - 1);
    out.pass_seconds = now() - begin;
  }
  for (const plan::Profile& profile : plan.profiles) {
    const auto concrete = runtime::concretize(plan.graph, optimum(profile));
    Phases::Scope phase(phases, "Select kernels", int(concrete.order.size()));
    runtime::PrepareOptions prepare;
    prepare.backend = &backend;
    prepare.threads = pool.size();
    prepare.without = runtime::without_kernels(plan.info);
    select::SelectOptions select;
    select.level = options.level;
    select.max_candidates = options.max_candidates;
    select.average_of = options.timing_runs;
    select.error_on_miss = options.error_on_timing_cache_miss;
    select.allow_tf32 = options.allow_tf32;
    select.cache = options.timing_cache;
    select.log = options.log;
    select.step = [&](size_t done, size_t) { phase.step(int(done)); };
    select.workspace_limit = options.workspace_limit;
    select.timing_memory = options.timing_memory;
    select.filter = options.filter;
    plan.choices.push_back(select_kernels(concrete, prepare, pool, select, &out.nodes.emplace_back()));
    choose_streams(plan, int(plan.choices.size()) - 1, concrete, backend, pool, options, out);
  }
  out.seconds = now() - begin;
  out.select_seconds = out.seconds - out.pass_seconds;
  return plan;
}

}  // namespace

plan::Plan build(const ir::Graph& network, const BuildOptions& options, BuildReport* report) {
  BuildReport unused;
  Phases phases(options.progress);
  const Interruptible interruptible(phases.cancelled());
  try {
    return build_in(phases, network, options, report ? *report : unused);
  } catch (const Error&) {
    phases.rethrow();  // what the monitor threw says more than that it cancelled
    throw;
  }
}

}  // namespace tenon::builder
