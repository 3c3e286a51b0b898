// IRuntime: plans to engines.
#pragma once
#include <memory>
#include <vector>

#include "nvinfer/plugin_op.h"
#include "settings.h"

namespace tenon::nvinfer {

class Runtime final : public RuntimeState {
 public:
  explicit Runtime(ILogger* logger);
  IRuntime* getPImpl() noexcept { return this; }
  int32_t getNbDLACores() const noexcept { return 0; }
  void setDLACore(int32_t core) noexcept {
    dla_core_ = core;
    reports_.log(ILogger::Severity::kWARNING, "IRuntime::setDLACore has no effect: there is no DLA on this machine");
  }
  bool setMaxThreads(int32_t threads) noexcept;
  void setGpuAllocator(IGpuAllocator* allocator) noexcept { allocator_ = allocator; }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }
  ILogger* getLogger() const noexcept { return reports_.logger(); }
  ICudaEngine* deserializeCudaEngine(const void* blob, size_t size) noexcept;
#if TRT_UNTIL(8)
  ICudaEngine* deserializeCudaEngine(const void* blob, size_t size, IPluginFactory* factory) noexcept;
#endif
#if NV_TENSORRT_MAJOR >= 10
  ICudaEngine* deserializeCudaEngine(IStreamReader& reader) noexcept;
  ICudaEngine* deserializeCudaEngineV2(IStreamReaderV2& reader) noexcept;
#endif
#if NV_TENSORRT_MAJOR >= 11
  bool setDLAWorkspaceAllocationStrategy(DLAWorkspaceAllocationStrategy strategy) noexcept;
#endif
  IPluginRegistry& getPluginRegistry() noexcept;
  void setPluginRegistryParent(IPluginRegistry*) noexcept {}
  IRuntime* loadRuntime(const char* path) noexcept;

 private:
  ICudaEngine* load(std::shared_ptr<std::vector<std::byte>> bytes, PluginFactory* factory = nullptr);
  Reports reports_;
  IGpuAllocator* allocator_ = nullptr;
};

}  // namespace tenon::nvinfer
