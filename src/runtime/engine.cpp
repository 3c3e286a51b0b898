#include "runtime/engine.h"

#include <algorithm>
#include <unordered_map>

#include "backends/device_weights.h"
#include "base/thread_pool.h"
#include "runtime/expand.h"
#include "runtime/lanes.h"
#include "runtime/split.h"
#include "runtime/weight_streaming.h"

namespace tenon::runtime {
namespace {

constexpr size_t kCachedPrograms = 16;

class PackedWeights final : public DeviceWeights {
 public:
  using Count = std::shared_ptr<std::atomic<int64_t>>;
  /// What is allocated is in `count` as long as it lives.
  PackedWeights(MemoryAllocator memory, Count count) : memory_(std::move(memory)), count_(std::move(count)) {}
  std::shared_ptr<void> allocate(const Device& device, size_t bytes) override {
    auto made = memory_ ? memory_(bytes) : device_memory(device, bytes);
    require(!memory_ || device.reaches(made.get()), ErrorCode::kInvalidArgument,
            "the allocator's memory for weights is host memory; the engine runs on a device");
    void* const at = made.get();
    *count_ += int64_t(bytes);
    return {at, [made, count = count_, bytes](void*) { *count -= int64_t(bytes); }};
  }
  std::shared_ptr<const void> get(const ir::Tensor& source, const std::string& format,
                                  const std::function<std::shared_ptr<const void>()>& make) override {
    const std::string key = cat(uint64_t(reinterpret_cast<uintptr_t>(source.data().data())), "/", source.bytes(), "/",
                                ir::name(source.dtype()), source.dims(), "/", format);
    std::shared_ptr<Entry> entry;
    {
      std::lock_guard lock(mutex_);
      auto& slot = packed_[key];
      if (!slot) slot = std::make_shared<Entry>();
      entry = slot;
    }
    std::lock_guard lock(entry->mutex);  // others may pack other weights meanwhile
    if (!entry->packed) {
      entry->packed = make();
      entry->source = source;
    }
    return entry->packed;
  }

 private:
  struct Entry {
    std::mutex mutex;
    ir::Tensor source;  // keeps the bytes alive, so the address in the key stays unique
    std::shared_ptr<const void> packed;
  };
  MemoryAllocator memory_;
  Count count_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Entry>> packed_;
};

IoInfo describe(const ir::Graph& g, ir::ValueId v, bool is_input) {
  const ir::Value& value = g.value(v);
  IoInfo info{value.name, is_input, value.dtype, {}, {}};
  for (ir::Dim d : value.shape) {
    info.dims.push_back(d.is_const() ? d.constant() : -1);
    info.dim_names.push_back(d.is_const() ? "" : g.symbols->text(d));
  }
  return info;
}

/// Throws where a run would give outputs of other types or sizes than the plan says: clients' memory is of these.
void check_outputs(const ir::Graph& plan, const ir::Graph& run) {
  for (ir::ValueId v : plan.outputs) {
    const ir::Value &said = plan.value(v), &found = run.value(v);
    bool same = said.dtype == found.dtype;
    if (said.ranked && found.ranked) {
      same = same && said.shape.size() == found.shape.size();
      for (size_t i = 0; same && i < said.shape.size(); ++i)
        same = said.shape[i] == found.shape[i] || !said.shape[i].is_const() || !found.shape[i].is_const();
    }
    const auto text = [](const ir::Graph& g, const ir::Value& value) {
      std::vector<std::string> dims;
      for (ir::Dim d : value.shape) dims.push_back(g.symbols->text(d));
      return cat(value.dtype, "[", join(dims, ", "), "]");
    };
    require(same, ErrorCode::kCorruptFile, "output '", said.name, "' of the plan is ", text(plan, said),
            ", its operators give ", text(run, found));
  }
}

/// A plan for another kind of device may hold operators that this one has no kernels for, and chose none for those in
/// their place.
plan::Plan fit(plan::Plan plan, const Backend& backend) {
  if ((backend.device() ? expand_for_device(plan.graph) : expand_for_host(plan.graph)) == 0) return plan;
  plan.graph.compact();
  for (auto& choices : plan.choices) choices.assign(plan.graph.node_count(), {});
  return plan;
}

/// Whether every size is known once the inputs' dims are.
bool dims_suffice(const plan::Plan& plan) {
  if (plan.profiles.empty()) return false;
  std::vector<ir::Dims> dims;
  for (const plan::Range& r : plan.profiles[0].inputs) dims.push_back(r.opt);
  try {
    const ConcreteGraph concrete = concretize(plan.graph, dims);
    for (ir::NodeId n : concrete.order)
      for (ir::ValueId v : concrete.graph.node(n).outputs)
        if (v != ir::kNone && !concrete.graph.value(v).ranked) return false;
    return concrete.fully_static;
  } catch (const Error&) {  // of a shape that needs an input's elements
    return false;
  }
}

}  // namespace

std::shared_ptr<Engine> Engine::create(plan::Plan plan, const EngineOptions& options) {
  return std::shared_ptr<Engine>(new Engine(std::move(plan), options));
}

Engine::Engine(plan::Plan plan, const EngineOptions& options)
    : plan_(fit(std::move(plan), options.backend ? *options.backend : cpu_backend())),
      backend_(options.backend ? options.backend : &cpu_backend()),
      own_pool_(options.threads > 0 ? std::make_unique<ThreadPool>(options.threads) : nullptr),
      pool_(own_pool_ ? own_pool_.get() : &ThreadPool::shared()),
      weights_(std::make_unique<PackedWeights>(options.weight_memory, weight_bytes_)),
      weight_memory_(options.weight_memory) {
  for (ir::ValueId v : plan_.graph.inputs) io_.push_back(describe(plan_.graph, v, true));
  for (ir::ValueId v : plan_.graph.outputs) io_.push_back(describe(plan_.graph, v, false));
  find_shape_inputs();
}

Engine::~Engine() = default;
int Engine::threads() const { return pool_->size(); }
int64_t Engine::weight_bytes() const { return *weight_bytes_; }
int Engine::auxiliary_streams(int profile) const { return runtime::auxiliary_streams(plan_, profile); }

// Small integer inputs are shape inputs if some dimension stays symbolic when every input's dims are known.
void Engine::find_shape_inputs() {
  const ir::Graph& g = plan_.graph;
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const ir::Value& v = g.value(g.inputs[i]);
    const bool small =
        v.shape.size() <= 1 && (v.shape.empty() || (v.shape[0].is_const() && v.shape[0].constant() <= 64));
    if (small && (v.dtype == ir::DType::kI64 || v.dtype == ir::DType::kI32 || v.dtype == ir::DType::kBool))
      small_inputs_.push_back(i);
  }
  if (!small_inputs_.empty() && !dims_suffice(plan_)) shape_inputs_ = small_inputs_;
}

void Engine::replace_plan(plan::Plan plan) {
  const auto same = [](const ir::Graph& a, const std::vector<ir::ValueId>& x, const ir::Graph& b,
                       const std::vector<ir::ValueId>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [&](ir::ValueId v, ir::ValueId w) {
      return a.value(v).name == b.value(w).name && a.value(v).dtype == b.value(w).dtype;
    });
  };
  require(same(plan.graph, plan.graph.inputs, plan_.graph, plan_.graph.inputs) &&
              same(plan.graph, plan.graph.outputs, plan_.graph, plan_.graph.outputs) &&
              plan.profiles.size() == plan_.profiles.size(),
          ErrorCode::kInvalidArgument, "the plan has other inputs, outputs or profiles than the engine");
  std::lock_guard lock(mutex_);
  plan_ = fit(std::move(plan), *backend_);
  reset_weights();
  ++generation_;
}

WeightCache& Engine::weights() const { return *weights_; }

void Engine::reset_weights() {
  cache_.clear();
  streamed_.reset();
  weights_ = std::make_unique<PackedWeights>(weight_memory_, weight_bytes_);
  split_ = false;
  known_part_.reset();
  if (weight_budget_ < 0 || !backend_->device()) return;
  streamed_ = std::make_unique<StreamedWeights>(*backend_->device(), *weights_, plan_.graph, weight_budget_);
  if (streamed_->empty()) streamed_.reset();
}

void Engine::set_weight_budget(int64_t bytes) {
  require(bytes >= 0, ErrorCode::kInvalidArgument, "the budget is ", bytes, " bytes");
  std::lock_guard lock(mutex_);
  weight_budget_ = bytes;
  reset_weights();
}

int64_t Engine::streamable_bytes() const {
  int64_t bytes = 0;
  for (const ir::Tensor* t : streamable_constants(plan_.graph)) bytes += t->bytes();
  return bytes;
}

int64_t Engine::streaming_scratch_bytes() const { return streamed_ ? streamed_->scratch_bytes() : 0; }

void Engine::forget(const Context* owner) {
  std::lock_guard lock(mutex_);
  std::erase_if(cache_, [owner](const Cached& c) { return c.owner == owner; });
}

std::shared_ptr<const Engine::KnownPart> Engine::known_part(const ConcreteGraph& concrete) {
  std::lock_guard lock(mutex_);
  if (split_) return known_part_;
  split_ = true;
  std::vector<ir::ValueId> values = known_values(concrete);
  if (values.empty() || values == plan_.graph.outputs) return nullptr;
  plan::Plan part = plan_;
  part.source.reset();
  part.graph.outputs = values;
  EngineOptions options;
  options.backend = backend_;
  options.weight_memory = weight_memory_;
  const auto engine = create(std::move(part), options);
  if (weight_budget_ >= 0) engine->set_weight_budget(weight_budget_);
  known_part_ = std::make_shared<const KnownPart>(KnownPart{engine, std::move(values)});
  return known_part_;
}

std::optional<size_t> Engine::find_io(std::string_view name) const {
  for (size_t i = 0; i < io_.size(); ++i)
    if (io_[i].name == name) return i;
  return std::nullopt;
}

std::unique_ptr<Context> Engine::create_context(int profile) {
  require(profile >= 0 && size_t(profile) < plan_.profiles.size(), ErrorCode::kInvalidArgument, "profile ", profile,
          " does not exist, the engine has ", plan_.profiles.size());
  return std::unique_ptr<Context>(new Context(shared_from_this(), profile));
}

std::shared_ptr<const Program> Engine::program(int profile, const std::vector<ir::Dims>& dims,
                                               const std::map<ir::ValueId, ir::Tensor>& values, const Context* owner) {
  std::lock_guard lock(mutex_);
  if (!streamed_) owner = nullptr;
  for (Cached& c : cache_)
    if (c.profile == profile && c.owner == owner && c.dims == dims && c.values == values) {
      c.used = ++clock_;
      return c.program;
    }
  PrepareOptions options;
  options.backend = backend_;
  options.threads = threads();
  options.pool = pool_;
  options.weights = weights_.get();
  options.streamed = streamed_.get();
  options.without = without_kernels(plan_.info);
  options.choices = size_t(profile) < plan_.choices.size() ? &plan_.choices[size_t(profile)] : nullptr;
  options.auxiliary_streams = backend_->device() ? auxiliary_streams(profile) : 0;
  auto made = prepare(plan_.graph, dims, options, values);
  check_outputs(plan_.graph, made->concrete.graph);
  if (streamed_ && !owner) return made;
  if (cache_.size() >= kCachedPrograms)
    cache_.erase(std::min_element(cache_.begin(), cache_.end(),
                                  [](const Cached& a, const Cached& b) { return a.used < b.used; }));
  cache_.push_back({profile, dims, values, made, ++clock_, owner});
  return made;
}

}  // namespace tenon::runtime
