#include "builder/precision.h"

#include <map>

#include "base/thread_pool.h"
#include "runtime/concretize.h"

namespace tenon::builder {
namespace {

using Times = std::map<std::string, float>;  // origin of a node → time in microseconds, its casts included

Times measure(const ir::Graph& graph, const BuildOptions& options, const std::vector<ir::Dims>& dims,
              const Backend& backend, ThreadPool& pool) {
  const auto concrete = runtime::concretize(graph, dims);
  runtime::PrepareOptions prepare;
  prepare.backend = &backend;
  prepare.threads = pool.size();
  select::SelectOptions select;
  select.level = options.level;
  select.cache = options.timing_cache;
  const auto choices = select_kernels(concrete, prepare, pool, select, nullptr);
  Times times;
  for (ir::NodeId n : concrete.order) {
    const ir::Node& node = concrete.graph.node(n);
    if (!node.name.empty()) times[node.name] += choices[n].time_us;
  }
  return times;
}

}  // namespace

std::vector<passes::PassReport> optimize(ir::Graph& graph, const BuildOptions& options,
                                         const std::vector<ir::Dims>& dims, const Backend& backend, ThreadPool& pool) {
  passes::PassOptions pass_options = options.passes;
  pass_options.allow_bf16 = options.allow_bf16;
  pass_options.allow_fp16 = options.allow_fp16;
  if (options.allow_bf16 && options.allow_fp16 && backend.preferred_narrow() == ir::DType::kF16)
    pass_options.allow_bf16 = false;
  const bool narrow = options.allow_bf16 || options.allow_fp16;
  // On a device every kernel is faster in a narrow type.
  if (!narrow || options.level == 0 || backend.device()) return run_passes(graph, pass_options);

  passes::PassOptions wide = pass_options;
  wide.allow_bf16 = wide.allow_fp16 = false;
  ir::Graph in_f32 = graph.clone(), in_narrow = graph.clone();
  run_passes(in_f32, wide);
  run_passes(in_narrow, pass_options);
  const Times f32 = measure(in_f32, options, dims, backend, pool),
              fast = measure(in_narrow, options, dims, backend, pool);
  for (const auto& [name, us] : fast)
    if (auto it = f32.find(name); it != f32.end() && it->second > 0 && us > it->second)
      pass_options.keep_f32.insert(name);
  return run_passes(graph, pass_options);
}

}  // namespace tenon::builder
