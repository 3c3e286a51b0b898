#include "nvinfer/tensor.h"

#include <algorithm>
#include <cmath>

#include "nvinfer/conversion.h"
#include "nvinfer/network.h"

namespace tenon::nvinfer {

void Tensor::setName(const char* name) noexcept {
  guard(network_.reports(), "ITensor::setName", [&] {
    ir::Graph& graph = network_.graph();
    if (graph.value(value_).name == need(name, "name")) return;
    require(graph.find(name) == ir::kNone, ErrorCode::kInvalidArgument, "another tensor is called '", name, "'");
    graph.rename(value_, name);
  });
}
const char* Tensor::getName() const noexcept { return network_.keep(network_.graph().value(value_).name); }

void Tensor::setDimensions(DimsArg dims) noexcept {
  guard(network_.reports(), "ITensor::setDimensions", [&] {
    require(isNetworkInput(), ErrorCode::kInvalidArgument, "'", getName(),
            "' is no network input, its dims follow from its layer");
    network_.set_input_shape(value_, to_core(dims));
  });
}

Dims Tensor::getDimensions() const noexcept {
  return guard(
      network_.reports(), "ITensor::getDimensions",
      [&] {
        const ir::Value& value = network_.typed(value_);
        return value.ranked ? network_.shown(dims_of(value.shape)) : invalid_dims();
      },
      invalid_dims());
}

void Tensor::setType(DataType type) noexcept {
  guard(network_.reports(), "ITensor::setType", [&] {
    const ir::DType core = to_core(type);
    network_.name_type(core);
    network_.force_type(value_, core);
  });
}

DataType Tensor::getType() const noexcept {
  return guard(network_.reports(), "ITensor::getType", [&] {
    if (auto forced = network_.forced_type(value_)) return to_api(*forced);
    const ir::Value& value = network_.typed(value_);
    return value.dtype == ir::DType::kUndefined ? DataType::kFLOAT
                                                : to_api(shown_type(value.dtype, network_.narrows_integers()));
  });
}

bool Tensor::isNetworkInput() const noexcept { return network_.graph().is_input(value_); }
bool Tensor::isNetworkOutput() const noexcept { return network_.graph().is_output(value_); }

void Tensor::setAllowedFormats(TensorFormats formats) noexcept {
  guard(network_.reports(), "ITensor::setAllowedFormats", [&] {
    require(formats != 0, ErrorCode::kInvalidArgument, "no format is given for '", getName(), "'");
    formats_ = formats;
  });
}

void Tensor::setLocation(TensorLocation location) noexcept {
  if (location != location_) {
    network_.reports().log(ILogger::Severity::kWARNING,
                           cat("ITensor::setLocation: where '", getName(),
                               "' lies follows from its use; ICudaEngine::getTensorLocation tells"));
  }
  location_ = location;
}

void Tensor::setBroadcastAcrossBatch(bool broadcast) noexcept {
  if (broadcast == getBroadcastAcrossBatch()) return;
  guard(network_.reports(), "ITensor::setBroadcastAcrossBatch", [&] { network_.set_broadcast(value_, broadcast); });
}

bool Tensor::getBroadcastAcrossBatch() const noexcept {
  return guard(network_.reports(), "ITensor::getBroadcastAcrossBatch", [&] {
    const ir::Value& value = network_.typed(value_);
    return network_.implicit() && value.ranked && !value.shape.empty() && value.shape[0] == 1;
  });
}

bool Tensor::isShapeTensor() const noexcept {
  return guard(network_.reports(), "ITensor::isShapeTensor",
               [&] { return network_.typed(value_).contents.has_value(); });
}

bool Tensor::isExecutionTensor() const noexcept { return !isShapeTensor(); }

void Tensor::setDimensionName(int32_t index, const char* name) noexcept {
  guard(network_.reports(), "ITensor::setDimensionName",
        [&] { network_.name_dimension(value_, index, need(name, "name")); });
}

const char* Tensor::getDimensionName(int32_t index) const noexcept {
  return guard(network_.reports(), "ITensor::getDimensionName", [&]() -> const char* {
    dimension_name_ = network_.dimension_name(value_, index);
    return dimension_name_.empty() ? nullptr : dimension_name_.c_str();
  });
}

bool Tensor::setDynamicRange(float min, float max) noexcept {
  return guard(network_.reports(), "ITensor::setDynamicRange", [&] {
    require(min <= max && std::isfinite(min) && std::isfinite(max), ErrorCode::kInvalidArgument, "the range of '",
            getName(), "' is given as ", min, " to ", max);
    has_range_ = true;
    min_ = min;
    max_ = max;
    return true;
  });
}

}  // namespace tenon::nvinfer
