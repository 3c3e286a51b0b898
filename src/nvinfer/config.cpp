#include "nvinfer/config.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "nvinfer/host_memory.h"

namespace tenon::nvinfer {

BuilderConfig::BuilderConfig(const Reports& reports) : reports_(reports) { reset(); }

void BuilderConfig::reset() noexcept {
  flags_ = 1U << static_cast<uint32_t>(BuilderFlag::kTF32);
  profiles_.clear();
  avg_timing_iterations_ = 1;
  dla_core_ = -1;
  default_device_type_ = DeviceType::kGPU;
  engine_capability_ = static_cast<EngineCapability>(0);
  profile_stream_ = nullptr;
  profiling_verbosity_ = static_cast<ProfilingVerbosity>(0);
  plugins_.clear();
#if TRT_UNTIL(10)
  int8_calibrator_ = nullptr;
  algorithm_selector_ = nullptr;
  calibration_profile_ = nullptr;
  quantization_flags_ = 0;
#endif
#if TRT_UNTIL(8)
  max_workspace_size_ = 0;
  min_timing_iterations_ = 1;
#endif
#if NV_TENSORRT_MAJOR >= 8
  tactic_sources_.reset();
  hardware_compatibility_level_ = HardwareCompatibilityLevel::kNONE;
  progress_monitor_ = nullptr;
  builder_optimization_level_ = 3;
  max_aux_streams_ = -1;
  timing_cache_.reset();
  pools_.clear();
  preview_.clear();
#endif
#if NV_TENSORRT_MAJOR >= 10
  max_nb_tactics_ = -1;
  l2_limit_for_tiling_ = -1;
  tiling_optimization_level_ = TilingOptimizationLevel::kNONE;
  runtime_platform_ = RuntimePlatform::kSAME_AS_BUILD;
  remote_auto_tuning_config_.clear();
#endif
#if NV_TENSORRT_MAJOR >= 11
  build_route_.clear();
#endif
}

#if NV_TENSORRT_MAJOR >= 8
TacticSources BuilderConfig::default_tactic_sources() {
  TacticSources sources = 0;
#if TRT_UNTIL(8)
  for (TacticSource s : {TacticSource::kCUBLAS, TacticSource::kCUBLAS_LT, TacticSource::kCUDNN})
    sources |= 1U << static_cast<uint32_t>(s);
#endif
  for (TacticSource s : {TacticSource::kEDGE_MASK_CONVOLUTIONS, TacticSource::kJIT_CONVOLUTIONS})
    sources |= 1U << static_cast<uint32_t>(s);
  return sources;
}
#endif

int64_t BuilderConfig::workspace_limit() const {
#if NV_TENSORRT_MAJOR >= 8
  if (auto it = pools_.find(MemoryPoolType::kWORKSPACE); it != pools_.end())
    return static_cast<int64_t>(std::min<size_t>(it->second, INT64_MAX));
#endif
#if TRT_UNTIL(8)
  if (max_workspace_size_ > 0) return static_cast<int64_t>(std::min<size_t>(max_workspace_size_, INT64_MAX));
#endif
  return INT64_MAX;
}

int64_t BuilderConfig::timing_memory() const {
#if NV_TENSORRT_MAJOR >= 8
  if (auto it = pools_.find(MemoryPoolType::kTACTIC_DRAM); it != pools_.end())
    return static_cast<int64_t>(std::min<size_t>(it->second, INT64_MAX));
#endif
  return INT64_MAX;
}

std::string BuilderConfig::without_kernels() const {
  bool products = true, others = true;  // of the device's libraries
#if NV_TENSORRT_MAJOR >= 8 && TRT_UNTIL(10)
  if (tactic_sources_) {
    auto allowed = [&](TacticSource s) { return (*tactic_sources_ >> static_cast<uint32_t>(s) & 1U) != 0; };
    products = allowed(TacticSource::kCUBLAS) || allowed(TacticSource::kCUBLAS_LT);
    others = allowed(TacticSource::kCUDNN);
  }
#endif
#if TRT_UNTIL(8) && NV_TENSORRT_MAJOR >= 8
  if (preview_.count(PreviewFeature::kDISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805)) products = others = false;
#endif
#if NV_TENSORRT_MAJOR >= 10
  if (has(BuilderFlag::kSTRICT_NANS)) products = others = false;  // a library's comparison may lose a NaN, ours keep it
#endif
  return cat(products ? "" : "cublaslt_ onednn_matmul ", others ? "" : "cudnn_ onednn_conv onednn_deconv onednn_pool ");
}

int32_t BuilderConfig::timing_runs() const {
  int32_t runs = avg_timing_iterations_ > 1 ? avg_timing_iterations_ : 0;
#if TRT_UNTIL(8)
  runs = std::max(runs, min_timing_iterations_);
#endif
  return std::clamp(runs, 0, kMostTimingRuns);
}

int32_t BuilderConfig::addOptimizationProfile(const IOptimizationProfile* profile) noexcept {
  return guard(
      reports_, "IBuilderConfig::addOptimizationProfile",
      [&] {
        const auto& given = static_cast<const OptimizationProfile&>(need_alive(*need(profile, "profile"), "profile"));
        require(given.isValid(), ErrorCode::kInvalidArgument, "the profile needs kMIN <= kOPT <= kMAX for every input");
        profiles_.push_back(std::make_unique<OptimizationProfile>(given));
        return getNbOptimizationProfiles() - 1;
      },
      -1);
}

#if TRT_UNTIL(10)
bool BuilderConfig::setCalibrationProfile(const IOptimizationProfile* profile) noexcept {
  return guard(reports_, "IBuilderConfig::setCalibrationProfile", [&] {
    if (profile)
      watched_profile_.emplace(static_cast<const OptimizationProfile&>(need_alive(*profile, "profile")),
                               "the config's calibration profile");
    calibration_profile_ = profile;
    return true;
  });
}
#endif

void BuilderConfig::setDeviceType(const ILayer* layer, DeviceType type) noexcept {
  guard(reports_, "IBuilderConfig::setDeviceType", [&] {
    need(layer, "layer");
    require(type == DeviceType::kGPU, ErrorCode::kInvalidArgument, "there is no DLA on this machine");
  });
}
DeviceType BuilderConfig::getDeviceType(const ILayer* layer) const noexcept {
  return guard(
      reports_, "IBuilderConfig::getDeviceType", [&] { return need(layer, "layer"), DeviceType::kGPU; },
      DeviceType::kGPU);
}
bool BuilderConfig::isDeviceTypeSet(const ILayer* layer) const noexcept {
  return guard(reports_, "IBuilderConfig::isDeviceTypeSet", [&] { return need(layer, "layer"), false; });
}
void BuilderConfig::resetDeviceType(const ILayer* layer) noexcept {
  guard(reports_, "IBuilderConfig::resetDeviceType", [&] { need(layer, "layer"); });
}
bool BuilderConfig::canRunOnDLA(const ILayer* layer) const noexcept {
  return guard(reports_, "IBuilderConfig::canRunOnDLA", [&] { return need(layer, "layer"), false; });
}

#if NV_TENSORRT_MAJOR >= 8
bool BuilderConfig::setTacticSources(TacticSources sources) noexcept {
  return guard(reports_, "IBuilderConfig::setTacticSources", [&] {
    TacticSources known = 0;
    for (int32_t i = 0; i < EnumMax<TacticSource>(); ++i) known |= 1U << i;
    require((sources & ~known) == 0, ErrorCode::kInvalidArgument, "bits ", sources & ~known, " are no TacticSource");
    return tactic_sources_ = sources, true;
  });
}

select::TimingCache* BuilderConfig::timing_cache() const {
  if (has(BuilderFlag::kDISABLE_TIMING_CACHE) || !timing_cache_) return nullptr;
  return &timing_cache_->get().core();
}

bool BuilderConfig::setTimingCache(const ITimingCache& cache, bool) noexcept {
  return guard(reports_, "IBuilderConfig::setTimingCache", [&] {
    timing_cache_.emplace(static_cast<const TimingCache&>(need_alive(cache, "cache")), "the config's timing cache");
    return true;
  });
}

const ITimingCache* BuilderConfig::getTimingCache() const noexcept {
  return guard(reports_, "IBuilderConfig::getTimingCache",
               [&]() -> const ITimingCache* { return timing_cache_ ? &timing_cache_->get() : nullptr; });
}

ITimingCache* BuilderConfig::createTimingCache(const void* blob, size_t size) const noexcept {
  return guard(reports_, "IBuilderConfig::createTimingCache",
               [&]() -> ITimingCache* { return new TimingCache(reports_, blob, size); });
}

void BuilderConfig::setMemoryPoolLimit(MemoryPoolType pool, size_t size) noexcept {
  guard(reports_, "IBuilderConfig::setMemoryPoolLimit", [&] { pools_[need_known(pool, "pool")] = size; });
}

size_t BuilderConfig::getMemoryPoolLimit(MemoryPoolType pool) const noexcept {
  if (guard(
          reports_, "IBuilderConfig::getMemoryPoolLimit", [&] { return need_known(pool, "pool"), false; }, true))
    return 0;
  auto it = pools_.find(pool);
  if (it != pools_.end()) return it->second;
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void BuilderConfig::setPreviewFeature(PreviewFeature feature, bool enable) noexcept {
  guard(reports_, "IBuilderConfig::setPreviewFeature", [&] {
    need_known(feature, "feature");
    if (enable)
      preview_.insert(feature);
    else
      preview_.erase(feature);
  });
}

bool BuilderConfig::getPreviewFeature(PreviewFeature feature) const noexcept {
  return guard(reports_, "IBuilderConfig::getPreviewFeature",
               [&] { return preview_.count(need_known(feature, "feature")) > 0; });
}

void BuilderConfig::setPluginsToSerialize(const char* const* paths, int32_t count) noexcept {
  guard(reports_, "IBuilderConfig::setPluginsToSerialize", [&] {
    require(count >= 0, ErrorCode::kInvalidArgument, "there are ", count, " paths");
    plugins_.clear();
    for (int32_t i = 0; i < count; ++i) plugins_.emplace_back(need(need(paths, "paths")[i], "paths[i]"));
  });
}

const char* BuilderConfig::getPluginToSerialize(int32_t index) const noexcept {
  return guard(reports_, "IBuilderConfig::getPluginToSerialize", [&]() -> const char* {
    require(index >= 0 && index < getNbPluginsToSerialize(), ErrorCode::kInvalidArgument, "plugin library ", index,
            " of ", getNbPluginsToSerialize());
    return plugins_[size_t(index)].c_str();
  });
}

TimingCache::TimingCache(const Reports& reports, const void* blob, size_t size)
    : reports_(reports), core_(std::make_unique<select::TimingCache>()) {
  this->mImpl = this;
  if (size > 0) select::TimingCache::parse({static_cast<const std::byte*>(need(blob, "blob")), size}, *core_);
}

IHostMemory* TimingCache::serialize() const noexcept {
  return guard(reports_, "ITimingCache::serialize",
               [&]() -> IHostMemory* { return new HostMemory(core_->serialize()); });
}

bool TimingCache::combine(const ITimingCache& other, bool) noexcept {
  return guard(reports_, "ITimingCache::combine", [&] {
    return core_->merge(static_cast<const TimingCache&>(need_alive(other, "inputCache")).core()), true;
  });
}

bool TimingCache::reset() noexcept {
  core_->clear();
  return true;
}
#else
select::TimingCache* BuilderConfig::timing_cache() const { return nullptr; }
#endif

#if NV_TENSORRT_MAJOR >= 10
namespace {

TimingCacheKey key_of(const select::TimingKey& key) {
  TimingCacheKey out{};
  const uint64_t kernel = std::hash<std::string>{}(key.kernel) ^ key.device;
  for (size_t i = 0; i < 8; ++i) {
    out.data[i] = static_cast<uint8_t>(key.problem >> (8 * i));
    out.data[8 + i] = static_cast<uint8_t>(kernel >> (8 * i));
  }
  return out;
}

/// The entries that are times; those without a device say something of a network's values.
std::vector<std::pair<select::TimingKey, float>> times_of(const select::TimingCache& cache) {
  std::vector<std::pair<select::TimingKey, float>> times = cache.entries();
  std::erase_if(times, [](const auto& entry) { return entry.first.device == 0; });
  return times;
}

bool same(const TimingCacheKey& a, const TimingCacheKey& b) { return std::equal(a.data, a.data + 16, b.data); }

}  // namespace

int64_t TimingCache::queryKeys(TimingCacheKey* keys, int64_t capacity) const noexcept {
  return guard(
      reports_, "ITimingCache::queryKeys",
      [&] {
        require(capacity >= 0, ErrorCode::kInvalidArgument, "room for ", capacity, " keys");
        int64_t count = 0;
        for (const auto& [key, time] : times_of(*core_)) {
          if (keys && count < capacity) keys[count] = key_of(key);
          ++count;
        }
        return count;
      },
      -1);
}

TimingCacheValue TimingCache::query(const TimingCacheKey& wanted) const noexcept {
  return guard(
      reports_, "ITimingCache::query",
      [&] {
        for (const auto& [key, time] : times_of(*core_)) {
          if (same(key_of(key), wanted)) return TimingCacheValue{std::hash<std::string>{}(key.kernel), time / 1000};
        }
        return TimingCacheValue{TimingCacheValue::kINVALID_TACTIC_HASH, -1};
      },
      TimingCacheValue{TimingCacheValue::kINVALID_TACTIC_HASH, -1});
}

bool TimingCache::update(const TimingCacheKey& wanted, const TimingCacheValue& value) noexcept {
  return guard(reports_, "ITimingCache::update", [&] {
    require(value.timingMSec >= 0 && std::isfinite(value.timingMSec), ErrorCode::kInvalidArgument, "a time of ",
            value.timingMSec, " ms");
    for (const auto& [key, time] : times_of(*core_)) {
      if (same(key_of(key), wanted)) return core_->put(key, value.timingMSec * 1000), true;
    }
    fail(ErrorCode::kInvalidArgument, "the cache has no entry of this key, queryKeys() lists those it has");
  });
}
#endif

}  // namespace tenon::nvinfer
