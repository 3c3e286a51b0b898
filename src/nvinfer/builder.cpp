#include "nvinfer/builder.h"

#include <cstring>

#include "builder/builder.h"
#include "nvinfer/algorithms.h"
#include "nvinfer/build_io.h"
#include "nvinfer/calibration.h"
#include "nvinfer/client.h"
#include "nvinfer/current_device.h"
#include "nvinfer/engine.h"
#include "nvinfer/host_memory.h"
#include "nvinfer/memory.h"
#include "nvinfer/plugin_embed.h"
#include "nvinfer/plugin_op.h"
#include "nvinfer/refit.h"
#include "nvinfer/registry.h"
#include "runtime/program.h"

namespace tenon::nvinfer {
namespace {

#if NV_TENSORRT_MAJOR >= 8
class Progress final : public builder::ProgressMonitor {
 public:
  explicit Progress(IProgressMonitor& user) : user_(user) {}
  void phase_start(const std::string& phase, const std::string& parent, int steps) override {
    user_.phaseStart(phase.c_str(), parent.empty() ? nullptr : parent.c_str(), steps);
  }
  bool step_complete(const std::string& phase, int step) override { return user_.stepComplete(phase.c_str(), step); }
  void phase_finish(const std::string& phase) override { user_.phaseFinish(phase.c_str()); }

 private:
  IProgressMonitor& user_;
};
#endif

#if TRT_UNTIL(10)
bool any_of(const BuilderConfig& config, std::initializer_list<BuilderFlag> flags) {
  for (BuilderFlag flag : flags)
    if (config.has(flag)) return true;
  return false;
}

bool asks_narrow_types(const BuilderConfig& config) {
#if NV_TENSORRT_MAJOR >= 10
  return any_of(config, {BuilderFlag::kFP16, BuilderFlag::kBF16, BuilderFlag::kINT8, BuilderFlag::kFP8,
                         BuilderFlag::kINT4, BuilderFlag::kFP4});
#else
  return any_of(config, {BuilderFlag::kFP16, BuilderFlag::kINT8});
#endif
}

/// Types that kernels may choose from, those that layers ask for, and what 8-bit values stand for.
void set_types(const BuilderConfig& config, const Network& network, const ir::Graph& graph, const Reports& reports,
               builder::BuildOptions& options, int32_t max_batch) {
  options.allow_tf32 = config.has(BuilderFlag::kTF32);
  if (network.usingStronglyTyped()) {
    require(!asks_narrow_types(config), ErrorCode::kInvalidArgument,
            "a strongly typed network takes its types from its tensors, the precision flags kFP16, kBF16, kINT8, kFP8, "
            "kINT4 and kFP4 must not be set");
    return;
  }
  options.allow_fp16 = config.has(BuilderFlag::kFP16);
  options.passes.types = network.asked_types();
#if NV_TENSORRT_MAJOR >= 8
  options.allow_bf16 = config.has(BuilderFlag::kBF16);
  options.obey_types = config.has(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
#endif
#if TRT_UNTIL(8)
  options.obey_types |= config.has(BuilderFlag::kSTRICT_TYPES);
#endif
  if (!config.has(BuilderFlag::kINT8) && !network.int8_scales().empty())
    reports.log(ILogger::Severity::kWARNING, "ITensor::setDynamicRange has no effect: kINT8 is not set");
  if (config.has(BuilderFlag::kINT8))
    options.passes.scales = int8_scales(network, config, graph, {options, max_batch}, reports);
}
#endif

/// Every input's leading dimension runs from 1 to `max_batch`, which is the optimum too.
plan::Profile batch_profile(const ir::Graph& graph, int32_t max_batch) {
  plan::Profile profile;
  for (ir::ValueId v : graph.inputs) {
    ir::Dims most = dims_of(graph.value(v).shape);
    if (most.at(0) < 0) most[0] = max_batch;  // else it broadcasts
    ir::Dims least = most;
    least[0] = 1;
    profile.inputs.push_back({least, most, most});
  }
  return profile;
}

/// Copies every constant: the user's weights may go when the build is over.
void own_weights(ir::Graph& graph) {
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    const ir::Tensor* known = graph.constant(v);
    if (!known || known->bytes() == 0) continue;
    ir::Tensor copy = ir::Tensor::uninitialized(known->dtype(), known->dims());
    std::memcpy(copy.mutable_data(), known->data().data(), known->data().size());
    graph.value(v).constant = std::move(copy);
  }
}

}  // namespace

int32_t Builder::max_batch() const {
#if TRT_UNTIL(8)
  return std::max(1, max_batch_size_);
#else
  return 1;
#endif
}

void Builder::reset() noexcept {
  allocator_ = nullptr;
#if NV_TENSORRT_MAJOR >= 8
  max_threads_ = 0;
#endif
#if TRT_UNTIL(8)
  max_batch_size_ = 1;
#endif
#if TRT_UNTIL(7)
  calibrator_ = nullptr;
  gpu_fallback_ = debug_sync_ = fp16_mode_ = half2_mode_ = int8_mode_ = refittable_ = strict_type_constraints_ = false;
  default_device_type_ = DeviceType::kGPU;
  engine_capability_ = static_cast<EngineCapability>(0);
  average_find_iterations_ = min_find_iterations_ = 1;
  dla_core_ = -1;
  max_workspace_size_ = 0;
#endif
}

#if TRT_UNTIL(7)
bool Builder::has_layer(const char* where, const ILayer* layer) const noexcept {
  return guard(reports_, where, [&] { return need(layer, "layer"), true; });
}

void Builder::setDeviceType(ILayer* layer, DeviceType type) noexcept {
  guard(reports_, "IBuilder::setDeviceType", [&] {
    need(layer, "layer");
    require(type == DeviceType::kGPU, ErrorCode::kInvalidArgument, "there is no DLA on this machine");
  });
}

void Builder::setDefaultDeviceType(DeviceType type) noexcept {
  guard(reports_, "IBuilder::setDefaultDeviceType", [&] { default_device_type_ = need_known(type, "deviceType"); });
}

void Builder::setEngineCapability(EngineCapability capability) noexcept {
  guard(reports_, "IBuilder::setEngineCapability", [&] { engine_capability_ = need_known(capability, "capability"); });
}

void Builder::setDLACore(int32_t core) noexcept {
  dla_core_ = core;
  if (core >= 0)
    reports_.log(ILogger::Severity::kWARNING, "IBuilder::setDLACore has no effect: there is no DLA on this machine");
}

ICudaEngine* Builder::buildCudaEngine(INetworkDefinition& network) noexcept {
  return guard(reports_, "IBuilder::buildCudaEngine", [&] {
    BuilderConfig config(reports_);
    if (fp16_mode_ || half2_mode_) config.setFlag(BuilderFlag::kFP16);
    if (int8_mode_) config.setFlag(BuilderFlag::kINT8);
    config.setInt8Calibrator(calibrator_);
    config.setMaxWorkspaceSize(max_workspace_size_);
    config.setAvgTimingIterations(average_find_iterations_);
    config.setMinTimingIterations(min_find_iterations_);
    if (strict_type_constraints_) config.setFlag(BuilderFlag::kSTRICT_TYPES);
    if (refittable_) config.setFlag(BuilderFlag::kREFIT);
    if (gpu_fallback_) config.setFlag(BuilderFlag::kGPU_FALLBACK);
    config.setDefaultDeviceType(default_device_type_);
    return buildEngineWithConfig(network, config);
  });
}
#endif

IPluginRegistry& Builder::getPluginRegistry() noexcept { return *::getPluginRegistry(); }

IBuilderConfig* Builder::createBuilderConfig() noexcept {
  return guard(reports_, "IBuilder::createBuilderConfig",
               [&]() -> IBuilderConfig* { return new BuilderConfig(reports_); });
}

INetworkDefinition* Builder::createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept {
  return guard(reports_, "IBuilder::createNetworkV2",
               [&]() -> INetworkDefinition* { return new Network(*this, reports_, flags, client_); });
}

IOptimizationProfile* Builder::createOptimizationProfile() noexcept {
  return guard(reports_, "IBuilder::createOptimizationProfile", [&]() -> IOptimizationProfile* {
    return profiles_.emplace_back(std::make_unique<OptimizationProfile>(reports_)).get();
  });
}

bool Builder::isNetworkSupported(const INetworkDefinition& network, const IBuilderConfig& config) const noexcept {
  return guard(reports_, "IBuilder::isNetworkSupported", [&] {
    own(need_alive(config, "config")).check();
    return own(need_alive(network, "network")).lowered(), true;
  });
}

bool Builder::platformHasTf32() const noexcept {
  return guard(reports_, "IBuilder::platformHasTf32", [] { return default_backend().device() != nullptr; });
}

bool Builder::setMaxThreads(int32_t threads) noexcept {
  return guard(reports_, "IBuilder::setMaxThreads", [&] {
    require(threads >= 1, ErrorCode::kInvalidArgument, threads, " threads, 1 and more are accepted");
#if NV_TENSORRT_MAJOR >= 8
    max_threads_ = threads;
#endif
    return true;
  });
}

void Builder::set_profiles(const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                           builder::BuildOptions& options) const {
  if (network.implicit()) {
    options.profiles.push_back(batch_profile(graph, max_batch()));
    options.info[kImplicitBatch] = cat(max_batch());
    return;
  }
  for (const auto& profile : config.profiles()) {
    for (const std::string& name : profile->not_in(graph))
      reports_.log(ILogger::Severity::kWARNING, cat("IOptimizationProfile: what is set for '", name,
                                                    "' has no effect, it is no input of the network"));
    options.profiles.push_back(profile->ranges(graph));
  }
  if (options.profiles.empty()) options.profiles.push_back(OptimizationProfile(reports_).ranges(graph));
}

namespace {

void set_timing(const BuilderConfig& config, builder::BuildOptions& options) {
  options.timing_cache = config.timing_cache();
  options.timing_runs = config.timing_runs();
  options.workspace_limit = config.workspace_limit();
  options.timing_memory = config.timing_memory();
  if (const std::string without = config.without_kernels(); !without.empty())
    options.info[runtime::kWithoutKernels] = without;
#if NV_TENSORRT_MAJOR >= 8
  options.level = std::clamp(config.getBuilderOptimizationLevel(), 0, 5);
  options.error_on_timing_cache_miss = config.has(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
#if TRT_UNTIL(8)
  if (config.has(BuilderFlag::kENABLE_TACTIC_HEURISTIC)) options.level = std::min(options.level, 2);
#endif
#endif
#if NV_TENSORRT_MAJOR >= 10
  options.max_candidates = std::max(0, config.getMaxNbTactics());
#endif
#if TRT_UNTIL(10)
  if (IAlgorithmSelector* selector = config.getAlgorithmSelector()) {
#if NV_TENSORRT_MAJOR >= 8
    const bool reject_empty = config.has(BuilderFlag::kREJECT_EMPTY_ALGORITHMS);
#else
    const bool reject_empty = false;
#endif
    options.filter = [selector, reject_empty](const select::NodeReport& node) {
      return ask_selector(*selector, node, reject_empty);
    };
  }
#endif
}

/// What kREFIT and its relatives ask for.
plan::Plan with_refit(plan::Plan plan, const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                      const builder::BuildOptions& options) {
#if NV_TENSORRT_MAJOR >= 10
  const bool strip = config.has(BuilderFlag::kSTRIP_PLAN), marked = config.has(BuilderFlag::kREFIT_INDIVIDUAL);
  const bool refit = strip || marked || config.has(BuilderFlag::kREFIT) || config.has(BuilderFlag::kREFIT_IDENTICAL);
#else
  const bool strip = false, marked = false, refit = config.has(BuilderFlag::kREFIT);
#endif
  if (refit) make_refittable(plan, graph, network.refittable(graph, marked), options);
  return strip ? stripped(plan) : plan;
}

void report_memory(const plan::Plan& plan, const Reports& reports) {
  int64_t weights = 0;
  for (ir::ValueId v = 0; v < plan.graph.value_count(); ++v)
    if (const ir::Tensor* t = plan.graph.constant(v)) weights += t->bytes();
  reports.log(ILogger::Severity::kINFO,
              cat("Memory: ", weights, " bytes of weights in ", plan.graph.node_count(), " layers"));
}

}  // namespace

plan::Plan Builder::build(const INetworkDefinition& network, const IBuilderConfig& config) const {
  return build(own(need_alive(network, "network")), own(need_alive(config, "config")));
}

plan::Plan Builder::build(const Network& network, const BuilderConfig& config) const {
  config.check();
  ir::Graph graph = network.lowered();
  config.check_against(graph);
  config.adapt(graph);
  LoggerSink sink(reports_);
  Logger log(sink, Severity::kVerbose);
  builder::BuildOptions options;
  options.log = &log;
  options.backend = &current_device(reports_);
  options.info[kVerbosity] = cat(static_cast<int>(config.getProfilingVerbosity()));
  embed_libraries(config.plugin_libraries(), options.info);
  set_profiles(network, config, graph, options);
  set_timing(config, options);
#if NV_TENSORRT_MAJOR >= 8
#if NV_TENSORRT_MAJOR >= 10
  if (config.has(BuilderFlag::kWEIGHT_STREAMING)) options.info[kWeightStreaming] = "1";
#endif
  options.info[kHardware] = cat(static_cast<int>(config.getHardwareCompatibilityLevel()));
  options.threads = max_threads_;
  options.max_auxiliary_streams = config.getMaxAuxStreams();
  std::unique_ptr<Progress> progress;
  if (IProgressMonitor* user = config.getProgressMonitor()) progress = std::make_unique<Progress>(*user);
  options.progress = progress.get();
#endif
#if TRT_UNTIL(10)
  set_types(config, network, graph, reports_, options, max_batch());
#endif
  settle_plugins(graph, *options.backend, options.profiles, max_batch(), !network.usingStronglyTyped(), options.passes);
  set_debug_tensors(network, reports_, graph, options);
  const DirectIo direct(config, graph);
  options.passes.channels_last = direct.channels_last(set_formats(network, reports_, graph, options));
  builder::BuildReport report;
  plan::Plan plan = builder::build(graph, options, &report);
  direct.check(plan.graph);
#if TRT_UNTIL(10)
  if (IAlgorithmSelector* selector = config.getAlgorithmSelector())
    for (const auto& nodes : report.nodes) tell_selector(*selector, nodes);
#endif
#if NV_TENSORRT_MAJOR >= 10
  if (config.has(BuilderFlag::kMONITOR_MEMORY)) report_memory(plan, reports_);
#else
  (void)report_memory;
#endif
  return with_refit(std::move(plan), network, config, graph, options);
}

IHostMemory* Builder::buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept {
  return guard(reports_, "IBuilder::buildSerializedNetwork", [&]() -> IHostMemory* {
    if (allocator_)
      reports_.log(ILogger::Severity::kWARNING,
                   "IBuilder::setGpuAllocator: kernels are timed in memory of the builder's own; the allocator is for "
                   "engines, IRuntime has one too");
    return new HostMemory(plan::serialize(build(network, config)));
  });
}

IHostMemory* Builder::buildSerializedNetworkWithKernelText(INetworkDefinition& network, IBuilderConfig& config,
                                                           IHostMemory*& text) noexcept {
  text = nullptr;  // plans hold no kernel text
  return buildSerializedNetwork(network, config);
}

ICudaEngine* Builder::buildEngineWithConfig(INetworkDefinition& network, IBuilderConfig& config) noexcept {
  return guard(reports_, "IBuilder::buildEngineWithConfig", [&]() -> ICudaEngine* {
    runtime::EngineOptions options;
    options.backend = &default_backend();
#if NV_TENSORRT_MAJOR >= 8
    options.threads = max_threads_;
#endif
    plan::Plan plan = build(network, config);
    options.weight_memory = memory_from(allocator_, reports_);
    own_weights(plan.graph);
    if (plan.source) own_weights(*plan.source);
    return new CudaEngine(runtime::Engine::create(std::move(plan), options), reports_, allocator_);
  });
}

#if NV_TENSORRT_MAJOR >= 10
bool Builder::buildSerializedNetworkToStream(INetworkDefinition& network, IBuilderConfig& config,
                                             IStreamWriter& writer) noexcept {
  return guard(reports_, "IBuilder::buildSerializedNetworkToStream", [&] {
    const std::vector<std::byte> bytes = plan::serialize(build(network, config));
    for (size_t at = 0; at < bytes.size();) {
      const int64_t wrote = writer.write(bytes.data() + at, static_cast<int64_t>(bytes.size() - at));
      require(wrote > 0 && static_cast<size_t>(wrote) <= bytes.size() - at, ErrorCode::kIo, "the stream writer took ",
              wrote, " of ", bytes.size() - at, " bytes");
      at += static_cast<size_t>(wrote);
    }
    return true;
  });
}
#endif

}  // namespace tenon::nvinfer

extern "C" TENSORRTAPI void* createInferBuilder_INTERNAL(void* logger, int32_t version) TRT_ENTRY_NOEXCEPT {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createInferBuilder", [&]() -> void* {
    remember_logger(need(user, "logger"));
    return static_cast<nvinfer1::IBuilder*>(new Builder(user, client_major(version), version));
  });
}
