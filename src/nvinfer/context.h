// IExecutionContext over a runtime::Context. Calls return when the work is done; a stream only orders them.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nvinfer/engine.h"
#include "nvinfer/plugin_op.h"

namespace tenon::nvinfer {

class ExecutionContext final : public ExecutionContextState {
 public:
  /// Without memory of its own the context runs in what setDeviceMemory gives.
  ExecutionContext(const CudaEngine& engine, bool with_memory);

  const runtime::Context& core() const { return *core_; }
  IExecutionContext* getPImpl() noexcept { return this; }
  const Lifetime& lifetime() const { return lifetime_; }
  const ICudaEngine& getEngine() const noexcept;
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }

  void setName(const char* name) noexcept;

  // Shapes.
  int32_t getOptimizationProfile() const noexcept { return core_->profile(); }
  bool setOptimizationProfile(int32_t profile) noexcept;
  bool setOptimizationProfileAsync(int32_t profile, cudaStream_t) noexcept { return setOptimizationProfile(profile); }
  bool setInputShape(const char* name, const Dims& dims) noexcept;
  Dims getTensorShape(const char* name) const noexcept;
  Dims getTensorStrides(const char* name) const noexcept;
  bool allInputDimensionsSpecified() const noexcept { return core_->all_dims_set(); }
  bool allInputShapesSpecified() const noexcept;
  int32_t inferShapes(int32_t capacity, const char** names) noexcept;

  // Memory.
  bool setTensorAddress(const char* name, void* data) noexcept;
  const void* getTensorAddress(const char* name) const noexcept;
  bool setInputTensorAddress(const char* name, const void* data) noexcept;
  bool setOutputTensorAddress(const char* name, void* data) noexcept;
  void* getOutputTensorAddress(const char* name) const noexcept;
  int64_t getMaxOutputSize(const char* name) const noexcept;
  void setDeviceMemory(void* memory) noexcept;
  void setDeviceMemoryV2(void* memory, int64_t size) noexcept;
  bool setTemporaryStorageAllocator(IGpuAllocator* allocator) noexcept;
  size_t updateDeviceMemorySizeForShapes() noexcept;
#if NV_TENSORRT_MAJOR >= 8
  bool setOutputAllocator(const char* name, IOutputAllocator* allocator) noexcept;
  IOutputAllocator* getOutputAllocator(const char* name) noexcept;
#endif

  // Running.
  bool executeV2(void* const* bindings) noexcept;
#if NV_TENSORRT_MAJOR >= 8
  bool enqueueV3(cudaStream_t stream) noexcept;
#endif
  bool enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept;
  bool execute(int32_t batch, void* const* bindings) noexcept;
  bool enqueue(int32_t batch, void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept;
  bool reportToProfiler() const noexcept;
  // What a processor does not have.
  void setAuxStreams(cudaStream_t* streams, int32_t count) noexcept;
  void setPersistentCacheLimit(size_t size) noexcept;
  bool setNvtxVerbosity(ProfilingVerbosity verbosity) noexcept;

  // Debugging.
  bool setTensorDebugState(const char* name, bool on) noexcept;
  bool getDebugState(const char* name) const noexcept;
  bool setAllTensorsDebugState(bool on) noexcept;
#if NV_TENSORRT_MAJOR >= 10
  IRuntimeConfig* getRuntimeConfig() const noexcept;
#endif
#if NV_TENSORRT_MAJOR >= 10
  bool setCommunicator(void* communicator) noexcept;
#endif

  // By binding index, up to level 9.
  Dims getStrides(int32_t index) const noexcept;
  bool setBindingDimensions(int32_t index, Dims dims) noexcept;
  Dims getBindingDimensions(int32_t index) const noexcept;
  bool setInputShapeBinding(int32_t index, const int32_t* data) noexcept;
  bool getShapeBinding(int32_t index, int32_t* data) const noexcept;

 private:
  struct LayerTime {
    std::string name;
    float ms;
  };
  /// What runs for debug listeners alone.
  struct Hidden {
    std::shared_ptr<void> memory;
    int64_t bytes = 0;
    ir::Dims dims;
  };
  /// What a run takes: profile, input dims, addresses by index into io().
  struct Bound {
    int profile;
    std::vector<std::optional<ir::Dims>> dims;
    std::vector<void*> addresses;
  };
  /// Claims the context for its thread. Throws kInvalidArgument if another one has it.
  class InUse {
   public:
    explicit InUse(std::atomic<bool>& flag);
    ~InUse() { flag_ = false; }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    std::atomic<bool>& flag_;
  };

  /// Throws kInvalidArgument once the engine has been deleted.
  const CudaEngine& engine() const;
  void give_memory_to_hidden_outputs();
  size_t debug_tensor(const char* name) const;
  bool has_listener() const;
  void report_debug_tensors();
  void report_debug_tensor(size_t io);
  /// Dims of the runtime, which are those of the memory, the implicit batch included; -1 where not known yet.
  ir::Dims dims_now(size_t io) const;
  /// `dims` as the user knows them, with the implicit batch.
  void set_dims(size_t io, const ir::Dims& dims);
  void check_range(size_t io, const ir::Dims& dims) const;
  void set_addresses(void* const* bindings);
  void set_batch(int32_t batch);
  void set_address(size_t io, void* data);
  Bound bound_now() const;
  void bind(const Bound& bound);
  // The caller has claimed the context for these.
  void run(bool report, cudaStream_t stream);
  bool submit(cudaStream_t stream, const char* where, cudaEvent_t* consumed, void* const* bindings);
  /// Leaves a run with the shapes and addresses of now to the graph that the stream captures.
  bool capture_run(cudaStream_t stream, const char* where);
  void report_times() const;
#if NV_TENSORRT_MAJOR >= 8
  bool emits_profile() const { return enqueue_emits_profile_; }
#else
  bool emits_profile() const { return true; }
#endif

  const CudaEngine& engine_;
  std::shared_ptr<const std::atomic<bool>> engine_alive_;
  std::shared_ptr<runtime::Engine> keep_;
  std::unique_ptr<runtime::Context> core_;
  PluginInstances plugins_;
  std::shared_ptr<Reports> shared_reports_;  ///< with what tells of failures on the device's threads
  Reports& reports_;
  std::vector<LayerTime> times_;
  bool with_memory_;
  std::atomic<bool> in_use_{false};
  std::map<size_t, Hidden> hidden_;               ///< by index into io()
  std::vector<bool> debug_state_;                 ///< by index into io()
  cudaStream_t stream_ = nullptr;                 ///< of the run in progress
  std::vector<std::vector<int32_t>> shape_data_;  ///< of shape inputs set through setInputShapeBinding
  Lifetime lifetime_;
  Registered registered_{static_cast<IExecutionContext*>(this)};
#if NV_TENSORRT_MAJOR >= 8
  std::vector<IOutputAllocator*> allocators_;
#endif
};

}  // namespace tenon::nvinfer
