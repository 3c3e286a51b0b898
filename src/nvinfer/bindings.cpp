// ICudaEngine by binding index: index + profile * number of inputs and outputs. Only levels up to 9 show it.
#include <string_view>

#include "nvinfer/engine.h"

namespace tenon::nvinfer {

int32_t CudaEngine::getNbBindings() const noexcept { return getNbIOTensors() * getNbOptimizationProfiles(); }

int32_t CudaEngine::getBindingIndex(const char* name) const noexcept {
  return guard(
      reports_, "ICudaEngine::getBindingIndex",
      [&] {
        const auto io = name ? core_->find_io(name) : std::nullopt;
        if (io && *io < io_count_) return static_cast<int32_t>(*io);
        for (int32_t i = getNbIOTensors(); name && i < getNbBindings(); ++i)  // "x [profile 1]"
          if (std::string_view(getBindingName(i)) == name) return i;
        return -1;
      },
      -1);
}

const char* CudaEngine::getBindingName(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::getBindingName", [&] {
    const size_t io = binding(index);
    const size_t profile = size_t(index) / io_count_;
    const std::string& name = core_->io()[io].name;
    return profile == 0 ? name.c_str() : keep(cat(name, " [profile ", profile, "]"));
  });
}

bool CudaEngine::bindingIsInput(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::bindingIsInput", [&] { return core_->io()[binding(index)].is_input; });
}

Dims CudaEngine::getBindingDimensions(int32_t index) const noexcept {
  return guard(
      reports_, "ICudaEngine::getBindingDimensions",
      [&] {
        const size_t io = binding(index);
        return shown(io, core_->io()[io].dims);
      },
      no_dims());
}

DataType CudaEngine::getBindingDataType(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::getBindingDataType", [&] { return to_api(core_->io()[binding(index)].dtype); });
}

TensorLocation CudaEngine::getLocation(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::getLocation",
               [&] { return is_shape_input(binding(index)) ? TensorLocation::kHOST : TensorLocation::kDEVICE; });
}

TensorFormat CudaEngine::getBindingFormat(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::getBindingFormat", [&] { return formats_.at(binding(index)).format; });
}

const char* CudaEngine::getBindingFormatDesc(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::getBindingFormatDesc", [&] { return keep(describe_format(binding(index))); });
}

int32_t CudaEngine::getBindingBytesPerComponent(int32_t index) const noexcept {
  return guard(
      reports_, "ICudaEngine::getBindingBytesPerComponent", [&] { return bytes_per_component(binding(index)); }, -1);
}

int32_t CudaEngine::getBindingComponentsPerElement(int32_t index) const noexcept {
  return guard(
      reports_, "ICudaEngine::getBindingComponentsPerElement", [&] { return formats_.vector(binding(index)); }, -1);
}

int32_t CudaEngine::getBindingVectorizedDim(int32_t index) const noexcept {
  return guard(
      reports_, "ICudaEngine::getBindingVectorizedDim", [&] { return vectorized_dim(binding(index)); }, -1);
}

Dims CudaEngine::getProfileDimensions(int32_t index, int32_t profile, OptProfileSelector select) const noexcept {
  return guard(
      reports_, "ICudaEngine::getProfileDimensions",
      [&] { return getProfileShape(core_->io()[binding(index)].name.c_str(), profile, select); }, invalid_dims());
}

const int32_t* CudaEngine::getProfileShapeValues(int32_t profile, int32_t input,
                                                 OptProfileSelector select) const noexcept {
  return guard(reports_, "ICudaEngine::getProfileShapeValues",
               [&] { return getProfileTensorValues(core_->io()[binding(input)].name.c_str(), profile, select); });
}

bool CudaEngine::isShapeBinding(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::isShapeBinding", [&] { return is_shape_input(binding(index)); });
}

bool CudaEngine::isExecutionBinding(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::isExecutionBinding", [&] { return binding(index), true; });
}

}  // namespace tenon::nvinfer
