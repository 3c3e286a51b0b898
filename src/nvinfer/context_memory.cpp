// IExecutionContext: memory for activations, and settings that mean something on a GPU only.
#include "backends/device.h"
#include "nvinfer/context.h"
#include "nvinfer/memory.h"

namespace tenon::nvinfer {
namespace {

std::shared_ptr<void> plain_memory(const runtime::Engine& engine, size_t bytes) {
  if (const Device* device = engine.backend().device())
    return {device->allocate(bytes), [device](void* p) { device->release(p); }};
  constexpr std::align_val_t kAligned{64};
  return {::operator new(bytes, kAligned), [](void* p) { ::operator delete(p, kAligned); }};
}

}  // namespace

void ExecutionContext::setDeviceMemoryV2(void* memory, int64_t size) noexcept {
  guard(reports_, "IExecutionContext::setDeviceMemoryV2", [&] {
    const InUse claim(in_use_);
    use_memory(*core_, memory, size);
  });
}

void ExecutionContext::setDeviceMemory(void* memory) noexcept {
  guard(reports_, "IExecutionContext::setDeviceMemory", [&] {
    const InUse claim(in_use_);
    use_memory(*core_, memory, engine().getDeviceMemorySizeV2());
  });
}

size_t ExecutionContext::updateDeviceMemorySizeForShapes() noexcept {
  return guard(reports_, "IExecutionContext::updateDeviceMemorySizeForShapes", [&] {
    const InUse claim(in_use_);
    return static_cast<size_t>(with_room_to_align(core_->prepare().memory.arena_bytes));
  });
}

bool ExecutionContext::setTemporaryStorageAllocator(IGpuAllocator* allocator) noexcept {
  return guard(reports_, "IExecutionContext::setTemporaryStorageAllocator", [&] {
    const InUse claim(in_use_);
#if NV_TENSORRT_MAJOR >= 8
    temporary_storage_allocator_ = allocator;
#endif
    if (with_memory_) core_->set_memory_allocator(memory_from(allocator ? allocator : engine().allocator(), reports_));
    return true;
  });
}

void ExecutionContext::give_memory_to_hidden_outputs() {
  for (size_t io = engine_.io_count(); io < keep_->io().size(); ++io) {
    core_->set_output_allocator(io - keep_->input_count(), [this, io](const ir::Dims& dims, int64_t bytes) {
      Hidden& hidden = hidden_[io];
      hidden.dims = dims;
      if (!hidden.memory || hidden.bytes < bytes) {
        hidden.memory = plain_memory(*keep_, static_cast<size_t>(std::max<int64_t>(bytes, 1)));
        hidden.bytes = bytes;
      }
      return hidden.memory.get();
    });
  }
}

void ExecutionContext::setAuxStreams(cudaStream_t* streams, int32_t count) noexcept {
  guard(reports_, "IExecutionContext::setAuxStreams", [&] {
    require(count >= 0 && (count == 0 || streams), ErrorCode::kInvalidArgument, "there are ", count, " streams at ",
            streams ? "an address" : "null");
    const InUse claim(in_use_);
    const int used = keep_->backend().device() ? keep_->auxiliary_streams(core_->profile()) : 0;
    if (count > used)
      reports_.log(ILogger::Severity::kWARNING, cat("IExecutionContext::setAuxStreams: the engine uses ", used,
                                                    " auxiliary streams, ", count - used, " of those given are idle"));
    core_->set_auxiliary_streams({streams, streams + count});
  });
}

void ExecutionContext::setPersistentCacheLimit(size_t size) noexcept {
#if NV_TENSORRT_MAJOR >= 8
  persistent_cache_limit_ = size;
#endif
  if (size > 0)
    reports_.log(ILogger::Severity::kWARNING,
                 "IExecutionContext::setPersistentCacheLimit has no effect: no activations are kept in a part of the "
                 "cache set aside");
}

bool ExecutionContext::setNvtxVerbosity(ProfilingVerbosity verbosity) noexcept {
  return guard(reports_, "IExecutionContext::setNvtxVerbosity", [&] {
    need_known(verbosity, "verbosity");
    const auto much = [](ProfilingVerbosity v) { return v == ProfilingVerbosity::kNONE ? -1 : static_cast<int>(v); };
    require(much(verbosity) <= much(engine().getProfilingVerbosity()), ErrorCode::kInvalidArgument,
            "the verbosity may not be raised above that of the build");
#if NV_TENSORRT_MAJOR >= 8
    nvtx_verbosity_ = verbosity;
#endif
    if (verbosity != ProfilingVerbosity::kNONE)
      reports_.log(ILogger::Severity::kWARNING,
                   "IExecutionContext::setNvtxVerbosity has no effect: runs are not annotated for NVTX");
    return true;
  });
}

}  // namespace tenon::nvinfer
