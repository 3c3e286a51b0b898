// IExecutionContext by binding index. Only levels up to 9 show it.
#include <cstring>

#include "backends/device.h"
#include "backends/host_memory.h"
#include "nvinfer/context.h"

namespace tenon::nvinfer {
namespace {

/// Values of shape tensors are the host's on every device.
void require_host(const runtime::Engine& engine, const void* values, const std::string& name) {
  const Device* device = engine.backend().device();
  require(device ? device->host_reaches(values) : host_reaches(values), ErrorCode::kInvalidArgument,
          "the values of shape tensor '", name, "' are in device memory; host memory is accepted");
}

}  // namespace

Dims ExecutionContext::getStrides(int32_t index) const noexcept {
  return guard(
      reports_, "IExecutionContext::getStrides",
      [&] { return getTensorStrides(keep_->io()[engine().binding(index)].name.c_str()); }, invalid_dims());
}

bool ExecutionContext::setBindingDimensions(int32_t index, Dims dims) noexcept {
  return guard(reports_, "IExecutionContext::setBindingDimensions", [&] {
    const size_t io = engine().binding(index);
    const auto profile = static_cast<int32_t>(size_t(index) / engine().io_count());
    require(profile == core_->profile(), ErrorCode::kInvalidArgument, "binding ", index, " belongs to profile ",
            profile, ", the context uses profile ", core_->profile());
    return set_dims(io, to_core(dims)), true;
  });
}

Dims ExecutionContext::getBindingDimensions(int32_t index) const noexcept {
  return guard(
      reports_, "IExecutionContext::getBindingDimensions",
      [&] {
        const size_t io = engine().binding(index);
        return engine().shown(io, dims_now(io));
      },
      invalid_dims());
}

bool ExecutionContext::setInputShapeBinding(int32_t index, const int32_t* data) noexcept {
  return guard(reports_, "IExecutionContext::setInputShapeBinding", [&] {
    const size_t io = engine().binding(index);
    require(engine().is_shape_input(io) && core_->input_dims(io), ErrorCode::kInvalidArgument, "binding ", index,
            " is no shape input");
    require_host(*keep_, need(data, "data"), keep_->io()[io].name);
    const ir::Dims& dims = *core_->input_dims(io);
    shape_data_[io].assign(data, data + (dims.empty() ? 1 : dims[0]));
    return set_address(io, shape_data_[io].data()), true;
  });
}

bool ExecutionContext::getShapeBinding(int32_t index, int32_t* data) const noexcept {
  return guard(reports_, "IExecutionContext::getShapeBinding", [&] {
    const size_t io = engine().binding(index);
    const std::vector<int32_t>& known = shape_data_[io];
    require(!known.empty(), ErrorCode::kInvalidArgument, "binding ", index, " has no shape values");
    require_host(*keep_, need(data, "data"), keep_->io()[io].name);
    std::memcpy(data, known.data(), known.size() * sizeof(int32_t));
    return true;
  });
}

}  // namespace tenon::nvinfer
