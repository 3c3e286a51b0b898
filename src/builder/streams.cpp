#include "builder/streams.h"

#include <algorithm>
#include <optional>

#include "backends/device.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "runtime/engine.h"
#include "runtime/lanes.h"

namespace tenon::builder {
namespace {

constexpr double kWorthTiming = 0.03;  // of the sum of the kernels' times
constexpr float kBetter = 0.985f;      // times of whole runs differ by less than that from one to the next

/// Stands for the graph at these sizes with these kernels.
uint64_t signature(const runtime::ConcreteGraph& concrete, const runtime::PrepareOptions& prepare) {
  Hasher h;
  for (ir::NodeId n : concrete.order) {
    h.add(select::signature(runtime::make_problem(concrete.graph, n, prepare)));
    h.add_text((*prepare.choices)[n].kernel);
    for (ir::ValueId v : concrete.graph.node(n).inputs) h.add(v);
  }
  return h.value();
}

/// Microseconds of a whole run by each number of streams. One engine has them all, as profiles, and one set of weights.
class WholeRuns {
 public:
  WholeRuns(const plan::Plan& plan, int profile, const std::vector<int>& streams, const Backend& backend)
      : device_(*backend.device()) {
    plan::Plan several = plan;
    several.source.reset();
    several.profiles.assign(streams.size(), plan.profiles[size_t(profile)]);
    several.choices.assign(streams.size(), plan.choices[size_t(profile)]);
    for (size_t i = 0; i < streams.size(); ++i) runtime::set_auxiliary_streams(several, int(i), streams[i]);
    engine_ = runtime::Engine::create(std::move(several), {&backend, 0});
  }
  float time_us(size_t which, const plan::Profile& profile) {
    constexpr double kBudgetMs = 20;
    const auto context = engine_->create_context(int(which));
    for (size_t i = 0; i < profile.inputs.size(); ++i) context->set_input_dims(i, profile.inputs[i].opt);
    const runtime::Program& program = context->prepare();
    const auto& io = engine_->io();
    std::vector<std::shared_ptr<void>> memory;
    for (size_t i = 0; i < io.size(); ++i) {
      const size_t inputs = engine_->input_count();
      const ir::Dims& dims = i < inputs ? program.input_dims[i] : program.output_dims[i - inputs];
      const auto bytes = size_t(ir::storage_bytes(io[i].dtype, checked_product(dims)));
      memory.push_back(device_memory(device_, bytes));
      const int pattern = ir::is_float(io[i].dtype) ? 0x3c : 0;  // a moderate number
      device_.fill(memory.back().get(), pattern, bytes, device_.own_stream());
      context->set_address(i, memory.back().get());
    }
    device_.synchronize(device_.own_stream());
    return device_.time_us([&](void* stream) { context->enqueue(stream); }, kBudgetMs, 0);
  }

 private:
  const Device& device_;
  std::shared_ptr<runtime::Engine> engine_;
};

/// Whether a run is one piece of work for the device that may be repeated.
bool can_be_timed(const runtime::ConcreteGraph& concrete) {
  const auto of_user = [&](ir::NodeId n) { return concrete.graph.node(n).op == "Custom"; };
  return concrete.fully_static && std::none_of(concrete.order.begin(), concrete.order.end(), of_user);
}

bool promises(const runtime::ConcreteGraph& concrete, const runtime::PrepareOptions& prepare, int most) {
  const std::vector<runtime::StepUse> uses = runtime::estimated_uses(concrete, prepare);
  double all = 0;
  for (const runtime::StepUse& u : uses) all += u.us;
  return runtime::plan_lanes(uses, most + 1).gain_us > kWorthTiming * all;
}

/// Nothing where the device cannot run the program in this way.
std::optional<float> timed(WholeRuns& runs, size_t which, const plan::Profile& profile, Logger* log) {
  try {
    return runs.time_us(which, profile);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kCancelled) throw;
    if (log) log->warning("auxiliary streams are not considered: ", e.what());
    return std::nullopt;
  }
}

}  // namespace

void choose_streams(plan::Plan& plan, int profile, const runtime::ConcreteGraph& concrete, const Backend& backend,
                    ThreadPool& pool, const BuildOptions& options, BuildReport& report) {
  const int most = options.max_auxiliary_streams < 0
                       ? runtime::kMostAuxiliaryStreams
                       : std::min(options.max_auxiliary_streams, runtime::kMostAuxiliaryStreams);
  runtime::PrepareOptions prepare;
  prepare.backend = &backend;
  prepare.threads = pool.size();
  prepare.choices = &plan.choices[size_t(profile)];
  if (!backend.device() || most == 0 || options.level == 0 || !can_be_timed(concrete) ||
      !promises(concrete, prepare, most))
    return;
  std::vector<int> streams{0, 1};
  if (most > 1) streams.push_back(most);
  const uint64_t sig = signature(concrete, prepare), device = select::device_key(backend, pool.size());
  StreamsReport entry{profile, 0, {}, false};
  std::unique_ptr<WholeRuns> runs;
  for (size_t i = 0; i < streams.size(); ++i) {
    const select::TimingKey key{sig, device, cat("auxiliary_streams_", streams[i])};
    std::optional<float> us = options.timing_cache ? options.timing_cache->find(key) : std::nullopt;
    entry.from_cache = us.has_value();
    if (!us) {
      if (!backend.device()->present()) return;
      require(!options.error_on_timing_cache_miss, ErrorCode::kInvalidArgument,
              "the timing cache has no time of runs with ", streams[i], " auxiliary streams");
      if (!runs) runs = std::make_unique<WholeRuns>(plan, profile, streams, backend);
      us = timed(*runs, i, plan.profiles[size_t(profile)], options.log);
      if (!us && i == 0) return;
      if (!us) continue;
      if (options.timing_cache) options.timing_cache->put(key, *us);
    }
    entry.times.emplace_back(streams[i], *us);
    const auto chosen =
        std::find_if(entry.times.begin(), entry.times.end(), [&](const auto& t) { return t.first == entry.streams; });
    if (*us < kBetter * chosen->second) entry.streams = streams[i];
  }
  runtime::set_auxiliary_streams(plan, profile, entry.streams);
  report.streams.push_back(std::move(entry));
}

}  // namespace tenon::builder
