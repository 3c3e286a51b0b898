// IBuilder: networks to plans and engines.
#pragma once
#include "builder/builder.h"
#include "nvinfer/config.h"
#include "nvinfer/network.h"

namespace tenon::nvinfer {

class Builder final : public BuilderState {
 public:
  /// `client`: the major release that the client was written for; its defaults hold. `version`: all of it.
  Builder(ILogger* logger, int client, int32_t version) : reports_(logger), client_(client), version_(version) {
    reset();
  }

  bool platformHasFastFp16() const noexcept { return true; }
  bool platformHasFastInt8() const noexcept { return true; }
  bool platformHasTf32() const noexcept;
  int32_t getMaxDLABatchSize() const noexcept { return 0; }
  int32_t getNbDLACores() const noexcept { return 0; }
  bool setMaxThreads(int32_t threads) noexcept;
  void setGpuAllocator(IGpuAllocator* allocator) noexcept { allocator_ = allocator; }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }
  ILogger* getLogger() const noexcept { return reports_.logger(); }
  IPluginRegistry& getPluginRegistry() noexcept;
  /// Every setting as it was at first.
  void reset() noexcept;

  const Lifetime& lifetime() const { return lifetime_; }
  /// The release that the client was compiled against.
  int32_t client_version() const { return version_; }

  IBuilderConfig* createBuilderConfig() noexcept;
  INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept;
  IOptimizationProfile* createOptimizationProfile() noexcept;
  bool isNetworkSupported(const INetworkDefinition& network, const IBuilderConfig& config) const noexcept;

  ICudaEngine* buildEngineWithConfig(INetworkDefinition& network, IBuilderConfig& config) noexcept;
  IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept;
  IHostMemory* buildSerializedNetworkWithKernelText(INetworkDefinition& network, IBuilderConfig& config,
                                                    IHostMemory*& text) noexcept;
#if NV_TENSORRT_MAJOR >= 10
  bool buildSerializedNetworkToStream(INetworkDefinition& network, IBuilderConfig& config,
                                      IStreamWriter& writer) noexcept;
#endif
#if TRT_UNTIL(7)
  // Settings of the builder itself, before there was IBuilderConfig.
  INetworkDefinition* createNetwork() noexcept { return createNetworkV2(0); }
  ICudaEngine* buildCudaEngine(INetworkDefinition& network) noexcept;
  void reset(INetworkDefinition&) noexcept { reset(); }
  void setInt8Calibrator(IInt8Calibrator* calibrator) noexcept { calibrator_ = calibrator; }
  void allowGPUFallback(bool allow) noexcept { gpu_fallback_ = allow; }
  void setDeviceType(ILayer* layer, DeviceType type) noexcept;
  void setDefaultDeviceType(DeviceType type) noexcept;
  void setEngineCapability(EngineCapability capability) noexcept;
  void setDLACore(int32_t core) noexcept;
  DeviceType getDeviceType(const ILayer* layer) const noexcept {
    return has_layer("IBuilder::getDeviceType", layer), DeviceType::kGPU;
  }
  bool isDeviceTypeSet(const ILayer* layer) const noexcept {
    return has_layer("IBuilder::isDeviceTypeSet", layer), false;
  }
  void resetDeviceType(ILayer* layer) noexcept { has_layer("IBuilder::resetDeviceType", layer); }
  bool canRunOnDLA(const ILayer* layer) const noexcept { return has_layer("IBuilder::canRunOnDLA", layer), false; }
#endif

 private:
  /// Touches neither argument if it has been deleted, and throws then.
  plan::Plan build(const INetworkDefinition& network, const IBuilderConfig& config) const;
  plan::Plan build(const Network& network, const BuilderConfig& config) const;
  void set_profiles(const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                    builder::BuildOptions& options) const;
  Reports reports_;
  int client_;
  int32_t version_;
  /// The largest batch of networks with an implicit batch dimension.
  int32_t max_batch() const;
  IGpuAllocator* allocator_ = nullptr;
#if TRT_UNTIL(7)
  /// False, with an error, for null.
  bool has_layer(const char* where, const ILayer* layer) const noexcept;
  IInt8Calibrator* calibrator_ = nullptr;
  bool gpu_fallback_ = false;
#endif
  std::vector<std::unique_ptr<OptimizationProfile>> profiles_;  ///< live as long as the builder
  Lifetime lifetime_;
};

}  // namespace tenon::nvinfer
