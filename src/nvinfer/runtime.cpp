// IRuntime and the small configuration objects of an engine.
#include "nvinfer/runtime.h"

#include <cstring>
#include <filesystem>

#include "nvinfer/client.h"
#include "nvinfer/context.h"
#include "nvinfer/current_device.h"
#include "nvinfer/host_memory.h"
#include "nvinfer/memory.h"
#include "nvinfer/plugin_embed.h"
#include "nvinfer/plugin_op.h"
#include "nvinfer/refit.h"
#include "nvinfer/registry.h"

namespace tenon::nvinfer {
namespace {

#if NV_TENSORRT_MAJOR >= 8
class SerializationConfig final : public SerializationConfigState {
 public:
  explicit SerializationConfig(const Reports& reports) : reports_(reports) {}
  bool setFlags(SerializationFlags flags) noexcept { return flags_ = flags, true; }
  SerializationFlags getFlags() const noexcept { return flags_; }
  bool setFlag(SerializationFlag flag) noexcept {
    const uint32_t bit = bit_of(reports_, "ISerializationConfig::setFlag", flag);
    return flags_ |= bit, bit != 0;
  }
  bool clearFlag(SerializationFlag flag) noexcept {
    const uint32_t bit = bit_of(reports_, "ISerializationConfig::clearFlag", flag);
    return flags_ &= ~bit, bit != 0;
  }
  bool getFlag(SerializationFlag flag) const noexcept {
    return (flags_ & bit_of(reports_, "ISerializationConfig::getFlag", flag)) != 0;
  }

 private:
  Reports reports_;
  SerializationFlags flags_ = 0;
};
#endif

#if NV_TENSORRT_MAJOR >= 10
class RuntimeConfig final : public RuntimeConfigState {
 public:
  explicit RuntimeConfig(const Reports& reports) : reports_(reports) {}
  void setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy strategy) noexcept {
    guard(reports_, "IRuntimeConfig::setExecutionContextAllocationStrategy",
          [&] { execution_context_allocation_strategy_ = need_known(strategy, "strategy"); });
  }
  IRuntimeConfig* getPImpl() noexcept { return this; }

 private:
  Reports reports_;
};
#endif

std::shared_ptr<std::vector<std::byte>> copy_of(const void* blob, size_t size) {
  auto bytes = std::make_shared<std::vector<std::byte>>(size);
  if (size > 0) std::memcpy(bytes->data(), blob, size);
  return bytes;
}

}  // namespace

#if NV_TENSORRT_MAJOR >= 8
ISerializationConfig* CudaEngine::createSerializationConfig() noexcept {
  return guard(reports_, "ICudaEngine::createSerializationConfig",
               [&]() -> ISerializationConfig* { return new SerializationConfig(reports_); });
}

IHostMemory* CudaEngine::serializeWithConfig(ISerializationConfig& config) const noexcept {
  if (!((config.getFlags() >> static_cast<uint32_t>(SerializationFlag::kEXCLUDE_WEIGHTS)) & 1U)) return serialize();
  return guard(reports_, "ICudaEngine::serializeWithConfig",
               [&]() -> IHostMemory* { return new HostMemory(plan::serialize(stripped(core_->plan()))); });
}
#endif

#if NV_TENSORRT_MAJOR >= 10
IRuntimeConfig* CudaEngine::createRuntimeConfig() noexcept {
  return guard(reports_, "ICudaEngine::createRuntimeConfig",
               [&]() -> IRuntimeConfig* { return new RuntimeConfig(reports_); });
}
IExecutionContext* CudaEngine::createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept {
  return guard(reports_, "ICudaEngine::createExecutionContext", [&] {
    return create_context(need_known(strategy, "strategy") != ExecutionContextAllocationStrategy::kUSER_MANAGED);
  });
}
IExecutionContext* CudaEngine::createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept {
  return guard(reports_, "ICudaEngine::createExecutionContext", [&] {
    return createExecutionContext(need(config, "runtimeConfig")->getExecutionContextAllocationStrategy());
  });
}
IRuntimeConfig* ExecutionContext::getRuntimeConfig() const noexcept {
  return guard(reports_, "IExecutionContext::getRuntimeConfig", [&]() -> IRuntimeConfig* {
    auto config = std::make_unique<RuntimeConfig>(reports_);
    if (!with_memory_) config->setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy::kUSER_MANAGED);
    return config.release();
  });
}
#endif

Runtime::Runtime(ILogger* logger) : reports_(logger) {
#if NV_TENSORRT_MAJOR >= 8
  tempfile_control_flags_ = 1U << static_cast<uint32_t>(TempfileControlFlag::kALLOW_IN_MEMORY_FILES) |
                            1U << static_cast<uint32_t>(TempfileControlFlag::kALLOW_TEMPORARY_FILES);
#endif
}

bool Runtime::setMaxThreads(int32_t threads) noexcept {
  return guard(reports_, "IRuntime::setMaxThreads", [&] {
    require(threads >= 1, ErrorCode::kInvalidArgument, threads, " threads, 1 and more are accepted");
#if NV_TENSORRT_MAJOR >= 8
    max_threads_ = threads;
#endif
    return true;
  });
}

ICudaEngine* Runtime::load(std::shared_ptr<std::vector<std::byte>> bytes, PluginFactory* factory) {
  plan::Plan plan = plan::deserialize(bytes, *bytes);
  runtime::EngineOptions options;
  options.backend = &current_device(reports_);
#if NV_TENSORRT_MAJOR >= 8
  load_embedded_libraries(plan.info, plan.graph,
                          {engine_host_code_allowed_, temporary_directory_, tempfile_control_flags_});
#endif
  load_plugins(plan.graph, *options.backend, batch_rule(plan), factory);
  if (plan.source) share_plugins(plan.graph, *plan.source);
#if NV_TENSORRT_MAJOR >= 8
  options.threads = max_threads_;
#endif
  options.weight_memory = memory_from(allocator_, reports_);
  return new CudaEngine(runtime::Engine::create(std::move(plan), options), reports_, allocator_);
}

ICudaEngine* Runtime::deserializeCudaEngine(const void* blob, size_t size) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine", [&] { return load(copy_of(need(blob, "blob"), size)); });
}

#if TRT_UNTIL(8)
ICudaEngine* Runtime::deserializeCudaEngine(const void* blob, size_t size, IPluginFactory* factory) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine",
               [&] { return load(copy_of(need(blob, "blob"), size), factory); });
}
#endif

#if NV_TENSORRT_MAJOR >= 10
namespace {
constexpr int64_t kChunk = int64_t{1} << 24;

/// Appends `count` bytes of a stream, or what is left of it.
template <class Read>
void read_some(Read& read, std::vector<std::byte>& bytes, int64_t count) {
  while (count > 0) {
    const int64_t most = std::min(count, kChunk);
    const size_t old = bytes.size();
    bytes.resize(old + static_cast<size_t>(most));
    const int64_t got = read(bytes.data() + old, most);
    require(got >= 0 && got <= most, ErrorCode::kIo, "the stream reader answered ", got, " to a read of ", most,
            " bytes");
    bytes.resize(old + static_cast<size_t>(got));
    if (got == 0) return;
    count -= got;
  }
}

/// The plan at a stream's place, and no byte beyond it.
template <class Read>
std::shared_ptr<std::vector<std::byte>> read_plan(Read read) {
  auto bytes = std::make_shared<std::vector<std::byte>>();
  read_some(read, *bytes, plan::kHeaderBytes);
  if (static_cast<int64_t>(bytes->size()) == plan::kHeaderBytes)
    read_some(read, *bytes, plan::length_in_header(*bytes) - plan::kHeaderBytes);
  return bytes;
}
}  // namespace

ICudaEngine* Runtime::deserializeCudaEngine(IStreamReader& reader) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine",
               [&] { return load(read_plan([&](void* to, int64_t count) { return reader.read(to, count); })); });
}

ICudaEngine* Runtime::deserializeCudaEngineV2(IStreamReaderV2& reader) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine", [&] {
    return load(read_plan([&](void* to, int64_t count) { return reader.read(to, count, nullptr); }));
  });
}
#endif

IPluginRegistry& Runtime::getPluginRegistry() noexcept { return *::getPluginRegistry(); }

#if NV_TENSORRT_MAJOR >= 11
bool Runtime::setDLAWorkspaceAllocationStrategy(DLAWorkspaceAllocationStrategy strategy) noexcept {
  return guard(reports_, "IRuntime::setDLAWorkspaceAllocationStrategy", [&] {
    require(need_known(strategy, "strategy") == DLAWorkspaceAllocationStrategy::kDEFAULT, ErrorCode::kUnsupported,
            "there is no DLA on this machine whose workspace could be shared");
    return true;
  });
}
#endif

IRuntime* Runtime::loadRuntime(const char* path) noexcept {
  return guard(reports_, "IRuntime::loadRuntime", [&]() -> IRuntime* {
    std::error_code error;
    require(std::filesystem::is_regular_file(need(path, "path"), error), ErrorCode::kIo, "there is no library '", path,
            "'");
    auto runtime = std::make_unique<Runtime>(reports_.logger());
    runtime->setErrorRecorder(reports_.recorder());
    runtime->setGpuAllocator(allocator_);
    reports_.log(
        ILogger::Severity::kINFO,
        cat("IRuntime::loadRuntime: plans need no runtime of their own; this one serves in place of '", path, "'"));
    return runtime.release();
  });
}

}  // namespace tenon::nvinfer

extern "C" {

TENSORRTAPI void* createInferRuntime_INTERNAL(void* logger, int32_t version) TRT_ENTRY_NOEXCEPT {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createInferRuntime", [&]() -> void* {
    remember_logger(need(user, "logger"));
    client_major(version);
    return static_cast<nvinfer1::IRuntime*>(new Runtime(user));
  });
}

TENSORRTAPI void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version) TRT_ENTRY_NOEXCEPT {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createInferRefitter", [&]() -> void* {
    client_major(version);
    auto& known = need_alive(*need(static_cast<nvinfer1::ICudaEngine*>(engine), "engine"), "engine");
    return own(known).createRefitter(*need(user, "logger"));
  });
}

}  // extern "C"
