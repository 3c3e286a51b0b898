// What a build says about settings that it cannot follow, or that are not allowed together.
#include <algorithm>

#include "backends/backend.h"
#include "nvinfer/config.h"

namespace tenon::nvinfer {
namespace {

/// A setting, whether it was made, and why it changes nothing.
struct Ignored {
  bool set;
  const char* setting;
  const char* why;
};

}  // namespace

void BuilderConfig::check() const {
  need_known(default_device_type_, "setDefaultDeviceType");
  need_known(engine_capability_, "setEngineCapability");
  need_known(profiling_verbosity_, "setProfilingVerbosity");
#if NV_TENSORRT_MAJOR >= 8
  need_known(hardware_compatibility_level_, "setHardwareCompatibilityLevel");
#endif
#if NV_TENSORRT_MAJOR >= 10
  need_known(tiling_optimization_level_, "setTilingOptimizationLevel");
  need_known(runtime_platform_, "setRuntimePlatform");
#endif
#if NV_TENSORRT_MAJOR >= 8
  require(engine_capability_ == EngineCapability::kSTANDARD, ErrorCode::kUnsupported,
          "IBuilderConfig::setEngineCapability: only standard engines are built, neither safety-certified ones nor DLA "
          "loadables");
#endif
  const bool dla = default_device_type_ == DeviceType::kDLA;
  require(!dla || has(BuilderFlag::kGPU_FALLBACK), ErrorCode::kUnsupported,
          "IBuilderConfig::setDefaultDeviceType: there is no DLA on this machine and kGPU_FALLBACK is not set");
  if (dla) ignore("setDefaultDeviceType", "there is no DLA on this machine, every layer falls back");
  if (dla_core_ >= 0) ignore("setDLACore", "there is no DLA on this machine");
  report_flags();
  report_settings();
}

void BuilderConfig::ignore(const char* setting, const char* why) const {
  reports_.log(ILogger::Severity::kWARNING, cat("IBuilderConfig: ", setting, " has no effect: ", why));
}

void BuilderConfig::report_flags() const {
  const Ignored flags[] = {
#if TRT_UNTIL(10)
    {int8_calibrator_ != nullptr && !has(BuilderFlag::kINT8), "setInt8Calibrator", "kINT8 is not set"},
#endif
#if NV_TENSORRT_MAJOR >= 8
    {has(BuilderFlag::kSAFETY_SCOPE), "kSAFETY_SCOPE", "there are no safety-certified kernels"},
#endif
#if NV_TENSORRT_MAJOR >= 10
    {has(BuilderFlag::kWEIGHT_STREAMING) && !default_backend().device(), "kWEIGHT_STREAMING",
     "the processor reads weights where they lie in the host's memory"},
#endif
  };
  for (const Ignored& f : flags)
    if (f.set) ignore(f.setting, f.why);
}

void BuilderConfig::report_settings() const {
#if TRT_UNTIL(8)
  const int32_t least_runs = std::min(avg_timing_iterations_, min_timing_iterations_);
  const int32_t most_runs = std::max(avg_timing_iterations_, min_timing_iterations_);
#else
  const int32_t least_runs = avg_timing_iterations_, most_runs = avg_timing_iterations_;
#endif
  const auto any = [&](auto test) {
    return std::any_of(profiles_.begin(), profiles_.end(), [&](const auto& profile) { return test(*profile); });
  };
  const Ignored settings[] = {
    {least_runs < 1, "setAvgTimingIterations or setMinTimingIterations below 1", "a kernel is timed at least once"},
    {any([](const OptimizationProfile& p) { return p.getExtraMemoryTarget() != 1; }),
     "IOptimizationProfile::setExtraMemoryTarget", "engines take no memory beyond what a shape needs"},
    {any([](const OptimizationProfile& p) { return p.getProfileStream() != nullptr; }),
     "IOptimizationProfile::setProfileStream", "kernels are timed on a stream of the build's own"},
    {profile_stream_ != nullptr, "setProfileStream", "kernels are timed on a stream of the build's own"},
    {most_runs > kMostTimingRuns, "setAvgTimingIterations or setMinTimingIterations",
     "a kernel is timed 10000 times at most"},
#if NV_TENSORRT_MAJOR >= 8
    {pools_.count(MemoryPoolType::kDLA_MANAGED_SRAM) + pools_.count(MemoryPoolType::kDLA_LOCAL_DRAM) +
             pools_.count(MemoryPoolType::kDLA_GLOBAL_DRAM) >
         0,
     "setMemoryPoolLimit of a DLA pool", "there is no DLA on this machine"},
    {builder_optimization_level_ < 0 || builder_optimization_level_ > 5, "setBuilderOptimizationLevel",
     "levels from 0 to 5 are accepted, the nearest is taken"},
#endif
#if NV_TENSORRT_MAJOR >= 10
    {pools_.count(MemoryPoolType::kTACTIC_SHARED_MEMORY) > 0, "setMemoryPoolLimit(kTACTIC_SHARED_MEMORY)",
     "a kernel takes the shared memory that it was written for"},
    {tiling_optimization_level_ != TilingOptimizationLevel::kNONE, "setTilingOptimizationLevel",
     "kernels choose their tiles for the caches by themselves"},
    {l2_limit_for_tiling_ >= 0, "setL2LimitForTiling", "kernels choose their tiles for the caches by themselves"},
    {!remote_auto_tuning_config_.empty(), "setRemoteAutoTuningConfig",
     "kernels are timed on this machine; a timing cache brings another's times"},
#endif
#if NV_TENSORRT_MAJOR >= 10 && TRT_UNTIL(10)
    {preview_.count(PreviewFeature::kMULTIDEVICE_RUNTIME_10_16) > 0, "kMULTIDEVICE_RUNTIME_10_16",
     "an engine runs on one device"},
#endif
#if NV_TENSORRT_MAJOR >= 11
    {!build_route_.empty(), "setBuildRoute", "there are no build routes to choose from"},
#endif
  };
  for (const Ignored& s : settings)
    if (s.set) ignore(s.setting, s.why);
}

}  // namespace tenon::nvinfer
