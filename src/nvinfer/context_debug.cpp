// IExecutionContext: debug tensors and their listener.
#include "nvinfer/context.h"

namespace tenon::nvinfer {

size_t ExecutionContext::debug_tensor(const char* name) const {
  auto io = keep_->find_io(need(name, "name"));
  require(io && engine().is_debug(*io), ErrorCode::kInvalidArgument, "'", name, "' is not marked as a debug tensor");
  return *io;
}

bool ExecutionContext::setTensorDebugState(const char* name, bool on) noexcept {
  return guard(reports_, "IExecutionContext::setTensorDebugState",
               [&] { return debug_state_[debug_tensor(name)] = on, true; });
}

bool ExecutionContext::getDebugState(const char* name) const noexcept {
  return guard(reports_, "IExecutionContext::getDebugState",
               [&]() -> bool { return debug_state_[debug_tensor(name)]; });
}

bool ExecutionContext::setAllTensorsDebugState(bool on) noexcept {
  return guard(reports_, "IExecutionContext::setAllTensorsDebugState", [&] {
    for (size_t io = 0; io < debug_state_.size(); ++io) debug_state_[io] = on && engine().is_debug(io);
    return true;
  });
}

bool ExecutionContext::has_listener() const {
#if NV_TENSORRT_MAJOR >= 10
  return debug_listener_ != nullptr;
#else
  return false;
#endif
}

void ExecutionContext::report_debug_tensors() {
#if NV_TENSORRT_MAJOR >= 10
  if (!debug_listener_) return;
  for (size_t io = 0; io < keep_->io().size(); ++io) {
    const bool unfused = io >= engine_.io_count() && !engine_.is_debug(io);
    if (unfused ? unfused_tensors_debug_state_ : debug_state_[io]) report_debug_tensor(io);
  }
#endif
}

void ExecutionContext::report_debug_tensor(size_t io) {
#if NV_TENSORRT_MAJOR >= 10
  const runtime::IoInfo& info = keep_->io()[io];
  const auto hidden = hidden_.find(io);
  const ir::Dims dims = hidden != hidden_.end() ? hidden->second.dims : dims_now(io);
  const bool went_well = debug_listener_->processDebugTensor(
      core_->address(io), TensorLocation::kDEVICE, to_api(info.dtype), engine_.shown(dims), info.name.c_str(), stream_);
  require(went_well, ErrorCode::kInvalidArgument, "the debug listener returned false for tensor '", info.name, "'");
#else
  (void)io;
#endif
}

}  // namespace tenon::nvinfer
