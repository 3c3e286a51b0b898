// IRuntime and the small configuration objects of an engine.
#include "nvinfer/runtime.h"

#include <cstring>

#include "nvinfer/client.h"
#include "nvinfer/context.h"
#include "nvinfer/host_memory.h"
#include "nvinfer/registry.h"

namespace tenon::nvinfer {
namespace {

#if NV_TENSORRT_MAJOR >= 8
class SerializationConfig final : public SerializationConfigState {
 public:
  bool setFlags(SerializationFlags flags) noexcept { return flags_ = flags, true; }
  SerializationFlags getFlags() const noexcept { return flags_; }
  bool setFlag(SerializationFlag flag) noexcept { return flags_ |= 1U << static_cast<uint32_t>(flag), true; }
  bool clearFlag(SerializationFlag flag) noexcept { return flags_ &= ~(1U << static_cast<uint32_t>(flag)), true; }
  bool getFlag(SerializationFlag flag) const noexcept { return (flags_ >> static_cast<uint32_t>(flag)) & 1U; }

 private:
  SerializationFlags flags_ = 0;
};
#endif

#if NV_TENSORRT_MAJOR >= 10
class RuntimeConfig final : public RuntimeConfigState {
 public:
  IRuntimeConfig* getPImpl() noexcept { return this; }
};
#endif

std::shared_ptr<std::vector<std::byte>> copy_of(const void* blob, size_t size) {
  auto bytes = std::make_shared<std::vector<std::byte>>(size);
  std::memcpy(bytes->data(), blob, size);
  return bytes;
}

}  // namespace

#if NV_TENSORRT_MAJOR >= 8
ISerializationConfig* CudaEngine::createSerializationConfig() noexcept {
  return guard(reports_, "ICudaEngine::createSerializationConfig",
               [&]() -> ISerializationConfig* { return new SerializationConfig; });
}

IHostMemory* CudaEngine::serializeWithConfig(ISerializationConfig& config) const noexcept {
  if (config.getFlags() != 0) {
    reports_.log(ILogger::Severity::kWARNING,
                 "ICudaEngine::serializeWithConfig: the plan keeps all weights, flags are not honoured");
  }
  return serialize();
}
#endif

#if NV_TENSORRT_MAJOR >= 10
IRuntimeConfig* CudaEngine::createRuntimeConfig() noexcept {
  return guard(reports_, "ICudaEngine::createRuntimeConfig", [&]() -> IRuntimeConfig* { return new RuntimeConfig; });
}
IExecutionContext* CudaEngine::createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept {
  return guard(reports_, "ICudaEngine::createExecutionContext",
               [&] { return need(config, "runtimeConfig"), create_context(); });
}
IRuntimeConfig* ExecutionContext::getRuntimeConfig() const noexcept {
  return guard(reports_, "IExecutionContext::getRuntimeConfig", [&]() -> IRuntimeConfig* { return new RuntimeConfig; });
}
#endif

Runtime::Runtime(ILogger* logger) : reports_(logger) {}

ICudaEngine* Runtime::load(std::shared_ptr<std::vector<std::byte>> bytes) {
  plan::Plan plan = plan::deserialize(bytes, *bytes);
  return new CudaEngine(runtime::Engine::create(std::move(plan), {&default_backend(), 0}), reports_);
}

ICudaEngine* Runtime::deserializeCudaEngine(const void* blob, size_t size) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine", [&] { return load(copy_of(need(blob, "blob"), size)); });
}

#if TRT_UNTIL(8)
ICudaEngine* Runtime::deserializeCudaEngine(const void* blob, size_t size, IPluginFactory*) noexcept {
  return Runtime::deserializeCudaEngine(blob, size);
}
#endif

#if NV_TENSORRT_MAJOR >= 10
namespace {
constexpr int64_t kChunk = int64_t{1} << 24;

template <class Read>
std::shared_ptr<std::vector<std::byte>> read_all(Read read) {
  auto bytes = std::make_shared<std::vector<std::byte>>();
  for (;;) {
    const size_t old = bytes->size();
    bytes->resize(old + size_t(kChunk));
    const int64_t got = read(bytes->data() + old, kChunk);
    require(got >= 0 && got <= kChunk, ErrorCode::kIo, "the stream reader answered ", got, " to a read of ", kChunk,
            " bytes");
    bytes->resize(old + size_t(got));
    if (got == 0) return bytes;
  }
}
}  // namespace

ICudaEngine* Runtime::deserializeCudaEngine(IStreamReader& reader) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine",
               [&] { return load(read_all([&](void* to, int64_t count) { return reader.read(to, count); })); });
}

ICudaEngine* Runtime::deserializeCudaEngineV2(IStreamReaderV2& reader) noexcept {
  return guard(reports_, "IRuntime::deserializeCudaEngine", [&] {
    return load(read_all([&](void* to, int64_t count) { return reader.read(to, count, nullptr); }));
  });
}
#endif

IPluginRegistry& Runtime::getPluginRegistry() noexcept { return *::getPluginRegistry(); }

IRuntime* Runtime::loadRuntime(const char* path) noexcept {
  reports_.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE, "IRuntime::loadRuntime",
                 cat("plans need no lean runtime, '", path ? path : "", "' is not loaded"));
  return nullptr;
}

}  // namespace tenon::nvinfer

extern "C" {

TENSORRTAPI void* createInferRuntime_INTERNAL(void* logger, int32_t version) {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createInferRuntime", [&]() -> void* {
    remember_logger(need(user, "logger"));
    client_major(version);
    return static_cast<nvinfer1::IRuntime*>(new Runtime(user));
  });
}

TENSORRTAPI void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version) {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createInferRefitter", [&]() -> void* {
    client_major(version);
    return own(*need(static_cast<nvinfer1::ICudaEngine*>(engine), "engine")).createRefitter(*need(user, "logger"));
  });
}

}  // extern "C"
