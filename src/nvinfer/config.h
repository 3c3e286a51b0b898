// IBuilderConfig and ITimingCache.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "nvinfer/profile.h"
#include "select/timing_cache.h"
#include "settings.h"

namespace tenon::nvinfer {

#if NV_TENSORRT_MAJOR >= 8
class TimingCache final : public ITimingCache, public apiv::VTimingCache {
 public:
  /// Throws kCorruptFile unless `blob` is a cache that we wrote, or empty.
  TimingCache(const Reports& reports, const void* blob, size_t size);
  select::TimingCache& core() const { return *core_; }
  const Lifetime& lifetime() const { return lifetime_; }
  IHostMemory* serialize() const noexcept;
  bool combine(const ITimingCache& other, bool) noexcept;
  bool reset() noexcept;
#if NV_TENSORRT_MAJOR >= 10
  int64_t queryKeys(TimingCacheKey* keys, int64_t capacity) const noexcept;
  TimingCacheValue query(const TimingCacheKey& key) const noexcept;
  bool update(const TimingCacheKey& key, const TimingCacheValue& value) noexcept;
#endif

 private:
  Reports reports_;
  std::unique_ptr<select::TimingCache> core_;
  Lifetime lifetime_;
  Registered registered_{static_cast<ITimingCache*>(this)};
};
#endif

/// Runs beyond these make no time more exact, and a build last for days.
inline constexpr int32_t kMostTimingRuns = 10000;

class BuilderConfig final : public BuilderConfigState {
 public:
  explicit BuilderConfig(const Reports& reports);

  bool has(BuilderFlag flag) const { return (flags_ >> static_cast<uint32_t>(flag)) & 1U; }
  const std::vector<std::unique_ptr<OptimizationProfile>>& profiles() const { return profiles_; }
  /// The cache to time with; null where caching is off. Throws kInvalidArgument once the user has deleted it.
  select::TimingCache* timing_cache() const;
#if TRT_UNTIL(10)
  /// The user's, or null. Throws kInvalidArgument once it has been deleted with its builder.
  const OptimizationProfile* calibration_profile() const {
    return calibration_profile_ ? &watched_profile_->get() : nullptr;
  }
  bool setCalibrationProfile(const IOptimizationProfile* profile) noexcept;
#endif
  const std::vector<std::string>& plugin_libraries() const { return plugins_; }  ///< paths, for the plan
  /// Logs a warning for every setting that a build cannot follow. Throws kUnsupported for what is refused altogether.
  void check() const;
  /// The same for settings about what a network holds.
  void check_against(const ir::Graph& graph) const;
  /// Says operators in others where not every kernel of theirs keeps to the settings.
  void adapt(ir::Graph& graph) const;
#if NV_TENSORRT_MAJOR >= 8
  static TacticSources default_tactic_sources();
#endif
  /// Most bytes of workspace that a kernel may need; INT64_MAX where nobody set a limit.
  int64_t workspace_limit() const;
  /// How the names of kernels begin that the settings leave out, for runtime::kWithoutKernels; empty if none.
  std::string without_kernels() const;
  /// Most bytes that a kernel may take while it is timed.
  int64_t timing_memory() const;
  /// Least number of runs that a kernel is timed over; at most kMostTimingRuns.
  int32_t timing_runs() const;

  void setFlags(BuilderFlags flags) noexcept { flags_ = flags; }
  BuilderFlags getFlags() const noexcept { return flags_; }
  void setFlag(BuilderFlag flag) noexcept { flags_ |= bit_of(reports_, "IBuilderConfig::setFlag", flag); }
  void clearFlag(BuilderFlag flag) noexcept { flags_ &= ~bit_of(reports_, "IBuilderConfig::clearFlag", flag); }
  bool getFlag(BuilderFlag flag) const noexcept {
    return (flags_ & bit_of(reports_, "IBuilderConfig::getFlag", flag)) != 0;
  }
  void reset() noexcept;

  int32_t addOptimizationProfile(const IOptimizationProfile* profile) noexcept;
  int32_t getNbOptimizationProfiles() const noexcept { return static_cast<int32_t>(profiles_.size()); }
#if TRT_UNTIL(10)
  void setQuantizationFlags(QuantizationFlags flags) noexcept { quantization_flags_ = flags; }
  QuantizationFlags getQuantizationFlags() const noexcept { return quantization_flags_; }
  void setQuantizationFlag(QuantizationFlag flag) noexcept {
    quantization_flags_ |= bit_of(reports_, "IBuilderConfig::setQuantizationFlag", flag);
  }
  void clearQuantizationFlag(QuantizationFlag flag) noexcept {
    quantization_flags_ &= ~bit_of(reports_, "IBuilderConfig::clearQuantizationFlag", flag);
  }
  bool getQuantizationFlag(QuantizationFlag flag) const noexcept {
    return (quantization_flags_ & bit_of(reports_, "IBuilderConfig::getQuantizationFlag", flag)) != 0;
  }
#endif

#if NV_TENSORRT_MAJOR >= 11
  const char* getAllBuildRoutes() const noexcept { return "[]"; }
#endif

  // There is one device and no DLA.
  void setDeviceType(const ILayer*, DeviceType type) noexcept;
  DeviceType getDeviceType(const ILayer* layer) const noexcept;
  bool isDeviceTypeSet(const ILayer* layer) const noexcept;
  void resetDeviceType(const ILayer* layer) noexcept;
  bool canRunOnDLA(const ILayer* layer) const noexcept;

#if NV_TENSORRT_MAJOR >= 8
  bool setTacticSources(TacticSources sources) noexcept;
  TacticSources getTacticSources() const noexcept { return tactic_sources_.value_or(default_tactic_sources()); }
  ITimingCache* createTimingCache(const void* blob, size_t size) const noexcept;
  bool setTimingCache(const ITimingCache& cache, bool) noexcept;
  const ITimingCache* getTimingCache() const noexcept;
  void setMemoryPoolLimit(MemoryPoolType pool, size_t size) noexcept;
  size_t getMemoryPoolLimit(MemoryPoolType pool) const noexcept;
  void setPreviewFeature(PreviewFeature feature, bool enable) noexcept;
  bool getPreviewFeature(PreviewFeature feature) const noexcept;
  void setPluginsToSerialize(const char* const* paths, int32_t count) noexcept;
  const char* getPluginToSerialize(int32_t index) const noexcept;
  int32_t getNbPluginsToSerialize() const noexcept { return static_cast<int32_t>(plugins_.size()); }
#endif

 private:
  Reports reports_;
  BuilderFlags flags_ = 0;
  std::vector<std::unique_ptr<OptimizationProfile>> profiles_;
  std::vector<std::string> plugins_;
#if TRT_UNTIL(10)
  QuantizationFlags quantization_flags_ = 0;
  std::optional<Ref<const OptimizationProfile>> watched_profile_;
#endif
  Registered registered_{static_cast<IBuilderConfig*>(this)};
  void ignore(const char* setting, const char* why) const;
  void report_flags() const;
  void report_settings() const;
#if NV_TENSORRT_MAJOR >= 8
  std::optional<TacticSources> tactic_sources_;  // none: every kernel may be taken
  std::optional<Ref<const TimingCache>> timing_cache_;
  std::map<MemoryPoolType, size_t> pools_;
  std::set<PreviewFeature> preview_;
#endif
};

inline const BuilderConfig& own(const IBuilderConfig& config) { return static_cast<const BuilderConfig&>(config); }

}  // namespace tenon::nvinfer
