// ICudaEngine over a shared runtime::Engine.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "nvinfer/convert.h"
#include "nvinfer/io_format.h"
#include "nvinfer/lifetime.h"
#include "nvinfer/plugin_object.h"
#include "runtime/engine.h"
#include "settings.h"

namespace tenon::nvinfer {

/// Keys of plan::Plan::info that the façade writes and reads.
inline constexpr const char* kImplicitBatch = "implicit_batch";  ///< the maximum batch size; absent: explicit batch
inline constexpr const char* kVerbosity = "profiling_verbosity";
inline constexpr const char* kWeightStreaming = "weight_streaming";  ///< 1: built for it
inline constexpr const char* kHardware = "hardware_compatibility";
/// Where debug tensors were added: how many outputs the network itself has, and the names of those that are marked, a
/// line each. Outputs behind the network's that have no such line are unfused tensors.
inline constexpr const char* kOutputs = "network_outputs";
inline constexpr const char* kDebugTensors = "debug_tensors";

/// A data type in the words of TensorRT's format descriptions: "FP32", "Int8", …
std::string format_name(ir::DType type);
/// How the plan's network treated its batch.
BatchRule batch_rule(const plan::Plan& plan);

class CudaEngine final : public CudaEngineState {
 public:
  /// `allocator`: where contexts get memory for activations; may be null.
  CudaEngine(std::shared_ptr<runtime::Engine> engine, const Reports& reports, IGpuAllocator* allocator = nullptr);
  ~CudaEngine() override;

  runtime::Engine& core() const { return *core_; }
  const std::shared_ptr<runtime::Engine>& shared() const { return core_; }
  const Reports& reports() const { return reports_; }
  IGpuAllocator* allocator() const { return allocator_; }
  /// Inputs and outputs that users see; what stands in io() behind them exists for debug listeners alone.
  size_t io_count() const { return io_count_; }
  /// Whether tensor `io` is reported to debug listeners under its own state; else, behind io_count(), it is unfused.
  bool is_debug(size_t io) const { return is_debug_.at(io); }
  /// Held by each execution context.
  const std::shared_ptr<std::atomic<bool>>& alive() const { return alive_; }
  const Lifetime& lifetime() const { return lifetime_; }
  /// Index into io(). Throws kInvalidArgument if there is no such tensor.
  size_t find(const char* name) const;
  /// Of the memory of an input. Throws kInvalidArgument if there is no such profile, or `io` is an output.
  const plan::Range& range(size_t io, int32_t profile) const;
  /// How an input or output lies in memory, in words.
  std::string describe_format(size_t io) const;
  /// Index into io() of a binding, which counts on over the profiles. Throws kInvalidArgument.
  size_t binding(int32_t index) const;
  int32_t max_batch() const { return max_batch_; }  ///< 0: explicit batch
  /// Dims as the user sees them: without the leading batch where that is implicit.
  Dims shown(ir::Dims dims) const;
  /// The same from dims of the memory of input or output `io`.
  Dims shown(size_t io, const ir::Dims& memory) const { return shown(formats_.of_tensor(io, memory)); }
  const IoFormats& formats() const { return formats_; }
  bool is_shape_input(size_t io) const;

  ICudaEngine* getPImpl() noexcept { return this; }
  int32_t getNbLayers() const noexcept;
  IHostMemory* serialize() const noexcept;
  IExecutionContext* create_context(bool with_memory = true) const noexcept;
  IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept { return create_context(false); }
#if NV_TENSORRT_MAJOR >= 10
  IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept;
  IExecutionContext* createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept;
  IRuntimeConfig* createRuntimeConfig() noexcept;
#else
  IExecutionContext* createExecutionContext() noexcept { return create_context(); }
#endif
  bool isRefittable() const noexcept { return core_->plan().source != nullptr; }
  /// Takes a plan with new weights; no context may be running.
  void refit(plan::Plan plan) { core_->replace_plan(std::move(plan)); }
  const char* getName() const noexcept { return core_->plan().graph.name.c_str(); }
  int32_t getNbOptimizationProfiles() const noexcept;
  EngineCapability getEngineCapability() const noexcept { return static_cast<EngineCapability>(0); }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }
  bool hasImplicitBatchDimension() const noexcept { return max_batch_ > 0; }
  ProfilingVerbosity getProfilingVerbosity() const noexcept;

  // By name.
  int32_t getNbIOTensors() const noexcept { return static_cast<int32_t>(io_count_); }
  const char* getIOTensorName(int32_t index) const noexcept;
  Dims getTensorShape(const char* name) const noexcept;
  DataType getTensorDataType(const char* name) const noexcept;
  TensorLocation getTensorLocation(const char* name) const noexcept;
  bool isShapeInferenceIO(const char* name) const noexcept;
  int32_t getTensorBytesPerComponent(const char* name) const noexcept;
  int32_t getTensorComponentsPerElement(const char* name) const noexcept;
  TensorFormat getTensorFormat(const char* name) const noexcept;
  const char* getTensorFormatDesc(const char* name) const noexcept;
  int32_t getTensorVectorizedDim(const char* name) const noexcept;
  // Of one profile: all have the same formats.
  int32_t getTensorBytesPerComponentV2(const char* name, int32_t profile) const noexcept {
    return has_profile("ICudaEngine::getTensorBytesPerComponent", profile) ? getTensorBytesPerComponent(name) : -1;
  }
  int32_t getTensorComponentsPerElementV2(const char* name, int32_t profile) const noexcept {
    return has_profile("ICudaEngine::getTensorComponentsPerElement", profile) ? getTensorComponentsPerElement(name)
                                                                              : -1;
  }
  TensorFormat getTensorFormatV2(const char* name, int32_t profile) const noexcept {
    return has_profile("ICudaEngine::getTensorFormat", profile) ? getTensorFormat(name) : TensorFormat::kLINEAR;
  }
  const char* getTensorFormatDescV2(const char* name, int32_t profile) const noexcept {
    return has_profile("ICudaEngine::getTensorFormatDesc", profile) ? getTensorFormatDesc(name) : nullptr;
  }
  int32_t getTensorVectorizedDimV2(const char* name, int32_t profile) const noexcept {
    return has_profile("ICudaEngine::getTensorVectorizedDim", profile) ? getTensorVectorizedDim(name) : -1;
  }
  Dims getProfileShape(const char* name, int32_t profile, OptProfileSelector select) const noexcept;
  const int32_t* getProfileTensorValues(const char* name, int32_t profile, OptProfileSelector select) const noexcept;
  const int64_t* getProfileTensorValuesV2(const char* name, int32_t profile, OptProfileSelector select) const noexcept;
#if NV_TENSORRT_MAJOR >= 8
  TensorIOMode getTensorIOMode(const char* name) const noexcept;
  TacticSources getTacticSources() const noexcept { return 0; }
  IEngineInspector* createEngineInspector() const noexcept;
  ISerializationConfig* createSerializationConfig() noexcept;
  IHostMemory* serializeWithConfig(ISerializationConfig& config) const noexcept;
  HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept;
#endif
  int32_t getNbAuxStreams() const noexcept;
  IRefitter* createRefitter(ILogger& logger) noexcept;
#if NV_TENSORRT_MAJOR >= 10
  int64_t getEngineStat(EngineStat stat) const noexcept;
  const char* getAliasedInputTensor(const char* name) const noexcept;
#endif

  // Memory. Weights stay where they are; a streaming budget is kept for those who ask.
  size_t getDeviceMemorySize() const noexcept { return static_cast<size_t>(getDeviceMemorySizeV2()); }
  size_t getDeviceMemorySizeForProfile(int32_t profile) const noexcept {
    return static_cast<size_t>(getDeviceMemorySizeForProfileV2(profile));
  }
  int64_t getDeviceMemorySizeV2() const noexcept;
  int64_t getDeviceMemorySizeForProfileV2(int32_t profile) const noexcept;
  bool setWeightStreamingBudget(int64_t bytes) noexcept;
  int64_t getWeightStreamingBudget() const noexcept;
  bool setWeightStreamingBudgetV2(int64_t bytes) noexcept;
  int64_t getWeightStreamingBudgetV2() const noexcept { return budget_; }
  int64_t getMinimumWeightStreamingBudget() const noexcept { return 0; }
  int64_t getStreamableWeightsSize() const noexcept { return streamable_; }
  int64_t getWeightStreamingAutomaticBudget() const noexcept;
  int64_t getWeightStreamingScratchMemorySize() const noexcept { return core_->streaming_scratch_bytes(); }
  bool isDebugTensor(const char* name) const noexcept;

  // By binding index, up to level 9.
  int32_t getNbBindings() const noexcept;
  int32_t getBindingIndex(const char* name) const noexcept;
  const char* getBindingName(int32_t index) const noexcept;
  bool bindingIsInput(int32_t index) const noexcept;
  Dims getBindingDimensions(int32_t index) const noexcept;
  DataType getBindingDataType(int32_t index) const noexcept;
  int32_t getMaxBatchSize() const noexcept { return max_batch_ > 0 ? max_batch_ : 1; }
  size_t getWorkspaceSize() const noexcept { return getDeviceMemorySize(); }
  TensorLocation getLocation(int32_t index) const noexcept;
  int32_t getBindingBytesPerComponent(int32_t index) const noexcept;
  int32_t getBindingComponentsPerElement(int32_t index) const noexcept;
  TensorFormat getBindingFormat(int32_t index) const noexcept;
  const char* getBindingFormatDesc(int32_t index) const noexcept;
  int32_t getBindingVectorizedDim(int32_t index) const noexcept;
  Dims getProfileDimensions(int32_t index, int32_t profile, OptProfileSelector select) const noexcept;
  const int32_t* getProfileShapeValues(int32_t profile, int32_t input, OptProfileSelector select) const noexcept;
  bool isShapeBinding(int32_t index) const noexcept;
  bool isExecutionBinding(int32_t index) const noexcept;

 private:
  /// False, with an error, for a profile that the engine does not have.
  bool has_profile(const char* where, int32_t profile) const noexcept;
  int32_t vectorized_dim(size_t io) const;
  int32_t bytes_per_component(size_t io) const;
  const ir::Dims* values(const char* name, int32_t profile, OptProfileSelector select) const;
  const char* keep(std::string text) const;

  void find_debug_tensors();
  int64_t weight_bytes() const;
  int64_t info_number(const char* key, int64_t fallback) const;

  std::shared_ptr<runtime::Engine> core_;
  Reports reports_;
  IGpuAllocator* allocator_;
  int32_t max_batch_ = 0;
  int64_t streamable_ = 0;  ///< bytes of weights of an engine built for streaming
  int64_t budget_ = 0;
  size_t io_count_;
  IoFormats formats_;
  std::vector<bool> is_debug_;  ///< by index into io()
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  Lifetime lifetime_;
  Registered registered_{static_cast<ICudaEngine*>(this)};
  // What queries hand out as plain pointers lives as long as the engine.
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::string> texts_;
  mutable std::map<std::string, std::vector<int32_t>> narrow_values_;
};

/// The engine's own object behind a public reference; any ICudaEngine that a client holds was made here.
inline CudaEngine& own(ICudaEngine& engine) { return static_cast<CudaEngine&>(engine); }
inline const CudaEngine& own(const ICudaEngine& engine) { return static_cast<const CudaEngine&>(engine); }

}  // namespace tenon::nvinfer
